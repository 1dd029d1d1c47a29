#include "base/retry_policy.h"

#include <gtest/gtest.h>

#include <string>

namespace fetchd {
namespace {

using namespace std::chrono_literals;

struct RetryCase {
  std::string name;
  bool retryable = true;
  int attempt = 1;
  double uniform = 0.5;
  std::optional<Duration> retry_after;
  Duration left = 1h;
  std::optional<Duration> expected;
};

class RetryPolicyTest : public ::testing::TestWithParam<RetryCase> {};

TEST_P(RetryPolicyTest, DecidesAsTheTableSays) {
  const RetryCase& test = GetParam();
  const RetryPolicy policy(RetryConfig{5, 250ms, 1s, 5min});
  Failure failure;
  failure.retryable = test.retryable;
  failure.retry_after = test.retry_after;
  const SteadyTime now = SteadyTime() + 1h;

  const auto delay = policy.Next(failure, test.attempt, now, Deadline::At(now + test.left),
                                 [&test] { return test.uniform; });

  EXPECT_EQ(delay, test.expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, RetryPolicyTest,
    ::testing::Values(RetryCase{"First", true, 1, 0.5, {}, 1h, 125ms},
                      RetryCase{"DoublesEachAttempt", true, 2, 0.5, {}, 1h, 250ms},
                      RetryCase{"IsCapped", true, 4, 0.5, {}, 1h, 500ms},
                      RetryCase{"JitterReachesZero", true, 3, 0.0, {}, 1h, 0ms},
                      RetryCase{"NotRetryable", false, 1, 0.5, {}, 1h, std::nullopt},
                      RetryCase{"AttemptsSpent", true, 5, 0.5, {}, 1h, std::nullopt},
                      RetryCase{"ServerSaysWhen", true, 1, 0.5, 5s, 1h, 5s},
                      RetryCase{"ShorterServerWishIsNoShortcut", true, 4, 0.5, 100ms, 1h, 500ms},
                      RetryCase{"LongServerWishIsCut", true, 1, 0.5, 24h, 1h, 5min},
                      RetryCase{"ServerWishPassesDeadline", true, 1, 0.5, 5s, 4s, std::nullopt},
                      RetryCase{"DelayReachesDeadline", true, 1, 0.5, {}, 125ms, std::nullopt},
                      RetryCase{"DeadlinePassed", true, 1, 0.0, {}, -1s, std::nullopt}),
    [](const auto& info) { return info.param.name; });

TEST(RetryPolicyNeverTest, NoDeadlineAndHugeAttemptDoNotOverflow) {
  const RetryPolicy policy(RetryConfig{1'000'000, 250ms, Duration::max(), 5min});
  Failure failure;
  failure.retryable = true;
  const auto delay =
      policy.Next(failure, 999'999, SteadyTime() + 1h, Deadline::Never(), [] { return 0.25; });
  ASSERT_TRUE(delay);
  EXPECT_GT(*delay, 1h);
}

TEST(RetryableHttpStatusTest, IsExactlyTheList) {
  std::vector<int> retryable;
  for (int status = 100; status < 600; ++status) {
    if (IsRetryableHttpStatus(status)) retryable.push_back(status);
  }
  EXPECT_EQ(retryable, (std::vector{408, 425, 429, 500, 502, 503, 504}));
}

TEST(PhaseNameTest, EveryPhaseHasItsOwn) {
  EXPECT_STREQ(PhaseName(Phase::kResolve), "DNS");
  EXPECT_STREQ(PhaseName(Phase::kFirstByte), "first byte");
  EXPECT_STREQ(PhaseName(Phase::kVerify), "verify");
}

}  // namespace
}  // namespace fetchd
