#include "fetch/egress_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/manual_clock.h"

namespace fetchd::fetch {
namespace {

using egress::Judgement;
using egress::Mode;
using egress::Verdict;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class EgressLogTest : public ::testing::Test {
 protected:
  void Note(const Judgement& judgement, const std::string& tenant = "builds") {
    egress::Subject subject(*egress::Policy::Create({}));
    subject.tenant = tenant;
    subject.job = "jobs/1";
    decisions_.Note(subject, "http://a.test/x?[redacted]", judgement);
  }
  static Judgement Denied(Mode mode = Mode::kEnforce, bool passed = false) {
    Judgement judgement{Verdict::kPrivate, "10.0.0.0/8", mode, passed};
    judgement.address = boost::asio::ip::make_address("10.0.0.1");
    return judgement;
  }

  testing::ManualClock clock_;
  std::vector<std::string> lines_;
  telemetry::Logger log_{{.level = telemetry::LogLevel::kDebug},
                         [this](std::string_view line) { lines_.emplace_back(line); },
                         [] { return WallTime(); }};
  EgressLog decisions_{log_, clock_};
};

TEST_F(EgressLogTest, EachDecisionIsOneLineWithTheSameFields) {
  Note(Denied());
  Note({});

  ASSERT_THAT(lines_, SizeIs(2));
  EXPECT_THAT(lines_[0], HasSubstr("level=warning msg=egress tenant=builds job=jobs/1 "
                                   "url=http://a.test/x?[redacted] address=10.0.0.1 "
                                   "verdict=denied reason=PRIVATE rule=10.0.0.0/8 mode=enforce "
                                   "left_out=0"));
  EXPECT_THAT(lines_[1], HasSubstr("level=debug msg=egress"));
  EXPECT_THAT(lines_[1], HasSubstr("address=\"\" verdict=allowed reason=ALLOWED rule=\"\""));
}

TEST_F(EgressLogTest, WhatReportLetsPassIsAWarningAndWhatOpenDoesIsNone) {
  Note(Denied(Mode::kReport, true));
  Note(Denied(Mode::kOpen, true));
  Note(Denied(Mode::kOpen, false));

  ASSERT_THAT(lines_, SizeIs(3));
  EXPECT_THAT(lines_[0], HasSubstr("level=warning"));
  EXPECT_THAT(lines_[0], HasSubstr("verdict=passed"));
  EXPECT_THAT(lines_[1], HasSubstr("level=debug"));
  EXPECT_THAT(lines_[2], HasSubstr("level=warning"));
}

TEST_F(EgressLogTest, AFloodOfOneTenantIsCountedAndHidesNoOther) {
  for (int i = 0; i < EgressLog::kLinesASecond + 5; ++i) Note(Denied());
  EXPECT_THAT(lines_, SizeIs(EgressLog::kLinesASecond));
  Note(Denied(), "reports");
  EXPECT_THAT(lines_, SizeIs(EgressLog::kLinesASecond + 1));

  clock_.Advance(std::chrono::seconds(1));
  Note(Denied());
  EXPECT_THAT(lines_.back(), HasSubstr("left_out=5"));
}

TEST_F(EgressLogTest, TenantsBeyondTheFirstShareOneAllowance) {
  for (std::size_t i = 0; i < EgressLog::kMostTenants; ++i) Note(Denied(), std::to_string(i));
  lines_.clear();
  for (int i = 0; i < 3 * EgressLog::kLinesASecond; ++i) Note(Denied(), "more" + std::to_string(i));

  EXPECT_THAT(lines_, SizeIs(EgressLog::kLinesASecond));
}

TEST_F(EgressLogTest, CountsByVerdictReasonAndMode) {
  telemetry::MetricPage before;
  decisions_.Collect(before);
  EXPECT_THAT(before.Text(), IsEmpty());
  Note(Denied());
  Note(Denied());
  Note(Denied(Mode::kReport, true));
  Note({});

  telemetry::MetricPage page;
  decisions_.Collect(page);
  const std::string text = page.Text();
  EXPECT_THAT(text, HasSubstr("fetchd_egress_decisions_total{verdict=\"denied\",reason=\"PRIVATE\","
                              "mode=\"enforce\"} 2"));
  EXPECT_THAT(text, HasSubstr("{verdict=\"passed\",reason=\"PRIVATE\",mode=\"report\"} 1"));
  EXPECT_THAT(text, HasSubstr("{verdict=\"allowed\",reason=\"ALLOWED\",mode=\"enforce\"} 1"));
  EXPECT_THAT(text, Not(HasSubstr("LOOPBACK")));
}

}  // namespace
}  // namespace fetchd::fetch
