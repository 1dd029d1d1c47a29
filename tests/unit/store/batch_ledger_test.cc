// The figures of a batch, kept by differences, are what a count finds: after random changes, after
// damage, and after the store was closed in the middle of a cancellation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/strings.h"
#include "sqlite_files.h"
#include "store/database.h"

namespace fetchd::store {
namespace {

using jobs::BatchCounters;
using jobs::BatchRequest;
using jobs::Job;

class BatchLedgerTest : public ::testing::Test {
 protected:
  BatchLedgerTest() {
    auto files = std::make_unique<SqliteFiles>();
    files_ = files.get();
    harness_.emplace(std::move(files));
    EXPECT_EQ(harness_->Open(), absl::OkStatus());
    jobs::Batch batch;
    batch.id = batch_ = BatchId::Generate(harness_->clock.WallNow(), random_);
    EXPECT_TRUE(harness_->Await(store().CreateBatch(batch)).ok());
  }

  jobs::Store& store() { return harness_->store(); }
  std::size_t Below(std::size_t limit) { return random_() % limit; }

  void CreateJob() {
    Job job = harness_->NewJob();
    job.batch = batch_;
    job.batch_entry = ++entries_;
    job.spec.expected_size = Below(1000);
    jobs_.push_back(harness_->Create(std::move(job)).id);
  }
  void ChangeOne() {
    const JobId& id = jobs_[Below(jobs_.size())];
    const Job job = *harness_->Await(store().Get(id));
    const std::vector<jobs::Change> changes = {jobs::CancelRequested(), jobs::RetryRequested(),
                                               jobs::PauseRequested(), jobs::ResumeRequested()};
    // Most are refused in most states: that must not be counted either.
    harness_->Await(store().Update(id, changes[Below(changes.size())])).status().IgnoreError();
    if (job.state == jobs::State::kRunning) EndAttempt(job);
  }
  void EndAttempt(const Job& job) {
    jobs::AttemptRecord record;
    record.status = WithReason(absl::UnavailableError("x"), {Concat("R", Below(3)), {}});
    jobs::Checkpoint checkpoint;
    checkpoint.total_bytes = Below(1000);
    jobs::Result result;
    result.size_bytes = Below(1000);
    result.unchanged = Below(2) == 0;
    const WallTime now = harness_->clock.WallNow();
    const std::vector<jobs::Change> ends = {jobs::CheckpointTaken{checkpoint},
                                            jobs::AttemptFailed{record, now, checkpoint},
                                            jobs::PutOff{record, now, checkpoint},
                                            jobs::GaveUp{record}, jobs::Succeeded{record, result}};
    harness_->Await(store().Update(job.id, job.fence, ends[Below(ends.size())]))
        .status()
        .IgnoreError();  // It may have lost its claim to the change before.
  }
  void DeleteOne() {
    const std::size_t which = Below(jobs_.size());
    if (harness_->Await(store().Delete(jobs_[which])).ok()) {
      jobs_.erase(jobs_.begin() + static_cast<std::ptrdiff_t>(which));
    }
  }
  void RefuseOne() {
    const absl::Status error = absl::InvalidArgumentError("bad");
    ASSERT_EQ(harness_->Await(store().RefuseEntry(
                  {batch_, ++entries_, "https://r.test/", "", "", error, JobId()})),
              absl::OkStatus());
    ++refused_;
  }

  void ExpectFiguresAreTheCount() {
    BatchCounters counted;
    std::map<std::string, std::uint64_t> errors;
    if (refused_ > 0) {
      counted.failed.objects += refused_;
      errors[jobs::ErrorKind{absl::StatusCode::kInvalidArgument, "", 0}.ToString()] = refused_;
    }
    for (const JobId& id : jobs_) {
      const jobs::BatchShare share = BatchShareOf(*harness_->Await(store().Get(id)));
      counted.Of(share.fate).objects += 1;
      counted.Of(share.fate).bytes += share.bytes;
      if (!share.error.empty()) ++errors[share.error];
    }
    EXPECT_EQ(harness_->Await(store().GetBatch(batch_))->counters, counted);
    std::map<std::string, std::uint64_t> kept;
    const auto groups = *harness_->Await(store().ErrorsOf(batch_));
    for (const jobs::BatchErrors& group : groups) {
      kept[group.kind.ToString()] = group.count;
      EXPECT_EQ(group.samples.size(), std::min<std::uint64_t>(group.count, 5));
    }
    EXPECT_EQ(kept, errors);
  }

  SqliteFiles* files_;
  std::optional<jobs::StoreHarness> harness_;
  std::mt19937_64 random_{20260103};
  BatchId batch_;
  std::vector<JobId> jobs_;
  std::int64_t entries_ = 0;
  std::uint64_t refused_ = 0;
};

TEST_F(BatchLedgerTest, RandomChangesAreCountedRight) {
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 10; ++i) CreateJob();
    RefuseOne();
    for (int i = 0; i < 40; ++i) {
      harness_->ClaimUpTo(static_cast<int>(Below(3)));
      ChangeOne();
      harness_->clock.Advance(std::chrono::minutes(Below(90)));
      if (i % 10 == 0) ASSERT_TRUE(harness_->Await(store().Expire(2)).ok());
    }
    DeleteOne();
    ASSERT_NO_FATAL_FAILURE(ExpectFiguresAreTheCount());
  }
  ASSERT_TRUE(harness_->Await(store().Recover()).ok());
  ExpectFiguresAreTheCount();
}

TEST_F(BatchLedgerTest, AJobThatCannotBeReadFailsInTheFiguresToo) {
  CreateJob();
  CreateJob();
  harness_->Close();
  auto database = Database::Open(files_->database(), Database::Mode::kReadWrite);
  ASSERT_TRUE(database.ok());
  ASSERT_EQ(database->Execute("UPDATE jobs SET spec = 'damaged' WHERE batch_entry = 1"),
            absl::OkStatus());
  ASSERT_EQ(harness_->Open(), absl::OkStatus());

  harness_->ClaimUpTo(5);

  const BatchCounters counters = harness_->Await(store().GetBatch(batch_))->counters;
  EXPECT_EQ(counters.failed.objects, 1u);
  EXPECT_EQ(counters.running.objects, 1u);
  EXPECT_EQ(counters.queued.objects, 0u);
  const auto errors = *harness_->Await(store().ErrorsOf(batch_));
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].kind.reason, "JOB_DAMAGED");
  ASSERT_EQ(harness_->Await(store().Delete(jobs_[0])), absl::OkStatus());
  EXPECT_EQ(harness_->Await(store().GetBatch(batch_))->counters.Found().objects, 1u);
}

TEST_F(BatchLedgerTest, ACancellationGoesOnAfterTheStoreWasClosed) {
  for (int i = 0; i < 9; ++i) CreateJob();
  ASSERT_TRUE(harness_->Await(store().ChangeBatch(batch_, BatchRequest::kCancel)).ok());
  ASSERT_TRUE(harness_->Await(store().StepBatches(4))->more);

  harness_->Close();
  ASSERT_EQ(harness_->Open(), absl::OkStatus());

  const jobs::Batch between = *harness_->Await(store().GetBatch(batch_));
  EXPECT_EQ(between.action, jobs::BatchAction::kCancel);
  EXPECT_EQ(between.counters.cancelled.objects, 4u);
  while (harness_->Await(store().StepBatches(4))->more) {
  }
  EXPECT_EQ(harness_->Await(store().GetBatch(batch_))->counters.cancelled.objects, 9u);
  ExpectFiguresAreTheCount();
}

TEST_F(BatchLedgerTest, BatchesThatAreCancelledAtOnceTakeTurns) {
  for (int i = 0; i < 4; ++i) CreateJob();
  jobs::Batch second;
  second.id = BatchId::Generate(harness_->clock.WallNow(), random_);
  ASSERT_TRUE(harness_->Await(store().CreateBatch(second)).ok());
  Job job = harness_->NewJob();
  job.batch = second.id;
  job.batch_entry = 1;
  harness_->Create(job);
  for (const BatchId& id : {batch_, second.id}) {
    ASSERT_TRUE(harness_->Await(store().ChangeBatch(id, BatchRequest::kCancel)).ok());
  }

  ASSERT_TRUE(harness_->Await(store().StepBatches(1)).ok());
  ASSERT_TRUE(harness_->Await(store().StepBatches(1)).ok());

  EXPECT_EQ(harness_->Await(store().GetBatch(batch_))->counters.cancelled.objects, 1u);
  EXPECT_EQ(harness_->Await(store().GetBatch(second.id))->counters.cancelled.objects, 1u);
}

}  // namespace
}  // namespace fetchd::store
