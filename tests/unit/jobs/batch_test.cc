#include "jobs/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fetchd::jobs {
namespace {

struct StateCase {
  const char* name;
  bool sealed;
  bool cancelled;
  BatchAction action;
  BatchCounters counters;
  BatchState expected;
};
void PrintTo(const StateCase& test, std::ostream* out) { *out << test.name; }

class BatchStateTest : public ::testing::TestWithParam<StateCase> {};

TEST_P(BatchStateTest, FollowsFromFlagsAndCounters) {
  Batch batch;
  batch.sealed = GetParam().sealed;
  batch.cancelled = GetParam().cancelled;
  batch.action = GetParam().action;
  batch.counters = GetParam().counters;

  EXPECT_STREQ(BatchStateName(StateOf(batch)), BatchStateName(GetParam().expected));
}

constexpr auto kNone = BatchAction::kNone;
INSTANTIATE_TEST_SUITE_P(
    All, BatchStateTest,
    ::testing::Values(
        StateCase{"NewOne", false, false, kNone, {}, BatchState::kOpen},
        StateCase{"OpenAndAllDone", false, false, kNone, {.succeeded = {3, 3}}, BatchState::kOpen},
        StateCase{"SealedWithoutEntries", true, false, kNone, {}, BatchState::kSucceeded},
        StateCase{"OneIsQueued", true, false, kNone, {.queued = {1, 0}}, BatchState::kRunning},
        StateCase{"OneRuns",
                  true,
                  false,
                  kNone,
                  {.running = {1, 0}, .failed = {5, 0}},
                  BatchState::kRunning},
        StateCase{
            "AllSucceeded", true, false, kNone, {.succeeded = {3, 9}}, BatchState::kSucceeded},
        StateCase{"SomeSkipped",
                  true,
                  false,
                  kNone,
                  {.succeeded = {1, 1}, .skipped = {2, 0}},
                  BatchState::kSucceeded},
        StateCase{"OneFailed",
                  true,
                  false,
                  kNone,
                  {.succeeded = {3, 9}, .failed = {1, 0}},
                  BatchState::kFailed},
        StateCase{"SomeFailedAndSomeCancelledByName",
                  true,
                  false,
                  kNone,
                  {.failed = {1, 0}, .cancelled = {1, 0}},
                  BatchState::kFailed},
        StateCase{"SomeCancelledByName",
                  true,
                  false,
                  kNone,
                  {.succeeded = {1, 0}, .cancelled = {1, 0}},
                  BatchState::kCancelled},
        StateCase{"Cancelled",
                  true,
                  true,
                  kNone,
                  {.failed = {1, 0}, .cancelled = {1, 0}},
                  BatchState::kCancelled},
        StateCase{"CancelledWhenNothingWasLeft",
                  true,
                  true,
                  kNone,
                  {.failed = {1, 0}},
                  BatchState::kFailed},
        StateCase{"CancelledWhileOpenWithAllDone",
                  true,
                  true,
                  kNone,
                  {.succeeded = {1, 0}},
                  BatchState::kCancelled},
        StateCase{"BeingCancelled",
                  true,
                  true,
                  BatchAction::kCancel,
                  {.queued = {9, 0}},
                  BatchState::kRunning},
        StateCase{"AboutToBeRetried",
                  true,
                  false,
                  BatchAction::kRetry,
                  {.failed = {9, 0}},
                  BatchState::kRunning}),
    [](const auto& info) { return info.param.name; });

struct ShareCase {
  const char* name;
  State state;
  EntryFate fate;
};
void PrintTo(const ShareCase& test, std::ostream* out) { *out << test.name; }

class ShareTest : public ::testing::TestWithParam<ShareCase> {};

TEST_P(ShareTest, AJobCountsByItsState) {
  Job job;
  job.state = GetParam().state;
  job.spec.expected_size = 5;

  const BatchShare share = BatchShareOf(job);

  EXPECT_STREQ(EntryFateName(share.fate), EntryFateName(GetParam().fate));
  EXPECT_EQ(share.bytes, 5u);
  EXPECT_EQ(share.error.empty(), GetParam().fate != EntryFate::kFailed);
}

INSTANTIATE_TEST_SUITE_P(
    All, ShareTest,
    ::testing::Values(ShareCase{"Queued", State::kQueued, EntryFate::kQueued},
                      ShareCase{"Waiting", State::kWaiting, EntryFate::kQueued},
                      ShareCase{"Interrupted", State::kInterrupted, EntryFate::kQueued},
                      ShareCase{"Paused", State::kPaused, EntryFate::kQueued},
                      ShareCase{"Running", State::kRunning, EntryFate::kRunning},
                      ShareCase{"Succeeded", State::kSucceeded, EntryFate::kSucceeded},
                      ShareCase{"Failed", State::kFailed, EntryFate::kFailed},
                      ShareCase{"Cancelled", State::kCancelled, EntryFate::kCancelled}),
    [](const auto& info) { return info.param.name; });

TEST(ShareTest, BytesAreThoseFetchedElseDeclaredElseExpected) {
  Job job;
  EXPECT_EQ(BatchShareOf(job).bytes, 0u);
  job.spec.expected_size = 1;
  EXPECT_EQ(BatchShareOf(job).bytes, 1u);
  job.checkpoint.total_bytes = 2;
  EXPECT_EQ(BatchShareOf(job).bytes, 2u);
  job.result.emplace().size_bytes = 3;
  EXPECT_EQ(BatchShareOf(job).bytes, 3u);
  job.result->size_bytes = ~std::uint64_t{0};
  EXPECT_EQ(BatchShareOf(job).bytes, kMostShareBytes);
}

TEST(ErrorKindTest, ReadsBack) {
  for (const ErrorKind& kind : {ErrorKind{absl::StatusCode::kNotFound, "HTTP_STATUS", 404},
                                ErrorKind{absl::StatusCode::kUnknown, "", 0},
                                ErrorKind{absl::StatusCode::kDataLoss, "A/B", 0}}) {
    EXPECT_EQ(ErrorKind::Parse(kind.ToString()), kind);
  }
  for (const char* const text : {"", "5", "x/1/R", "5//R"}) EXPECT_FALSE(ErrorKind::Parse(text));
}

TEST(ErrorKindTest, TheStatusOfAnotherReasonIsNoHttpStatus) {
  const absl::Status error = WithReason(absl::NotFoundError("x"), {"OTHER", {{"status", "404"}}});

  EXPECT_EQ(ErrorKind::Of(error), (ErrorKind{absl::StatusCode::kNotFound, "OTHER", 0}));
}

TEST(BatchCountersTest, FoundIsTheSumAndStopsAtTheLargestNumber) {
  BatchCounters counters{.queued = {1, 10}, .failed = {2, 20}, .skipped = {4, 40}};
  EXPECT_EQ(counters.Found(), (Tally{7, 70}));
  counters.running.bytes = std::uint64_t{1} << 63;
  EXPECT_EQ(counters.Found().bytes, (std::uint64_t{1} << 63) - 1);
}

TEST(BatchRequestTest, ACancellationTakesTheWordFromARetryAndNotTheOtherWayRound) {
  Batch batch;
  batch.sealed = true;
  batch.counters.failed = {1, 0};
  ASSERT_EQ(Apply(BatchRequest::kRetry, batch), absl::OkStatus());
  ASSERT_EQ(Apply(BatchRequest::kCancel, batch), absl::OkStatus());
  EXPECT_EQ(batch.action, BatchAction::kCancel);

  const absl::Status busy = Apply(BatchRequest::kRetry, batch);

  EXPECT_TRUE(absl::IsFailedPrecondition(busy));
  EXPECT_EQ(GetReason(busy)->reason, "BATCH_BUSY");
  EXPECT_EQ(batch.action, BatchAction::kCancel);
}

}  // namespace
}  // namespace fetchd::jobs
