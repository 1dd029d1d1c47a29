#include "rpc/auth_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "support/manual_clock.h"

namespace fetchd::rpc {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class AuditTest : public ::testing::Test {
 protected:
  fetchd::testing::ManualClock clock_;
  std::string line_;
  int lines_ = 0;
  telemetry::Logger log_{{.level = telemetry::LogLevel::kError},
                         [this](std::string_view line) {
                           line_ = line;
                           ++lines_;
                         },
                         [this] { return clock_.WallNow(); }};
  CallRates rates_{0, clock_};
  Gate gate_{{nullptr, rates_, log_, clock_}};
};

TEST_F(AuditTest, SaysWhoDidWhatAndWhatBecameOfIt) {
  gate_.Audit("CancelJob",
              {{"ci", "builds", {Role::kSubmit}, Credential::kJwt}, "ipv4:127.0.0.1:1", "jobs/x"},
              WithReason(absl::NotFoundError("there is no job x"), {"GONE", {}}));

  EXPECT_THAT(line_, HasSubstr("msg=audit principal=ci tenant=builds by=jwt method=CancelJob "
                               "resource=jobs/x outcome=NOT_FOUND reason=GONE "
                               "peer=ipv4:127.0.0.1:1"));
}

TEST_F(AuditTest, ANameOfAnyLengthIsALineOfBoundedLength) {
  gate_.Audit("DeleteJob", {Principal(), "", std::string(1 << 20, 'x')}, absl::OkStatus());

  EXPECT_THAT(line_, HasSubstr("resource=xxx"));
  EXPECT_LT(line_.size(), 500u);
}

TEST_F(AuditTest, ALongNameIsCutBetweenCharacters) {
  gate_.Audit("DeleteJob", {Principal(), "", std::string(199, 'x') + "\u00e9"}, absl::OkStatus());
  EXPECT_THAT(line_, HasSubstr(std::string(199, 'x') + " outcome"));

  gate_.Audit("DeleteJob", {Principal(), "", std::string(198, 'x') + "\u00e9y"}, absl::OkStatus());
  EXPECT_THAT(line_, HasSubstr("x\u00e9 outcome"));

  gate_.Audit("DeleteJob", {Principal(), "", std::string(300, '\xff')}, absl::OkStatus());
  std::string latin1;
  for (int i = 0; i < 200; ++i) latin1 += "\u00ff";
  EXPECT_THAT(line_, HasSubstr("=" + latin1 + " outcome"));
}

TEST_F(AuditTest, StrangersWriteTenLinesASecondAndTheRestIsCounted) {
  const absl::Status unknown = Unauthenticated("who is it?", "TOKEN_MISSING");
  const Gate::Deed deed{Principal(), "ipv4:127.0.0.1:1", ""};
  for (int i = 0; i < 25; ++i) gate_.Audit("CreateJob", deed, unknown);
  EXPECT_EQ(lines_, 10);
  EXPECT_THAT(line_, Not(HasSubstr("left_out")));

  gate_.Audit("CreateJob", deed, absl::PermissionDeniedError("known, and refused"));
  EXPECT_EQ(lines_, 11);
  const absl::Status too_early =
      WithReason(absl::UnavailableError("no keys yet"), {"KEYS_MISSING", {}});
  gate_.Audit("CreateJob", deed, too_early);
  EXPECT_EQ(lines_, 11);
  clock_.Advance(std::chrono::seconds(1));
  gate_.Audit("CreateJob", deed, unknown);

  EXPECT_EQ(lines_, 12);
  EXPECT_THAT(line_, HasSubstr("left_out=16"));
}

}  // namespace
}  // namespace fetchd::rpc
