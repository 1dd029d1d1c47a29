#include "base/http_date.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>

#include "base/strings.h"

namespace fetchd {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

// A year is the longest Retry-After that makes any sense; it also keeps the arithmetic from
// overflowing.
constexpr std::uint64_t kMaxRetryAfterSeconds = 366 * 24 * 3600;

/// Reads a text from the left; every step fails for good once one has failed.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  void Literal(std::string_view literal) {
    ok_ = ok_ && text_.starts_with(literal);
    if (ok_) text_.remove_prefix(literal.size());
  }
  int Digits(std::size_t count) {
    if (!ok_ || text_.size() < count) return Fail();
    const auto value = ParseDecimal<unsigned>(text_.substr(0, count));
    if (!value) return Fail();
    text_.remove_prefix(count);
    return static_cast<int>(*value);
  }
  template <std::size_t N>
  int OneOf(const std::array<std::string_view, N>& names) {
    for (std::size_t i = 0; ok_ && i < N; ++i) {
      if (!text_.starts_with(names[i])) continue;
      text_.remove_prefix(names[i].size());
      return static_cast<int>(i);
    }
    return Fail();
  }
  void SkipLetters() {
    while (!text_.empty() && AsciiLower(text_.front()) >= 'a' && AsciiLower(text_.front()) <= 'z') {
      text_.remove_prefix(1);
    }
  }
  bool Peek(std::string_view literal) const { return text_.starts_with(literal); }
  bool Done() const { return ok_ && text_.empty(); }

 private:
  int Fail() {
    ok_ = false;
    return 0;
  }
  std::string_view text_;
  bool ok_ = true;
};

struct Fields {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
};

void ScanTime(Scanner& scanner, Fields& fields) {
  fields.hour = scanner.Digits(2);
  scanner.Literal(":");
  fields.minute = scanner.Digits(2);
  scanner.Literal(":");
  fields.second = scanner.Digits(2);
}

std::optional<WallTime> ToTime(const Fields& fields) {
  const std::chrono::year_month_day day{std::chrono::year(fields.year),
                                        std::chrono::month(static_cast<unsigned>(fields.month + 1)),
                                        std::chrono::day(static_cast<unsigned>(fields.day))};
  // 60 is a leap second.
  if (!day.ok() || fields.hour > 23 || fields.minute > 59 || fields.second > 60)
    return std::nullopt;
  const std::chrono::sys_seconds time =
      std::chrono::sys_days(day) + std::chrono::hours(fields.hour) +
      std::chrono::minutes(fields.minute) + std::chrono::seconds(fields.second);
  // In seconds: nanoseconds would overflow.
  constexpr auto kLatest = std::chrono::floor<std::chrono::seconds>(WallTime::max());
  return std::clamp(time, std::chrono::sys_seconds(), kLatest);
}

// "Sun, 06 Nov 1994 08:49:37 GMT" and "Sunday, 06-Nov-94 08:49:37 GMT".
std::optional<WallTime> ParseWithComma(std::string_view text) {
  Scanner scanner(text);
  Fields fields;
  scanner.OneOf(kDays);
  scanner.SkipLetters();
  scanner.Literal(", ");
  fields.day = scanner.Digits(2);
  const bool obsolete = scanner.Peek("-");
  const std::string_view separator = obsolete ? "-" : " ";
  scanner.Literal(separator);
  fields.month = scanner.OneOf(kMonths);
  scanner.Literal(separator);
  fields.year = scanner.Digits(obsolete ? 2 : 4);
  if (obsolete) fields.year += fields.year < 70 ? 2000 : 1900;
  scanner.Literal(" ");
  ScanTime(scanner, fields);
  scanner.Literal(" GMT");
  return scanner.Done() ? ToTime(fields) : std::nullopt;
}

// "Sun Nov  6 08:49:37 1994".
std::optional<WallTime> ParseAsctime(std::string_view text) {
  Scanner scanner(text);
  Fields fields;
  scanner.OneOf(kDays);
  scanner.Literal(" ");
  fields.month = scanner.OneOf(kMonths);
  scanner.Literal(" ");
  const bool one_digit = scanner.Peek(" ");
  if (one_digit) scanner.Literal(" ");
  fields.day = scanner.Digits(one_digit ? 1 : 2);
  scanner.Literal(" ");
  ScanTime(scanner, fields);
  scanner.Literal(" ");
  fields.year = scanner.Digits(4);
  return scanner.Done() ? ToTime(fields) : std::nullopt;
}

}  // namespace

std::optional<WallTime> ParseHttpDate(std::string_view text) {
  if (const auto time = ParseWithComma(text)) return time;
  return ParseAsctime(text);
}

std::string FormatHttpDate(WallTime at) {
  const auto second = std::chrono::floor<std::chrono::seconds>(at);
  const auto day = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{second - day};
  const auto number = [](auto value) { return static_cast<int>(value); };
  const std::string_view weekday = kDays[std::chrono::weekday(day).c_encoding()];
  const std::string_view month = kMonths[static_cast<unsigned>(date.month()) - 1];
  char rest[32];
  std::snprintf(rest, sizeof rest, " %04d %02d:%02d:%02d GMT", static_cast<int>(date.year()),
                number(time.hours().count()), number(time.minutes().count()),
                number(time.seconds().count()));
  char day_of_month[8];
  std::snprintf(day_of_month, sizeof day_of_month, ", %02d ",
                number(static_cast<unsigned>(date.day())));
  return Concat(weekday, std::string_view(day_of_month), month, std::string_view(rest));
}

std::optional<Duration> ParseRetryAfter(std::string_view text, WallTime now) {
  text = TrimWhitespace(text);
  if (const auto seconds = ParseDecimal(text)) {
    return std::chrono::seconds(std::min(*seconds, kMaxRetryAfterSeconds));
  }
  const std::optional<WallTime> at = ParseHttpDate(text);
  if (!at) return std::nullopt;
  return *at <= now ? Duration::zero() : std::chrono::duration_cast<Duration>(*at - now);
}

}  // namespace fetchd
