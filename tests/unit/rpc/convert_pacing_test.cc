#include "rpc/convert_pacing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace fetchd::rpc {
namespace {

using namespace std::chrono_literals;

TEST(ConvertPacingTest, AnOriginIsAUrlWithoutPathAndQuery) {
  EXPECT_EQ(ParseOrigin("https://Example.org", {})->ToString(), "https://example.org");
  EXPECT_EQ(ParseOrigin("http://example.org:8080/", {})->port, 8080);
  for (const char* const wrong : {"", "example.org", "ftp://example.org", "https://example.org/a",
                                  "https://example.org?q", "https://me@example.org"}) {
    const auto origin = ParseOrigin(wrong, {});
    EXPECT_TRUE(absl::IsInvalidArgument(origin.status())) << wrong;
    ASSERT_TRUE(GetField(origin.status())) << wrong;
    EXPECT_EQ(GetField(origin.status())->field, "origin");
  }
}

TEST(ConvertPacingTest, AbsentLimitsAreNone) {
  EXPECT_EQ(*FromProto(v1::OriginLimits()), fetch::OriginLimits());

  v1::OriginLimits limits;
  limits.set_max_transfers(0);
  limits.set_requests_per_sec(0.5);
  limits.set_bytes_per_sec(4096);
  EXPECT_EQ(*FromProto(limits), (fetch::OriginLimits{0, 0.5, 4096}));
}

TEST(ConvertPacingTest, ARateIsWithinItsBounds) {
  for (const double wrong : {0.0, -1.0, 0.0009, 1'000'001.0, std::nan(""), HUGE_VAL}) {
    v1::OriginLimits limits;
    limits.set_requests_per_sec(wrong);
    EXPECT_EQ(GetField(FromProto(limits).status())->field, "limits.requests_per_sec") << wrong;
  }
}

TEST(ConvertPacingTest, AStateIsShownWhole) {
  const fetch::OriginPacer::OriginState state{.origin = {"https", "example.org", 443},
                                              .transfers = 5,
                                              .retries = 1,
                                              .limits = {7, 2.5, 4096},
                                              .adaptive_limit = 6,
                                              .hold = fetch::Hold::kCoolDown,
                                              .held_for = 1500ms,
                                              .pushbacks = 2,
                                              .cool_downs = 3,
                                              .circuit_openings = 4,
                                              .failures_in_a_row = 1,
                                              .bytes_per_sec = 1000.5};

  const v1::OriginState out = ToProto(state);

  EXPECT_EQ(out.origin(), "https://example.org");
  EXPECT_EQ(out.transfers(), 5U);
  EXPECT_EQ(out.retries(), 1U);
  EXPECT_EQ(out.limits().max_transfers(), 7U);
  EXPECT_EQ(out.limits().requests_per_sec(), 2.5);
  EXPECT_EQ(out.limits().bytes_per_sec(), 4096U);
  EXPECT_EQ(out.adaptive_limit(), 6U);
  EXPECT_EQ(out.hold(), v1::OriginState::HOLD_COOL_DOWN);
  EXPECT_EQ(out.held_for().nanos(), 500'000'000);
  EXPECT_EQ(out.pushbacks(), 2U);
  EXPECT_EQ(out.cool_downs(), 3U);
  EXPECT_EQ(out.circuit_openings(), 4U);
  EXPECT_EQ(out.failures_in_a_row(), 1);
  EXPECT_EQ(out.body_bytes_per_sec(), 1000U);
  EXPECT_FALSE(ToProto(fetch::OriginPacer::OriginState()).has_body_bytes_per_sec());
}

TEST(ConvertPacingTest, EveryHoldAndReasonHasItsName) {
  for (const fetch::Hold hold :
       {fetch::Hold::kPaused, fetch::Hold::kCoolDown, fetch::Hold::kCircuitOpen,
        fetch::Hold::kTransfers, fetch::Hold::kRate, fetch::Hold::kRetries}) {
    const v1::OriginState out = ToProto(fetch::OriginPacer::OriginState{.hold = hold});
    EXPECT_EQ(v1::OriginState::Hold_Name(out.hold()), std::string("HOLD_") + HoldName(hold));
  }
  using Reason = fetch::JobWait::Reason;
  for (const Reason reason :
       {Reason::kStartTime, Reason::kRetry, Reason::kOriginOnHold, Reason::kTransferLimit,
        Reason::kDraining, Reason::kNext, Reason::kPaused}) {
    EXPECT_NE(ToProto(fetch::JobWait{.reason = reason}).reason(),
              v1::ExplainJobResponse::REASON_UNSPECIFIED);
  }
}

}  // namespace
}  // namespace fetchd::rpc
