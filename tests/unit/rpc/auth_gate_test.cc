#include "rpc/auth_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "support/manual_clock.h"

namespace fetchd::rpc {
namespace {

using ::testing::HasSubstr;

class AuditTest : public ::testing::Test {
 protected:
  fetchd::testing::ManualClock clock_;
  std::string line_;
  telemetry::Logger log_{
      {}, [this](std::string_view line) { line_ = line; }, [this] { return clock_.WallNow(); }};
  CallRates rates_{0, clock_};
  Gate gate_{{nullptr, rates_, log_}};
};

TEST_F(AuditTest, SaysWhoDidWhatAndWhatBecameOfIt) {
  gate_.Audit("CancelJob", {{"ci", "builds", {Role::kSubmit}}, "ipv4:127.0.0.1:1", "jobs/x"},
              WithReason(absl::NotFoundError("there is no job x"), {"GONE", {}}));

  EXPECT_THAT(line_, HasSubstr("msg=audit principal=ci tenant=builds method=CancelJob "
                               "resource=jobs/x outcome=NOT_FOUND reason=GONE "
                               "peer=ipv4:127.0.0.1:1"));
}

TEST_F(AuditTest, ANameOfAnyLengthIsALineOfBoundedLength) {
  gate_.Audit("DeleteJob", {Principal(), "", std::string(1 << 20, 'x')}, absl::OkStatus());

  EXPECT_THAT(line_, HasSubstr("resource=xxx"));
  EXPECT_LT(line_.size(), 500u);
}

}  // namespace
}  // namespace fetchd::rpc
