#include "rpc/call_rates.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/strings.h"
#include "support/manual_clock.h"

namespace fetchd::rpc {
namespace {

using fetchd::testing::ManualClock;
using namespace std::chrono_literals;

Principal NamedCaller(const std::string& name) {
  return {name, "builds", {Role::kRead}, Credential::kToken};
}

class CallRatesTest : public ::testing::Test {
 protected:
  int Admitted(const std::string& principal, int calls) {
    int admitted = 0;
    for (int i = 0; i < calls; ++i)
      admitted += rates_.Take(NamedCaller(principal), true).ok() ? 1 : 0;
    return admitted;
  }

  ManualClock clock_;
  CallRates rates_{10, clock_};
};

TEST_F(CallRatesTest, ASecondsCallsMayComeAtOnceAndThenOneAtATime) {
  EXPECT_EQ(Admitted("ci", 20), 10);

  clock_.Advance(100ms);
  EXPECT_EQ(Admitted("ci", 5), 1);
  clock_.Advance(10s);
  EXPECT_EQ(Admitted("ci", 20), 10);
}

TEST_F(CallRatesTest, OneCallersCallsAreNotAnothers) {
  Admitted("ci", 20);

  EXPECT_EQ(Admitted("reports", 5), 5);
}

TEST_F(CallRatesTest, TheSameNameOfAnotherTenantOrByAnotherCredentialIsAnother) {
  Admitted("ci", 20);

  EXPECT_EQ(rates_.Take({"ci", "reports", {Role::kRead}, Credential::kToken}, true),
            absl::OkStatus());
  EXPECT_EQ(rates_.Take({"ci", "builds", {Role::kRead}, Credential::kJwt}, true), absl::OkStatus());
  EXPECT_FALSE(rates_.Take(NamedCaller("ci"), true).ok());
}

TEST_F(CallRatesTest, ARefusalSaysWhenToComeBackAndIsRight) {
  Admitted("ci", 10);

  const absl::Status refused = rates_.Take(NamedCaller("ci"), true);

  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_EQ(GetReason(refused)->reason, "CALL_RATE");
  EXPECT_EQ(GetQuota(refused)->subject, "principal:ci");
  ASSERT_TRUE(GetRetryAfter(refused));
  clock_.Advance(*GetRetryAfter(refused));
  EXPECT_EQ(rates_.Take(NamedCaller("ci"), true), absl::OkStatus());
}

TEST_F(CallRatesTest, WhoSubmitsTooMuchStillWatchesAndCancels) {
  EXPECT_EQ(Admitted("ci", 20), 10);

  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(rates_.Take(NamedCaller("ci"), false), absl::OkStatus()) << i;
  }
  EXPECT_TRUE(absl::IsResourceExhausted(rates_.Take(NamedCaller("ci"), false)));
}

TEST_F(CallRatesTest, ZeroIsNoLimit) {
  CallRates unlimited(0, clock_);
  for (int i = 0; i < 10'000; ++i)
    ASSERT_EQ(unlimited.Take(NamedCaller("ci"), true), absl::OkStatus());
  EXPECT_EQ(unlimited.size(), 0u);
}

TEST_F(CallRatesTest, CallersWhoAreIdleAreForgotten) {
  for (int i = 0; i < 1024; ++i)
    ASSERT_EQ(rates_.Take(NamedCaller(Concat("p", i)), true), absl::OkStatus());
  clock_.Advance(1s);

  ASSERT_EQ(rates_.Take(NamedCaller("next"), true), absl::OkStatus());

  EXPECT_EQ(rates_.size(), 1u);
}

}  // namespace
}  // namespace fetchd::rpc
