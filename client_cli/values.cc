#include "cli/values.h"

#include <google/protobuf/util/time_util.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <limits>

#include "base/signed_url.h"
#include "base/strings.h"

namespace fetchd::cli {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::array<Unit, 5> kTimeUnits = {
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};
constexpr std::array<Unit, 10> kSizeUnits = {{{"", 1},
                                              {"B", 1},
                                              {"KiB", 1ull << 10},
                                              {"MiB", 1ull << 20},
                                              {"GiB", 1ull << 30},
                                              {"TiB", 1ull << 40},
                                              {"kB", 1'000},
                                              {"MB", 1'000'000},
                                              {"GB", 1'000'000'000},
                                              {"TB", 1'000'000'000'000}}};
constexpr std::uint64_t kLongestMs = 36'500ull * 86'400'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// Cuts a run of characters for which `belongs` holds off the front.
template <typename Predicate>
std::string_view Cut(std::string_view& text, Predicate belongs) {
  const auto end = std::find_if_not(text.begin(), text.end(), belongs);
  const std::string_view cut = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(cut.size());
  return cut;
}

std::string Fixed(double value, std::string_view unit) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, value < 100 ? "%.1f" : "%.0f", value);
  return Concat(std::string_view(buffer), unit);
}

}  // namespace

absl::StatusOr<Milliseconds> ParseDuration(std::string_view text) {
  const auto bad = [text] {
    return absl::InvalidArgumentError(
        Concat("\"", text, "\" is not a duration; write for example 10m, 1h30m or 250ms"));
  };
  std::uint64_t total_ms = 0;
  std::string_view rest = text;
  auto next_unit = kTimeUnits.begin();
  if (rest.empty()) return bad();
  while (!rest.empty()) {
    const auto number = ParseDecimal(Cut(rest, IsDigit));
    const std::string_view name = Cut(rest, [](char c) { return !IsDigit(c); });
    const auto unit = std::find_if(next_unit, kTimeUnits.end(),
                                   [name](const Unit& known) { return known.name == name; });
    if (!number || unit == kTimeUnits.end()) return bad();
    if (*number > kLongestMs / unit->factor) return bad();
    total_ms += *number * unit->factor;
    if (total_ms > kLongestMs) return bad();
    next_unit = std::next(unit);
  }
  return Milliseconds(total_ms);
}

absl::StatusOr<std::uint64_t> ParseSize(std::string_view text) {
  std::string_view name = text;
  const auto number = ParseDecimal(Cut(name, IsDigit));
  const auto unit = std::find_if(kSizeUnits.begin(), kSizeUnits.end(),
                                 [name](const Unit& known) { return known.name == name; });
  if (!number || unit == kSizeUnits.end() ||
      *number > std::numeric_limits<std::uint64_t>::max() / unit->factor) {
    return absl::InvalidArgumentError(
        Concat("\"", text, "\" is not a size; write for example 1048576, 1MiB or 1MB"));
  }
  return *number * unit->factor;
}

absl::StatusOr<std::pair<std::string, std::string>> ParsePair(std::string_view text,
                                                              char separator) {
  const std::size_t at = text.find(separator);
  if (at == std::string_view::npos || at == 0) {
    return absl::InvalidArgumentError(
        Concat("\"", text, "\" is not of the form KEY", separator, "VALUE"));
  }
  return std::pair(std::string(text.substr(0, at)), std::string(text.substr(at + 1)));
}

absl::StatusOr<ByteRange> ParseRange(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto bad = [text] {
    return absl::InvalidArgumentError(
        Concat("\"", text, "\" is not FIRST-LAST or FIRST-, such as 0-99 or 100-"));
  };
  if (dash == std::string_view::npos) return bad();
  const auto first = ParseDecimal(text.substr(0, dash));
  if (!first) return bad();
  ByteRange range{*first, std::nullopt};
  if (dash + 1 == text.size()) return range;
  range.last = ParseDecimal(text.substr(dash + 1));
  if (!range.last || *range.last < range.first) return bad();
  return range;
}

v1::ByteRange ToProto(const ByteRange& range) {
  v1::ByteRange out;
  out.set_first(range.first);
  if (range.last) out.set_last(*range.last);
  return out;
}

std::string EntityTag(std::string_view text) {
  const bool quoted = text.starts_with('"') || text.starts_with("W/\"");
  return quoted ? std::string(text) : Concat('"', text, '"');
}

absl::StatusOr<google::protobuf::Timestamp> ParseTime(std::string_view text) {
  google::protobuf::Timestamp time;
  const std::string whole(text);
  using google::protobuf::util::TimeUtil;
  if (TimeUtil::FromString(whole, &time)) return time;
  if (TimeUtil::FromString(whole + "T00:00:00Z", &time)) return time;
  std::tm fields{};
  const char* const end = strptime(whole.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &fields);
  if (end != nullptr && *end == '\0') return TimeUtil::TimeTToTimestamp(timegm(&fields));
  return absl::InvalidArgumentError(
      Concat("\"", text, "\" is no time, such as 2026-01-31T12:00:00Z, and no file"));
}

absl::StatusOr<google::protobuf::Timestamp> TimeCondition(const std::string& text) {
  struct stat info{};
  if (stat(text.c_str(), &info) != 0) return ParseTime(text);
  return google::protobuf::util::TimeUtil::TimeTToTimestamp(info.st_mtim.tv_sec);
}

std::string FormatBytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kNames = {" KiB", " MiB", " GiB", " TiB", " PiB"};
  if (bytes < 1024) return Concat(bytes, " B");
  double value = static_cast<double>(bytes) / 1024;
  std::size_t name = 0;
  while (value >= 1024 && name + 1 < kNames.size()) {
    value /= 1024;
    ++name;
  }
  return Fixed(value, kNames[name]);
}

std::string FormatDuration(Milliseconds duration) {
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0));
  if (ms < 1'000) return Concat(ms, "ms");
  if (ms < 60'000) return Fixed(static_cast<double>(ms) / 1000, "s");
  std::uint64_t rest = ms / 1'000 * 1'000;
  std::string out;
  int shown = 0;
  for (const Unit& unit : kTimeUnits) {
    const std::uint64_t count = rest / unit.factor;
    rest %= unit.factor;
    if (count > 0) out += Concat(count, unit.name);
    if (!out.empty() && ++shown == 2) break;
  }
  return out;
}

std::string FormatDuration(const google::protobuf::Duration& duration) {
  return FormatDuration(
      Milliseconds(google::protobuf::util::TimeUtil::DurationToMilliseconds(duration)));
}

google::protobuf::Duration ToProto(Milliseconds duration) {
  return google::protobuf::util::TimeUtil::MillisecondsToDuration(duration.count());
}

std::string Printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = '?';
  }
  return out;
}

std::string ShownUrl(std::string_view url) { return HideSignatures(WithoutUserinfo(url)); }

}  // namespace fetchd::cli
