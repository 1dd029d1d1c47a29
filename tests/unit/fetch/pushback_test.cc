#include "fetch/pushback.h"

#include <gtest/gtest.h>

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;

struct PauseCase {
  const char* name;
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<Duration> pause;
};
void PrintTo(const PauseCase& c, std::ostream* out) { *out << c.name; }

class WantedPauseTest : public ::testing::TestWithParam<PauseCase> {};

// 2026-11-27 00:00:00 UTC.
constexpr WallTime kNow = WallTime(std::chrono::seconds(1'795'737'600));

TEST_P(WantedPauseTest, IsReadFrom) {
  http::Headers headers;
  for (const auto& [name, value] : GetParam().headers) headers.Add(name, value);

  EXPECT_EQ(WantedPause(GetParam().status, headers, kNow, true), GetParam().pause);
}

INSTANTIATE_TEST_SUITE_P(
    All, WantedPauseTest,
    ::testing::Values(
        PauseCase{"Nothing", 429, {}, std::nullopt},
        PauseCase{"RetryAfterOf429", 429, {{"Retry-After", "7"}}, 7s},
        PauseCase{"RetryAfterOf503", 503, {{"Retry-After", "Fri, 27 Nov 2026 00:01:00 GMT"}}, 60s},
        PauseCase{"RetryAfterOfARedirectIsNone", 301, {{"Retry-After", "7"}}, std::nullopt},
        PauseCase{"RateLimit", 200, {{"RateLimit", "\"default\";r=0;t=30"}}, 30s},
        PauseCase{"RateLimitWithSpaces", 200, {{"RateLimit", "\"a\"; r=0; t=30"}}, 30s},
        PauseCase{"RateLimitNotUsedUp", 200, {{"RateLimit", "\"default\";r=1;t=30"}}, std::nullopt},
        PauseCase{"RateLimitWithoutReset", 200, {{"RateLimit", "\"default\";r=0"}}, std::nullopt},
        PauseCase{"RateLimitOfSeveralPolicies",
                  200,
                  {{"RateLimit", "\"a\";r=5;t=9, \"b\";r=0;t=30, \"c\";r=0;t=3"}},
                  30s},
        PauseCase{
            "OlderFields", 200, {{"RateLimit-Remaining", "0"}, {"RateLimit-Reset", "12"}}, 12s},
        PauseCase{"OlderFieldsNotUsedUp",
                  200,
                  {{"RateLimit-Remaining", "3"}, {"RateLimit-Reset", "12"}},
                  std::nullopt},
        PauseCase{"UnixTime",
                  403,
                  {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", "1795737690"}},
                  90s},
        PauseCase{"UnixTimeThatHasPassed",
                  200,
                  {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", "1795737000"}},
                  std::nullopt},
        PauseCase{"RetryAfterOfNothing", 429, {{"Retry-After", "0"}}, std::nullopt},
        PauseCase{"RateLimitInTwoLines",
                  200,
                  {{"RateLimit", "\"a\";r=5;t=9"}, {"RateLimit", "\"b\";r=0;t=30"}},
                  30s},
        PauseCase{"RateLimitWhoseNameLooksLikeIt",
                  200,
                  {{"RateLimit", "\"a;r=0;t=300,\";r=9;t=1"}},
                  std::nullopt},
        PauseCase{"TheLongest",
                  429,
                  {{"Retry-After", "7"}, {"RateLimit-Remaining", "0"}, {"RateLimit-Reset", "12"}},
                  12s},
        PauseCase{"Garbage",
                  429,
                  {{"Retry-After", "soon"},
                   {"RateLimit", ";;,,=;r=;t=x"},
                   {"RateLimit-Remaining", "-1"},
                   {"X-RateLimit-Reset", "99999999999999999999"}},
                  std::nullopt},
        PauseCase{"Enormous",
                  200,
                  {{"RateLimit-Remaining", "0"}, {"RateLimit-Reset", "999999999"}},
                  std::chrono::hours(24 * 365)}),
    [](const auto& info) { return info.param.name; });

TEST(WantedPauseTestOfAQuota, OfACallersOwnLoginCountsOnlyWhereItWasRefused) {
  http::Headers headers;
  headers.Add("X-RateLimit-Remaining", "0");
  headers.Add("X-RateLimit-Reset", "30");

  EXPECT_EQ(WantedPause(200, headers, kNow, false), std::nullopt);
  EXPECT_EQ(WantedPause(429, headers, kNow, false), 30s);
}

}  // namespace
}  // namespace fetchd::fetch
