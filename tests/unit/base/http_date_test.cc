#include "base/http_date.h"

#include <gtest/gtest.h>

namespace fetchd {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNov1994 =
    WallTime(std::chrono::sys_days(std::chrono::year{1994} / 11 / 6)) + 8h + 49min + 37s;

TEST(HttpDateTest, ReadsAllThreeForms) {
  EXPECT_EQ(ParseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT"), kNov1994);
  EXPECT_EQ(ParseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT"), kNov1994);
  EXPECT_EQ(ParseHttpDate("Sun Nov  6 08:49:37 1994"), kNov1994);
}

TEST(HttpDateTest, DatesBeyondOurTimesAreTheNearestOfThem) {
  EXPECT_EQ(ParseHttpDate("Sun Nov  6 08:49:37 0001"), WallTime());
  EXPECT_GT(ParseHttpDate("Fri, 31 Dec 9999 23:59:59 GMT"), WallTime(24h * 365 * 290));
  EXPECT_GT(ParseRetryAfter("Fri, 31 Dec 9999 23:59:59 GMT", kNov1994), 24h * 365 * 200);
}

TEST(HttpDateTest, RefusesTheRest) {
  for (const char* text : {"", "0", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET",
                           "Sun, 31 Feb 2026 00:00:00 GMT", "Sun, 06 Nov 1994 24:00:00 GMT",
                           "06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ",
                           "Sun, -6 Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(ParseHttpDate(text), std::nullopt) << text;
  }
}

TEST(HttpDateTest, WritesWhatItReads) {
  EXPECT_EQ(FormatHttpDate(kNov1994 + 999ms), "Sun, 06 Nov 1994 08:49:37 GMT");
  for (const auto day : {std::chrono::year{1970} / 1 / 1, std::chrono::year{2024} / 2 / 29,
                         std::chrono::year{2199} / 12 / 31}) {
    const WallTime at = WallTime(std::chrono::sys_days(day)) + 23h + 59min + 59s;
    EXPECT_EQ(ParseHttpDate(FormatHttpDate(at)), at);
  }
}

TEST(RetryAfterTest, SecondsOrDate) {
  EXPECT_EQ(ParseRetryAfter("120", kNov1994), 120s);
  EXPECT_EQ(ParseRetryAfter(" 0 ", kNov1994), 0s);
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:47 GMT", kNov1994), 10s);
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:00 GMT", kNov1994), 0s);
  EXPECT_EQ(ParseRetryAfter("18446744073709551615", kNov1994), 24h * 366);
  for (const char* text : {"", "-1", "1.5", "soon", "99999999999999999999999"}) {
    EXPECT_EQ(ParseRetryAfter(text, kNov1994), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace fetchd
