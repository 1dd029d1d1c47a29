#include "fetch/job_wait.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using WaitReason = JobWait::Reason;
using ::testing::HasSubstr;

class JobWaitTest : public ::testing::Test {
 protected:
  JobWaitTest() {
    job_.spec.urls = {"https://example.org/file"};
    job_.ready_at = around_.now = WallTime(1000h);
    around_.max_transfers = 8;
    around_.origin.emplace().origin = {"https", "example.org", 443};
  }
  JobWait Wait() { return WaitOf(job_, around_).value_or(JobWait()); }

  jobs::Job job_;
  Surroundings around_;
};

TEST_F(JobWaitTest, JobsThatRunOrHaveEndedWaitForNothing) {
  for (const auto state : {jobs::State::kRunning, jobs::State::kSucceeded, jobs::State::kFailed,
                           jobs::State::kCancelled}) {
    job_.state = state;
    EXPECT_EQ(WaitOf(job_, around_), std::nullopt);
  }
}

TEST_F(JobWaitTest, AStartTimeIsSaid) {
  job_.ready_at += 90s;

  EXPECT_EQ(Wait().reason, WaitReason::kStartTime);
  EXPECT_EQ(Wait().until, job_.ready_at);
  EXPECT_EQ(Wait().explanation, "it begins at its start time, in 90.0 s");
}

TEST_F(JobWaitTest, ARetryNamesWhatWentWrong) {
  job_.state = jobs::State::kWaiting;
  job_.ready_at += 3s;
  job_.error = absl::UnavailableError("503 Service Unavailable");

  EXPECT_EQ(Wait().reason, WaitReason::kRetry);
  EXPECT_THAT(Wait().explanation, HasSubstr("in 3.0 s; the last one: 503"));
}

TEST_F(JobWaitTest, AnOriginOnHoldSaysWhyAndUntilWhen) {
  around_.origin->hold = Hold::kCoolDown;
  around_.origin->held_for = 30s;

  EXPECT_EQ(Wait().reason, WaitReason::kOriginOnHold);
  EXPECT_EQ(Wait().explanation,
            "https://example.org is on hold: it asked for a pause, of which 30.0 s are left");
  EXPECT_EQ(Wait().until, around_.now + 30s);
}

TEST_F(JobWaitTest, APausedOriginHasARemedy) {
  around_.origin->hold = Hold::kPaused;

  EXPECT_THAT(Wait().remedy, HasSubstr("fetchctl origins https://example.org"));
  EXPECT_EQ(Wait().until, std::nullopt);
}

TEST_F(JobWaitTest, TheRetryBudgetHoldsRetriesAlone) {
  around_.origin->hold = Hold::kRetries;
  EXPECT_EQ(Wait().reason, WaitReason::kNext);

  job_.attempt = 1;
  EXPECT_EQ(Wait().reason, WaitReason::kOriginOnHold);
}

TEST_F(JobWaitTest, FullTransfersAreSaid) {
  around_.transfers = 8;
  EXPECT_EQ(Wait().reason, WaitReason::kTransferLimit);
  EXPECT_THAT(Wait().explanation, HasSubstr("all 8 transfers"));

  around_.transfers = 7;
  around_.origin_has_room = false;
  EXPECT_EQ(Wait().reason, WaitReason::kTransferLimit);
  EXPECT_THAT(Wait().explanation, HasSubstr("one of eight"));
}

TEST_F(JobWaitTest, ATenantWithoutRoomIsSaid) {
  job_.tenant = "reports";
  around_.tenant_has_room = false;
  EXPECT_EQ(Wait().reason, WaitReason::kTenantLimit);
  EXPECT_THAT(Wait().explanation, HasSubstr("tenant reports"));
  EXPECT_THAT(Wait().explanation, HasSubstr("one of eight"));

  around_.tenant_limit = 2;
  EXPECT_THAT(Wait().explanation, HasSubstr("as it may have (2)"));
  EXPECT_THAT(Wait().remedy, HasSubstr("tenants.reports.max_transfers"));
}

TEST_F(JobWaitTest, ConnectionsThatOtherProcessesHaveAreWaitedFor) {
  around_.origin_has_room = false;
  around_.host_has_room = false;

  EXPECT_EQ(Wait().reason, WaitReason::kTransferLimit);
  EXPECT_THAT(Wait().explanation, HasSubstr("another one may begin it"));
  EXPECT_THAT(Wait().remedy, HasSubstr("limits.per_host"));
}

TEST_F(JobWaitTest, ADrainComesBeforeAllElse) {
  around_.draining = true;
  around_.origin->hold = Hold::kCoolDown;
  job_.ready_at += 3s;

  EXPECT_EQ(Wait().reason, WaitReason::kDraining);
}

TEST_F(JobWaitTest, APausedJobWaitsForSomebody) {
  job_.state = jobs::State::kPaused;

  EXPECT_EQ(Wait().reason, WaitReason::kPaused);
  EXPECT_THAT(Wait().remedy, HasSubstr("fetchctl resume jobs/"));
}

struct SentenceCase {
  Hold hold;
  const char* sentence;
};

TEST_F(JobWaitTest, EveryHoldIsASentence) {
  around_.origin->held_for = 1500ms;
  around_.origin->transfers = 7;
  around_.origin->retries = 3;
  around_.origin->failures_in_a_row = 5;
  around_.origin->limits.max_transfers = 7;
  for (const SentenceCase& c : std::initializer_list<SentenceCase>{
           {Hold::kPaused, "it is paused (max_transfers is 0)"},
           {Hold::kCoolDown, "it asked for a pause, of which 1.5 s are left"},
           {Hold::kCircuitOpen, "it failed 5 times in a row; a probe begins in 1.5 s"},
           {Hold::kTransfers, "7 transfers are at work, as many as max_transfers allows"},
           {Hold::kRate, "requests_per_sec is used up for 1.5 s"},
           {Hold::kRetries, "3 retries are at work, all that retry.budget_percent allows"}}) {
    around_.origin->hold = c.hold;
    EXPECT_EQ(HoldSentence(*around_.origin), c.sentence);
  }
  around_.origin->hold = Hold::kTransfers;
  around_.origin->adaptive_limit = 6;
  EXPECT_EQ(HoldSentence(*around_.origin), "7 transfers are at work, as many as it bore lately");
  EXPECT_EQ(HoldRemedy(*around_.origin), "");
}

}  // namespace
}  // namespace fetchd::fetch
