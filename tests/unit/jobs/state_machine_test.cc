#include "jobs/state_machine.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>

namespace fetchd::jobs {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr WallTime kCreated{hours(1000)};
constexpr WallTime kNow{hours(1001)};
constexpr WallTime kDeadline = kCreated + hours(24);

Job JobIn(State state) {
  Job job;
  job.state = state;
  job.created_at = kCreated;
  job.updated_at = kCreated;
  job.ready_at = kCreated;
  job.deadline_at = kDeadline;
  job.attempt = 2;
  job.fence = 5;
  job.checkpoint.bytes = 10;
  return job;
}

AttemptRecord FailedRecord() {
  AttemptRecord record;
  record.number = 2;
  record.status = absl::UnavailableError("connection reset");
  return record;
}

Checkpoint CheckpointAt(std::uint64_t bytes) {
  Checkpoint checkpoint;
  checkpoint.bytes = bytes;
  return checkpoint;
}

enum class ChangeKind {
  kClaimed,
  kCheckpointTaken,
  kAttemptFailed,
  kPutOff,
  kInterrupted,
  kPaused,
  kSucceeded,
  kGaveUp,
  kAttemptCancelled,
  kCancelRequested,
  kPauseRequested,
  kResumeRequested,
  kRetryRequested,
  kRecovered,
  kExpired,
  kUrlChosen,
};

Change MakeChange(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kClaimed:
      return Claimed();
    case ChangeKind::kCheckpointTaken:
      return CheckpointTaken{CheckpointAt(77)};
    case ChangeKind::kAttemptFailed:
      return AttemptFailed{FailedRecord(), kNow + seconds(9), CheckpointAt(77)};
    case ChangeKind::kPutOff:
      return PutOff{FailedRecord(), kNow + seconds(9), CheckpointAt(77)};
    case ChangeKind::kInterrupted:
      return Interrupted{AttemptRecord(), CheckpointAt(77)};
    case ChangeKind::kPaused:
      return Paused{AttemptRecord(), CheckpointAt(77)};
    case ChangeKind::kSucceeded:
      return Succeeded{AttemptRecord(), Result{.http_status = 200}};
    case ChangeKind::kGaveUp:
      return GaveUp{FailedRecord()};
    case ChangeKind::kAttemptCancelled:
      return AttemptCancelled{FailedRecord()};
    case ChangeKind::kCancelRequested:
      return CancelRequested();
    case ChangeKind::kPauseRequested:
      return PauseRequested();
    case ChangeKind::kResumeRequested:
      return ResumeRequested();
    case ChangeKind::kRetryRequested:
      return RetryRequested();
    case ChangeKind::kRecovered:
      return Recovered();
    case ChangeKind::kExpired:
      return Expired();
    case ChangeKind::kUrlChosen:
      return UrlChosen{1};
  }
  return Claimed();
}

// What a change leads to from each state, in the order of State: Q R W I S F C P. A letter is the
// state after; 'a' is ABORTED and '-' FAILED_PRECONDITION.
struct Row {
  const char* name;
  ChangeKind change;
  const char* after;
};

constexpr char kLetters[] = "QRWISFCP";

class StateMachineTest : public ::testing::TestWithParam<Row> {};

TEST_P(StateMachineTest, EachStateAdmitsTheChangeOrRefusesItUntouched) {
  const Row& row = GetParam();
  for (int i = 0; i < 8; ++i) {
    const auto before = static_cast<State>(i);
    SCOPED_TRACE(std::string("from ") + StateName(before));
    Job job = JobIn(before);

    const WallTime at = row.change == ChangeKind::kExpired ? kDeadline : kNow;
    const absl::Status status = Apply(MakeChange(row.change), at, job);

    const char expected = row.after[i];
    if (expected == 'a' || expected == '-') {
      EXPECT_EQ(status.code(), expected == 'a' ? absl::StatusCode::kAborted
                                               : absl::StatusCode::kFailedPrecondition);
      EXPECT_NE(MessageOf(status).find(StateName(before)), std::string::npos) << status;
      EXPECT_EQ(job.state, before);
      EXPECT_EQ(job.updated_at, kCreated);
      EXPECT_EQ(job.attempt, 2);
      EXPECT_EQ(job.checkpoint, CheckpointAt(10));
    } else {
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_EQ(kLetters[static_cast<int>(job.state)], expected);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, StateMachineTest,
    ::testing::Values(Row{"Claimed", ChangeKind::kClaimed, "R-RR----"},
                      Row{"CheckpointTaken", ChangeKind::kCheckpointTaken, "aRaaaaaa"},
                      Row{"AttemptFailed", ChangeKind::kAttemptFailed, "aWaaaaaa"},
                      Row{"PutOff", ChangeKind::kPutOff, "aWaaaaaa"},
                      Row{"Interrupted", ChangeKind::kInterrupted, "aIaaaaaa"},
                      Row{"Paused", ChangeKind::kPaused, "aPaaaaaa"},
                      Row{"Succeeded", ChangeKind::kSucceeded, "aSaaaaaa"},
                      Row{"GaveUp", ChangeKind::kGaveUp, "aFaaaaaa"},
                      Row{"AttemptCancelled", ChangeKind::kAttemptCancelled, "QaaaaaCa"},
                      Row{"CancelRequested", ChangeKind::kCancelRequested, "CCCC--CC"},
                      Row{"PauseRequested", ChangeKind::kPauseRequested, "P-PP---P"},
                      Row{"ResumeRequested", ChangeKind::kResumeRequested, "QRWI---Q"},
                      Row{"RetryRequested", ChangeKind::kRetryRequested, "-----QQ-"},
                      Row{"Recovered", ChangeKind::kRecovered, "-I------"},
                      Row{"Expired", ChangeKind::kExpired, "F-FF----"},
                      Row{"UrlChosen", ChangeKind::kUrlChosen, "Q-WI----"}),
    [](const auto& info) { return info.param.name; });

TEST(StateMachineEffectsTest, ClaimCountsAnAttemptAndGrowsTheFence) {
  Job job = JobIn(State::kQueued);

  ASSERT_TRUE(Apply(Claimed(), kNow, job).ok());

  EXPECT_EQ(job.attempt, 3);
  EXPECT_EQ(job.fence, 6);
  EXPECT_EQ(job.started_at, kNow);
  EXPECT_EQ(job.updated_at, kNow);
}

TEST(StateMachineEffectsTest, LaterClaimsKeepWhenTheJobStarted) {
  Job job = JobIn(State::kWaiting);
  job.started_at = kCreated + minutes(1);

  ASSERT_TRUE(Apply(Claimed(), kNow, job).ok());

  EXPECT_EQ(job.started_at, kCreated + minutes(1));
}

TEST(StateMachineEffectsTest, FailedAttemptWaitsForItsRetryWithErrorAndCheckpoint) {
  Job job = JobIn(State::kRunning);

  ASSERT_TRUE(Apply(MakeChange(ChangeKind::kAttemptFailed), kNow, job).ok());

  EXPECT_EQ(job.ready_at, kNow + seconds(9));
  EXPECT_TRUE(absl::IsUnavailable(job.error));
  EXPECT_EQ(job.checkpoint, CheckpointAt(77));
  EXPECT_EQ(job.attempt, 2);
  EXPECT_EQ(job.finished_at, std::nullopt);
}

TEST(StateMachineEffectsTest, AJobThatIsPutOffWaitsAndConsumesNoAttempt) {
  Job job = JobIn(State::kRunning);

  ASSERT_TRUE(Apply(MakeChange(ChangeKind::kPutOff), kNow, job).ok());

  EXPECT_EQ(job.ready_at, kNow + seconds(9));
  EXPECT_TRUE(absl::IsUnavailable(job.error));
  EXPECT_EQ(job.checkpoint, CheckpointAt(77));
  EXPECT_EQ(job.attempt, 1);
}

TEST(StateMachineEffectsTest, InterruptionAndRecoveryConsumeNoAttempt) {
  Job interrupted = JobIn(State::kRunning);
  Job recovered = JobIn(State::kRunning);

  ASSERT_TRUE(Apply(MakeChange(ChangeKind::kInterrupted), kNow, interrupted).ok());
  ASSERT_TRUE(Apply(Recovered(), kNow, recovered).ok());

  EXPECT_EQ(interrupted.attempt, 1);
  EXPECT_EQ(interrupted.checkpoint, CheckpointAt(77));
  EXPECT_EQ(recovered.attempt, 1);
  EXPECT_EQ(recovered.checkpoint, CheckpointAt(10));
}

TEST(StateMachineEffectsTest, APauseConsumesNoAttemptAndMovesTheDeadlineOn) {
  Job job = JobIn(State::kRunning);
  const WallTime deadline = job.deadline_at;
  ASSERT_TRUE(Apply(MakeChange(ChangeKind::kPaused), kNow, job).ok());
  EXPECT_EQ(job.attempt, 1);
  EXPECT_EQ(job.checkpoint, CheckpointAt(77));

  ASSERT_TRUE(Apply(ResumeRequested(), kNow + minutes(5), job).ok());
  EXPECT_EQ(job.deadline_at, deadline + minutes(5));
}

TEST(StateMachineEffectsTest, AResumedJobIsReadyAtOnceButForItsStartTime) {
  Job waiting = JobIn(State::kWaiting);
  waiting.ready_at = kNow + minutes(9);
  Job later = JobIn(State::kQueued);
  later.not_before_at = later.ready_at = kNow + minutes(9);
  for (Job* job : {&waiting, &later}) {
    ASSERT_TRUE(Apply(PauseRequested(), kNow, *job).ok());
    ASSERT_TRUE(Apply(ResumeRequested(), kNow + minutes(5), *job).ok());
  }

  EXPECT_EQ(waiting.ready_at, kNow + minutes(5));
  EXPECT_EQ(later.ready_at, kNow + minutes(9));
}

TEST(StateMachineEffectsTest, APauseDoesNotLengthenTheDeadlineOfALaterRetry) {
  Job job = JobIn(State::kQueued);
  const auto length = job.deadline_at - job.created_at;
  ASSERT_TRUE(Apply(PauseRequested(), kNow, job).ok());
  ASSERT_TRUE(Apply(ResumeRequested(), kNow + minutes(5), job).ok());
  ASSERT_TRUE(Apply(CancelRequested(), kNow + minutes(6), job).ok());

  ASSERT_TRUE(Apply(RetryRequested(), kNow + minutes(7), job).ok());

  EXPECT_EQ(job.deadline_at, kNow + minutes(7) + length);
}

TEST(StateMachineEffectsTest, SuccessKeepsTheResultAndForgetsEarlierErrors) {
  Job job = JobIn(State::kRunning);
  job.error = absl::UnavailableError("first attempt");

  ASSERT_TRUE(Apply(MakeChange(ChangeKind::kSucceeded), kNow, job).ok());

  ASSERT_TRUE(job.result.has_value());
  EXPECT_EQ(job.result->http_status, 200);
  EXPECT_TRUE(job.error.ok());
  EXPECT_EQ(job.finished_at, kNow);
}

TEST(StateMachineEffectsTest, GivingUpKeepsTheLastError) {
  Job job = JobIn(State::kRunning);

  ASSERT_TRUE(Apply(MakeChange(ChangeKind::kGaveUp), kNow, job).ok());

  EXPECT_TRUE(absl::IsUnavailable(job.error));
  EXPECT_EQ(job.finished_at, kNow);
}

TEST(StateMachineEffectsTest, CancellingTwiceChangesNothingMore) {
  Job job = JobIn(State::kRunning);
  ASSERT_TRUE(Apply(CancelRequested(), kNow, job).ok());
  EXPECT_TRUE(absl::IsCancelled(job.error));

  ASSERT_TRUE(Apply(CancelRequested(), kNow + hours(1), job).ok());

  EXPECT_EQ(job.finished_at, kNow);
  EXPECT_EQ(job.updated_at, kNow);
}

TEST(StateMachineEffectsTest, RetryBeginsAnewButKeepsTheCheckpoint) {
  Job job = JobIn(State::kFailed);
  job.error = absl::UnavailableError("gone");
  job.started_at = job.finished_at = kCreated;

  ASSERT_TRUE(Apply(RetryRequested(), kNow, job).ok());

  EXPECT_EQ(job.attempt, 0);
  EXPECT_EQ(job.fence, 5);
  EXPECT_EQ(job.ready_at, kNow);
  EXPECT_TRUE(job.error.ok());
  EXPECT_EQ(job.checkpoint, CheckpointAt(10));
  EXPECT_EQ(job.started_at, std::nullopt);
  EXPECT_EQ(job.finished_at, std::nullopt);
}

TEST(StateMachineEffectsTest, WhichDestinationsHaveTheBodyOutlivesARetry) {
  Job job = JobIn(State::kRunning);
  const Result partial{.deliveries = {{.destination = "file:///a"}}};

  ASSERT_TRUE(Apply(GaveUp{FailedRecord(), {}, partial}, kNow, job).ok());
  ASSERT_EQ(job.state, State::kFailed);
  ASSERT_TRUE(Apply(RetryRequested(), kNow, job).ok());

  ASSERT_TRUE(job.result.has_value());
  EXPECT_EQ(job.result->deliveries.at(0).destination, "file:///a");
}

TEST(StateMachineEffectsTest, EachRetryRenewsTheDeadlineByItsFirstLength) {
  Job job = JobIn(State::kFailed);
  ASSERT_TRUE(Apply(RetryRequested(), kNow, job).ok());
  EXPECT_EQ(job.deadline_at, kNow + hours(24));

  ASSERT_TRUE(Apply(CancelRequested(), kNow + hours(2), job).ok());
  ASSERT_TRUE(Apply(RetryRequested(), kNow + hours(3), job).ok());

  EXPECT_EQ(job.deadline_at, kNow + hours(27));
}

struct ExpiryCase {
  const char* name;
  State state;
  WallTime ready_at;
  absl::Status error;
  const char* waited_for;
  const char* message;
};
void PrintTo(const ExpiryCase& c, std::ostream* out) { *out << c.name; }

class ExpiryTest : public ::testing::TestWithParam<ExpiryCase> {};

TEST_P(ExpiryTest, SaysWhatTheJobWaitedFor) {
  Job job = JobIn(GetParam().state);
  job.ready_at = GetParam().ready_at;
  job.error = GetParam().error;

  ASSERT_TRUE(Apply(Expired(), kDeadline, job).ok());

  EXPECT_TRUE(absl::IsDeadlineExceeded(job.error)) << job.error;
  EXPECT_EQ(MessageOf(job.error), GetParam().message);
  ASSERT_EQ(GetReason(job.error)->reason, "JOB_DEADLINE");
  EXPECT_EQ(GetReason(job.error)->metadata[0].second, GetParam().waited_for);
  EXPECT_EQ(job.finished_at, kDeadline);
  EXPECT_EQ(job.attempt, 2);
}

INSTANTIATE_TEST_SUITE_P(
    All, ExpiryTest,
    ::testing::Values(
        ExpiryCase{"Queued", State::kQueued, kCreated, absl::OkStatus(), "TRANSFER_PERMIT",
                   "the job's deadline passed while it waited for a free transfer "
                   "(limits.transfers) or its origin, which may have been on hold"},
        ExpiryCase{"NotYetStarted", State::kQueued, kDeadline + hours(1), absl::OkStatus(),
                   "START_TIME", "the job's deadline passed while it waited for its start time"},
        ExpiryCase{"Retry", State::kWaiting, kDeadline + hours(1), absl::UnavailableError("reset"),
                   "RETRY",
                   "the job's deadline passed while it waited for its next attempt; its last "
                   "attempt: reset"},
        ExpiryCase{"RetryWithoutAPermit", State::kWaiting, kCreated,
                   absl::UnavailableError("reset"), "TRANSFER_PERMIT",
                   "the job's deadline passed while it waited for a free transfer "
                   "(limits.transfers) or its origin, which may have been on hold; its last "
                   "attempt: reset"},
        ExpiryCase{"Interrupted", State::kInterrupted, kCreated, absl::OkStatus(),
                   "TRANSFER_PERMIT",
                   "the job's deadline passed while it waited for a free transfer "
                   "(limits.transfers) or its origin, which may have been on hold"}),
    [](const auto& info) { return info.param.name; });

TEST(StateMachineEffectsTest, AJobDoesNotExpireBeforeItsDeadline) {
  Job job = JobIn(State::kQueued);

  EXPECT_TRUE(absl::IsFailedPrecondition(Apply(Expired(), kDeadline - seconds(1), job)));

  EXPECT_EQ(job.state, State::kQueued);
}

TEST(StateMachineEffectsTest, TheRecordOfACancelledAttemptChangesNothingElse) {
  Job job = JobIn(State::kCancelled);

  ASSERT_TRUE(Apply(MakeChange(ChangeKind::kAttemptCancelled), kNow, job).ok());

  EXPECT_EQ(job.updated_at, kCreated);
  EXPECT_TRUE(job.error.ok());
}

TEST(StateMachineEffectsTest, CheckpointsAndRecordsOfCancelledAttemptsLeaveTheState) {
  EXPECT_FALSE(MovesState(CheckpointTaken()));
  EXPECT_FALSE(MovesState(AttemptCancelled()));
  EXPECT_TRUE(MovesState(Claimed()));
  EXPECT_TRUE(MovesState(CancelRequested()));
}

TEST(StateMachineEffectsTest, ChangesThatEndAnAttemptCarryItsRecord) {
  const Change failed = MakeChange(ChangeKind::kAttemptFailed);

  ASSERT_NE(RecordOf(failed), nullptr);
  EXPECT_EQ(RecordOf(failed)->number, 2);
  EXPECT_EQ(RecordOf(Claimed()), nullptr);
  EXPECT_EQ(RecordOf(CancelRequested()), nullptr);
}

TEST(StateMachineEffectsTest, APauseWithoutACheckpointKeepsTheOneThatIsThere) {
  Job job;
  job.state = State::kRunning;
  job.attempt = 1;
  job.checkpoint = CheckpointAt(5);

  ASSERT_EQ(Apply(Paused{AttemptRecord()}, WallTime(), job), absl::OkStatus());

  EXPECT_EQ(job.checkpoint, CheckpointAt(5));
}

}  // namespace
}  // namespace fetchd::jobs
