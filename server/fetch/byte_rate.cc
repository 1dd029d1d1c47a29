#include "fetch/byte_rate.h"

#include <algorithm>
#include <cstdio>

#include "base/byte_size.h"
#include "base/strings.h"

namespace fetchd::fetch {
namespace {

constexpr Duration kSavedUp = std::chrono::milliseconds(250);
constexpr int kMinutesOfADay = 24 * 60;

absl::Status Wrong() {
  return absl::InvalidArgumentError(
      "expects bytes a second (10MiB), off, or these by time of day (08:00=2MiB 18:30=off)");
}

/// "08:30"
std::optional<int> ParseMinute(std::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  const auto hour = ParseDecimal(text.substr(0, 2));
  const auto minute = ParseDecimal(text.substr(3));
  if (!hour || !minute || *hour > 23 || *minute > 59) return std::nullopt;
  return static_cast<int>(*hour * 60 + *minute);
}

absl::StatusOr<std::optional<std::uint64_t>> ParseRate(std::string_view text) {
  if (text == "off") return std::optional<std::uint64_t>();
  const std::optional<std::uint64_t> rate = ParseByteSize(text);
  if (!rate || *rate == 0) return Wrong();
  return rate;
}

std::string RateText(std::optional<std::uint64_t> rate) {
  return rate ? FormatByteSize(*rate) : "off";
}

}  // namespace

SteadyTime ByteRate::Take(std::uint64_t bytes, std::optional<std::uint64_t> bytes_per_sec,
                          SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (!bytes_per_sec) {
    next_at_ = now;
    return now;
  }
  // A rate so low, or so many bytes, that the wait would be a day, waits a day.
  constexpr double kLongest = 86'400;
  const double seconds =
      std::min(static_cast<double>(bytes) / static_cast<double>(*bytes_per_sec), kLongest);
  const auto cost = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  next_at_ = std::max(next_at_, now - kSavedUp) + cost;
  return next_at_;
}

bool ByteRate::IsPaid(SteadyTime now) const {
  const std::lock_guard lock(mutex_);
  return next_at_ <= now - kSavedUp;
}

std::shared_ptr<ByteRate> TenantByteRates::For(const std::string& tenant, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (rates_.size() >= forget_at_) {
    std::erase_if(rates_, [now](const auto& entry) {
      return entry.second.use_count() == 1 && entry.second->IsPaid(now);
    });
    forget_at_ = std::max<std::size_t>(forget_at_, 2 * rates_.size());
  }
  std::shared_ptr<ByteRate>& rate = rates_[tenant];
  if (rate == nullptr) rate = std::make_shared<ByteRate>();
  return rate;
}

absl::StatusOr<BandwidthSchedule> BandwidthSchedule::Parse(std::string_view text) {
  BandwidthSchedule schedule;
  text = TrimWhitespace(text);
  if (text.find('=') == std::string_view::npos) {
    ASSIGN_OR_RETURN(const auto rate, ParseRate(text));
    if (rate) schedule.entries_.push_back({0, rate});
    return schedule;
  }
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const std::string_view item = text.substr(0, end);
    text = TrimWhitespace(text.substr(end));
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) return Wrong();
    const std::optional<int> minute = ParseMinute(item.substr(0, equals));
    if (!minute) return Wrong();
    ASSIGN_OR_RETURN(const auto rate, ParseRate(item.substr(equals + 1)));
    schedule.entries_.push_back({*minute, rate});
  }
  std::ranges::sort(schedule.entries_, {}, &Entry::minute);
  const auto twice = std::ranges::adjacent_find(schedule.entries_, {}, &Entry::minute);
  if (twice != schedule.entries_.end()) {
    return absl::InvalidArgumentError("says two things of one time of day");
  }
  return schedule;
}

std::optional<std::uint64_t> BandwidthSchedule::At(WallTime time) const {
  if (entries_.empty()) return std::nullopt;
  const auto minutes = std::chrono::floor<std::chrono::minutes>(time.time_since_epoch()).count();
  const int minute =
      static_cast<int>(((minutes % kMinutesOfADay) + kMinutesOfADay) % kMinutesOfADay);
  const auto next = std::ranges::upper_bound(entries_, minute, {}, &Entry::minute);
  // Before the first of a day, the last of the day before holds.
  return next == entries_.begin() ? entries_.back().bytes_per_sec : std::prev(next)->bytes_per_sec;
}

std::string BandwidthSchedule::ToString() const {
  if (entries_.empty()) return "off";
  if (entries_.size() == 1) return RateText(entries_.front().bytes_per_sec);
  std::string text;
  for (const Entry& entry : entries_) {
    char time[8];
    std::snprintf(time, sizeof time, "%02d:%02d", entry.minute / 60, entry.minute % 60);
    text +=
        Concat(text.empty() ? "" : " ", std::string_view(time), '=', RateText(entry.bytes_per_sec));
  }
  return text;
}

}  // namespace fetchd::fetch
