// What every implementation of jobs::Store does with batches. Include it once in a test program and
// instantiate StoreBatches.
#pragma once

#include "support/store_conformance.h"

namespace fetchd::jobs {

class StoreBatches : public StoreConformance {
 protected:
  Batch NewBatch(const std::string& request_id = "") {
    Batch batch;
    batch.id = BatchId::Generate(harness_.clock.WallNow(), random_);
    batch.display_name = "nightly";
    batch.request_id = request_id;
    batch.created_at = batch.updated_at = harness_.clock.WallNow();
    return batch;
  }
  BatchId CreateBatch() {
    const auto outcome = Await(store().CreateBatch(NewBatch()));
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? outcome->batch.id : BatchId();
  }
  Job NewEntry(const BatchId& batch, std::int64_t entry) {
    Job job = harness_.NewJob();
    job.batch = batch;
    job.batch_entry = entry;
    job.request_id = batch.str() + ":" + std::to_string(entry);
    return job;
  }
  /// As many jobs, numbered from 1.
  std::vector<Job> Fill(const BatchId& batch, int count) {
    std::vector<Job> jobs;
    for (int i = 1; i <= count; ++i) jobs.push_back(harness_.Create(NewEntry(batch, i)));
    return jobs;
  }
  Batch Get(const BatchId& id) {
    const auto batch = Await(store().GetBatch(id));
    EXPECT_TRUE(batch.ok()) << batch.status();
    return batch.ok() ? *batch : Batch();
  }
  BatchState StateOfBatch(const BatchId& id) { return jobs::StateOf(Get(id)); }
  absl::Status Ask(const BatchId& id, BatchRequest request) {
    return Await(store().ChangeBatch(id, request)).status();
  }
  /// Until nothing is left to be done; returns the jobs that were changed, a step each.
  std::vector<std::vector<Job>> StepAll(int limit) {
    std::vector<std::vector<Job>> steps;
    bool more = true;
    while (more) {
      auto step = Await(store().StepBatches(limit));
      EXPECT_TRUE(step.ok()) << step.status();
      if (!step.ok()) break;
      more = step->more;
      steps.push_back(std::move(step->changed));
    }
    return steps;
  }
  absl::Status Refuse(const BatchId& batch, std::int64_t entry, absl::Status error) {
    return Await(store().RefuseEntry(
        {batch, entry, "https://refused.test/" + std::to_string(entry), "", "", error, JobId()}));
  }
  void Fail(const Claim& claim, absl::Status error) {
    EXPECT_TRUE(
        Await(store().Update(claim.job.id, claim.fence, GaveUp{Record(1, std::move(error))})).ok());
  }
  void Succeed(const Claim& claim, Result result) {
    Succeeded change{Record(1, absl::OkStatus()), std::move(result)};
    EXPECT_TRUE(Await(store().Update(claim.job.id, claim.fence, std::move(change))).ok());
  }
  static absl::Status HttpError(const char* status) {
    return WithReason(absl::NotFoundError("the origin says so"),
                      {"HTTP_STATUS", {{"status", status}}});
  }

  std::mt19937_64 random_{20260102};
};

TEST_P(StoreBatches, AnEmptyBatchReadsBackWhole) {
  Batch batch = NewBatch("night-1");
  batch.defaults = {"file:{host}/{path}",
                    Overwrite::kIfDifferent,
                    -5,
                    "acme",
                    {{"team", "a"}},
                    harness_.clock.WallNow() + std::chrono::hours(1)};
  ASSERT_TRUE(Await(store().CreateBatch(batch))->created);

  const Batch read = Get(batch.id);

  EXPECT_EQ(read.display_name, "nightly");
  EXPECT_EQ(read.request_id, "night-1");
  EXPECT_EQ(read.defaults, batch.defaults);
  EXPECT_EQ(read.created_at, batch.created_at);
  EXPECT_EQ(read.counters, BatchCounters());
  EXPECT_EQ(jobs::StateOf(read), BatchState::kOpen);
}

TEST_P(StoreBatches, ARequestIdStandsForOneBatch) {
  const Batch batch = NewBatch("r");
  ASSERT_TRUE(Await(store().CreateBatch(batch))->created);
  Batch again = NewBatch("r");

  const auto repeated = Await(store().CreateBatch(again));
  again.defaults.priority = 1;
  const auto other = Await(store().CreateBatch(again));

  ASSERT_TRUE(repeated.ok()) << repeated.status();
  EXPECT_FALSE(repeated->created);
  EXPECT_EQ(repeated->batch.id, batch.id);
  EXPECT_TRUE(absl::IsAlreadyExists(other.status()));
}

TEST_P(StoreBatches, WhatIsNotThereIsNotFound) {
  const BatchId id = NewBatch().id;

  EXPECT_TRUE(absl::IsNotFound(Await(store().GetBatch(id)).status()));
  EXPECT_TRUE(absl::IsNotFound(Await(store().ErrorsOf(id)).status()));
  EXPECT_TRUE(absl::IsNotFound(Await(store().EntriesOf(id, 10, "")).status()));
  EXPECT_TRUE(absl::IsNotFound(Ask(id, BatchRequest::kSeal)));
  EXPECT_TRUE(absl::IsNotFound(Refuse(id, 1, absl::InvalidArgumentError("bad"))));
  EXPECT_TRUE(absl::IsNotFound(Await(store().Create(NewEntry(id, 1))).status()));
}

TEST_P(StoreBatches, AJobIsCountedWhereItIsAllItsLife) {
  const BatchId id = CreateBatch();
  Job job = NewEntry(id, 1);
  job.spec.expected_size = 100;
  harness_.Create(job);
  EXPECT_EQ(Get(id).counters, (BatchCounters{.queued = {1, 100}}));

  Claim claim = harness_.ClaimOne();
  EXPECT_EQ(Get(id).counters, (BatchCounters{.running = {1, 100}}));

  Checkpoint checkpoint;
  checkpoint.total_bytes = 120;
  ASSERT_TRUE(Await(store().Update(job.id, claim.fence, CheckpointTaken{checkpoint})).ok());
  EXPECT_EQ(Get(id).counters, (BatchCounters{.running = {1, 120}}));

  Fail(claim, HttpError("404"));
  EXPECT_EQ(Get(id).counters, (BatchCounters{.failed = {1, 120}}));

  ASSERT_TRUE(Await(store().Update(job.id, RetryRequested())).ok());
  EXPECT_EQ(Get(id).counters, (BatchCounters{.queued = {1, 120}}));
  EXPECT_THAT(*Await(store().ErrorsOf(id)), ::testing::IsEmpty());

  claim = harness_.ClaimOne();
  Result result;
  result.size_bytes = 130;
  Succeed(claim, result);
  EXPECT_EQ(Get(id).counters, (BatchCounters{.succeeded = {1, 130}}));
  EXPECT_EQ(Get(id).counters.Found(), (Tally{1, 130}));
}

TEST_P(StoreBatches, WhatNeededNoFetchIsSkipped) {
  const BatchId id = CreateBatch();
  Fill(id, 2);
  Result not_modified;
  not_modified.not_modified = true;
  Result unchanged;
  unchanged.unchanged = true;
  unchanged.size_bytes = 7;
  Succeed(harness_.ClaimOne(), not_modified);
  Succeed(harness_.ClaimOne(), unchanged);

  EXPECT_EQ(Get(id).counters, (BatchCounters{.skipped = {2, 7}}));
}

TEST_P(StoreBatches, AnEntryThatIsSentAgainIsNotCountedAgain) {
  const BatchId id = CreateBatch();
  const Job first = harness_.Create(NewEntry(id, 1));
  const auto again = Await(store().Create(NewEntry(id, 1)));

  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE(again->created);
  EXPECT_EQ(again->job.id, first.id);
  EXPECT_EQ(Get(id).counters.Found().objects, 1u);
}

TEST_P(StoreBatches, AnEntryWhoseRequestAnotherJobAnswersIsSkippedOnce) {
  Job before = harness_.NewJob();
  before.request_id = "shared";
  harness_.Create(before);
  const BatchId id = CreateBatch();
  for (int i = 0; i < 2; ++i) {
    Job entry = NewEntry(id, 9);
    entry.request_id = "shared";
    EXPECT_EQ(Await(store().Create(entry))->job.id, before.id);
  }

  EXPECT_EQ(Get(id).counters, (BatchCounters{.skipped = {1, 0}}));
  const auto page = *Await(store().EntriesOf(id, 10, ""));
  ASSERT_EQ(page.entries.size(), 1u);
  EXPECT_EQ(page.entries[0].job, before.id);
  EXPECT_EQ(page.entries[0].entry, 9);
  EXPECT_TRUE(page.entries[0].error.ok());
}

TEST_P(StoreBatches, OneNumberStandsForOneEntry) {
  const BatchId id = CreateBatch();
  harness_.Create(NewEntry(id, 1));
  Job other = NewEntry(id, 1);
  other.request_id = "other";

  const absl::Status status = Await(store().Create(other)).status();

  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(GetReason(status)->reason, "BATCH_ENTRY_TAKEN");
  EXPECT_EQ(Get(id).counters.Found().objects, 1u);
}

TEST_P(StoreBatches, RefusedEntriesAreCountedOnceEachWithAFewSamples) {
  const BatchId id = CreateBatch();
  for (int round = 0; round < 2; ++round) {
    for (int i = 1; i <= 8; ++i) {
      EXPECT_EQ(Refuse(id, i, absl::InvalidArgumentError("bad URL")), absl::OkStatus());
    }
    EXPECT_EQ(Refuse(id, 9, absl::PermissionDeniedError("no")), absl::OkStatus());
  }

  EXPECT_EQ(Get(id).counters, (BatchCounters{.failed = {9, 0}}));
  const auto errors = *Await(store().ErrorsOf(id));
  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].kind.code, absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(errors[0].count, 8u);
  ASSERT_EQ(errors[0].samples.size(), 5u);
  EXPECT_EQ(errors[0].samples[0].entry, 1);
  EXPECT_EQ(errors[0].samples[0].url, "https://refused.test/1");
  EXPECT_EQ(errors[0].samples[0].message, "bad URL");
  EXPECT_EQ(errors[1].count, 1u);
}

TEST_P(StoreBatches, AnEntryThatWasRefusedAndIsMendedIsAJob) {
  const BatchId id = CreateBatch();
  ASSERT_EQ(Refuse(id, 1, absl::InvalidArgumentError("bad URL")), absl::OkStatus());

  harness_.Create(NewEntry(id, 1));

  EXPECT_EQ(Get(id).counters, (BatchCounters{.queued = {1, 0}}));
  EXPECT_THAT(*Await(store().ErrorsOf(id)), ::testing::IsEmpty());
  EXPECT_THAT(Await(store().EntriesOf(id, 10, ""))->entries, ::testing::IsEmpty());
}

TEST_P(StoreBatches, ErrorsAreCountedByCodeReasonAndHttpStatus) {
  const BatchId id = CreateBatch();
  const std::vector<Job> jobs = Fill(id, 3);
  Fail(harness_.ClaimOne(), HttpError("404"));
  Fail(harness_.ClaimOne(), HttpError("410"));
  Fail(harness_.ClaimOne(), HttpError("404"));

  const auto errors = *Await(store().ErrorsOf(id));

  ASSERT_EQ(errors.size(), 2u);
  EXPECT_EQ(errors[0].kind, (ErrorKind{absl::StatusCode::kNotFound, "HTTP_STATUS", 404}));
  EXPECT_EQ(errors[0].count, 2u);
  ASSERT_EQ(errors[0].samples.size(), 2u);
  EXPECT_EQ(errors[0].samples[0].url, "https://origin.test/file");
  EXPECT_EQ(errors[0].samples[0].message, "the origin says so");
  EXPECT_FALSE(errors[0].samples[0].job.empty());
  EXPECT_EQ(errors[1].kind.http_status, 410);
}

TEST_P(StoreBatches, ASealedBatchTakesOnlyWhatItHas) {
  const BatchId id = CreateBatch();
  harness_.Create(NewEntry(id, 1));
  ASSERT_EQ(Refuse(id, 2, absl::InvalidArgumentError("bad")), absl::OkStatus());
  ASSERT_EQ(Ask(id, BatchRequest::kSeal), absl::OkStatus());
  ASSERT_EQ(Ask(id, BatchRequest::kSeal), absl::OkStatus());

  EXPECT_TRUE(Await(store().Create(NewEntry(id, 1))).ok());
  EXPECT_EQ(Refuse(id, 2, absl::InvalidArgumentError("bad")), absl::OkStatus());
  const absl::Status third = Await(store().Create(NewEntry(id, 3))).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(third)) << third;
  EXPECT_EQ(GetReason(third)->reason, "BATCH_SEALED");
  EXPECT_TRUE(absl::IsFailedPrecondition(Refuse(id, 4, absl::InvalidArgumentError("bad"))));
  EXPECT_EQ(Get(id).counters.Found().objects, 2u);
}

TEST_P(StoreBatches, IsOpenThenRunsThenEnds) {
  const BatchId id = CreateBatch();
  Fill(id, 1);
  EXPECT_EQ(StateOfBatch(id), BatchState::kOpen);
  ASSERT_EQ(Ask(id, BatchRequest::kSeal), absl::OkStatus());
  EXPECT_EQ(StateOfBatch(id), BatchState::kRunning);
  Succeed(harness_.ClaimOne(), Result());
  EXPECT_EQ(StateOfBatch(id), BatchState::kSucceeded);
}

TEST_P(StoreBatches, ADeletedJobIsCountedNoMore) {
  const BatchId id = CreateBatch();
  const Job job = Fill(id, 1)[0];
  Fail(harness_.ClaimOne(), HttpError("404"));

  ASSERT_EQ(Await(store().Delete(job.id)), absl::OkStatus());

  EXPECT_EQ(Get(id).counters, BatchCounters());
  EXPECT_THAT(*Await(store().ErrorsOf(id)), ::testing::IsEmpty());
}

TEST_P(StoreBatches, ACancellationGoesThroughItsLiveJobsStepByStep) {
  const BatchId id = CreateBatch();
  Fill(id, 7);
  const BatchId other = CreateBatch();
  harness_.Create(NewEntry(other, 1));
  const Claim done = harness_.ClaimOne();
  Succeed(done, Result());
  const Claim running = harness_.ClaimOne();
  ASSERT_TRUE(Await(store().Update(Fill(CreateBatch(), 1)[0].id, PauseRequested())).ok());

  ASSERT_EQ(Ask(id, BatchRequest::kCancel), absl::OkStatus());
  EXPECT_EQ(Get(id).action, BatchAction::kCancel);
  EXPECT_EQ(StateOfBatch(id), BatchState::kRunning);
  const auto steps = StepAll(2);

  std::size_t cancelled = 0;
  for (const auto& step : steps) {
    EXPECT_LE(step.size(), 2u);
    cancelled += step.size();
    for (const Job& job : step) EXPECT_EQ(job.state, State::kCancelled);
  }
  EXPECT_EQ(cancelled, 6u);
  EXPECT_EQ(StateOf(running.job.id), State::kCancelled);
  EXPECT_EQ(Get(id).counters, (BatchCounters{.succeeded = {1, 0}, .cancelled = {6, 0}}));
  EXPECT_EQ(Get(id).action, BatchAction::kNone);
  EXPECT_EQ(StateOfBatch(id), BatchState::kCancelled);
  EXPECT_EQ(Get(other).counters, (BatchCounters{.queued = {1, 0}}));
  EXPECT_EQ(Ask(id, BatchRequest::kCancel), absl::OkStatus()) << "it has ended: nothing to do";
  EXPECT_EQ(StateOfBatch(id), BatchState::kCancelled);
}

TEST_P(StoreBatches, ARetryQueuesEachFailedJobOnce) {
  const BatchId id = CreateBatch();
  const std::vector<Job> jobs = Fill(id, 5);
  for (int i = 0; i < 4; ++i) Fail(harness_.ClaimOne(), HttpError("503"));
  ASSERT_TRUE(Await(store().Update(harness_.ClaimOne().job.id, CancelRequested())).ok());
  ASSERT_EQ(Refuse(id, 6, absl::InvalidArgumentError("bad")), absl::OkStatus());
  ASSERT_EQ(Ask(id, BatchRequest::kSeal), absl::OkStatus());
  ASSERT_EQ(StateOfBatch(id), BatchState::kFailed);

  ASSERT_EQ(Ask(id, BatchRequest::kRetry), absl::OkStatus());
  EXPECT_EQ(StateOfBatch(id), BatchState::kRunning) << "although no job lives yet";
  // One fails again before the others are reached.
  ASSERT_EQ(Await(store().StepBatches(1))->changed.size(), 1u);
  Fail(harness_.ClaimOne(), HttpError("503"));
  StepAll(1);

  EXPECT_EQ(Get(id).counters,
            (BatchCounters{.queued = {3, 0}, .failed = {2, 0}, .cancelled = {1, 0}}));
  EXPECT_EQ(Get(id).action, BatchAction::kNone);
}

TEST_P(StoreBatches, ARetryOfAllQueuesTheCancelledOnesToo) {
  const BatchId id = CreateBatch();
  Fill(id, 3);
  Fail(harness_.ClaimOne(), HttpError("503"));
  ASSERT_EQ(Ask(id, BatchRequest::kCancel), absl::OkStatus());
  StepAll(10);

  ASSERT_EQ(Ask(id, BatchRequest::kRetryAll), absl::OkStatus());
  StepAll(2);

  EXPECT_EQ(Get(id).counters, (BatchCounters{.queued = {3, 0}}));
  EXPECT_EQ(StateOfBatch(id), BatchState::kRunning);
}

TEST_P(StoreBatches, IsDeletedWithItsJobsOnceTheyHaveEnded) {
  const BatchId id = CreateBatch();
  const std::vector<Job> jobs = Fill(id, 5);
  ASSERT_EQ(Refuse(id, 6, absl::InvalidArgumentError("bad")), absl::OkStatus());
  const Job stays = harness_.Create(harness_.NewJob());
  EXPECT_TRUE(absl::IsFailedPrecondition(Ask(id, BatchRequest::kDelete)));
  ASSERT_EQ(Ask(id, BatchRequest::kCancel), absl::OkStatus());
  EXPECT_TRUE(absl::IsFailedPrecondition(Ask(id, BatchRequest::kDelete)))
      << "it is being cancelled";
  StepAll(10);

  ASSERT_EQ(Ask(id, BatchRequest::kDelete), absl::OkStatus());
  EXPECT_TRUE(absl::IsFailedPrecondition(Ask(id, BatchRequest::kRetry)));
  EXPECT_TRUE(absl::IsFailedPrecondition(Ask(id, BatchRequest::kCancel)));
  StepAll(2);

  EXPECT_TRUE(absl::IsNotFound(Await(store().GetBatch(id)).status()));
  for (const Job& job : jobs) EXPECT_EQ(CodeOf(store().Get(job.id)), absl::StatusCode::kNotFound);
  EXPECT_EQ(StateOf(stays.id), State::kQueued);
}

TEST_P(StoreBatches, AreListedNewestFirstInPages) {
  std::vector<BatchId> made;
  for (int i = 0; i < 3; ++i) {
    made.push_back(CreateBatch());
    harness_.clock.Advance(std::chrono::seconds(1));
  }

  const auto first = *Await(store().ListBatches("", 2, ""));
  const auto second = *Await(store().ListBatches("", 2, first.next_page_token));

  ASSERT_EQ(first.batches.size(), 2u);
  EXPECT_EQ(first.batches[0].id, made[2]);
  ASSERT_EQ(second.batches.size(), 1u);
  EXPECT_EQ(second.batches[0].id, made[0]);
  EXPECT_EQ(second.next_page_token, "");
}

TEST_P(StoreBatches, ATenantsListHasItsOwn) {
  Batch theirs = NewBatch();
  theirs.defaults.tenant = "theirs";
  ASSERT_TRUE(Await(store().CreateBatch(theirs)).ok());
  CreateBatch();

  const auto listed = *Await(store().ListBatches("theirs", 10, ""));
  const auto unnamed = *Await(store().ListBatches(jobs::kDefaultTenant, 10, ""));

  ASSERT_EQ(listed.batches.size(), 1u);
  EXPECT_EQ(listed.batches[0].id, theirs.id);
  EXPECT_EQ(unnamed.batches.size(), 1u);
}

TEST_P(StoreBatches, ARequestIdIsOneTenants) {
  Batch mine = NewBatch("night");
  mine.defaults.tenant = "mine";
  Batch theirs = NewBatch("night");
  theirs.defaults.tenant = "theirs";

  EXPECT_TRUE(Await(store().CreateBatch(mine))->created);
  EXPECT_TRUE(Await(store().CreateBatch(theirs))->created);
  EXPECT_FALSE(Await(store().CreateBatch(theirs))->created);
}

TEST_P(StoreBatches, EntriesComeInPagesByNumber) {
  const BatchId id = CreateBatch();
  for (const int entry : {3, 1, 2}) {
    ASSERT_EQ(Refuse(id, entry, absl::InvalidArgumentError("bad")), absl::OkStatus());
  }

  const auto first = *Await(store().EntriesOf(id, 2, ""));
  const auto second = *Await(store().EntriesOf(id, 2, first.next_page_token));

  ASSERT_EQ(first.entries.size(), 2u);
  EXPECT_EQ(first.entries[0].entry, 1);
  EXPECT_EQ(first.entries[1].entry, 2);
  ASSERT_EQ(second.entries.size(), 1u);
  EXPECT_EQ(second.entries[0].entry, 3);
  EXPECT_EQ(second.next_page_token, "");
}

TEST_P(StoreBatches, JobsAreListedByBatch) {
  const BatchId id = CreateBatch();
  const std::vector<Job> jobs = Fill(id, 2);
  harness_.Create(harness_.NewJob());
  harness_.ClaimOne();

  EXPECT_EQ(Await(store().List({.batch = id}, 10, ""))->jobs.size(), 2u);
  const auto running = *Await(store().List({.states = {State::kRunning}, .batch = id}, 10, ""));
  ASSERT_EQ(running.jobs.size(), 1u);
  EXPECT_EQ(running.jobs[0].batch, id);
  EXPECT_GE(running.jobs[0].batch_entry, 1);
}

TEST_P(StoreBatches, EveryChangeOfAFigureHasAnotherVersion) {
  const BatchId id = CreateBatch();
  std::int64_t version = Get(id).version;
  const auto moved_on = [&] {
    const std::int64_t before = std::exchange(version, Get(id).version);
    return version != before;
  };

  harness_.Create(NewEntry(id, 1));
  EXPECT_TRUE(moved_on());
  const Claim claim = harness_.ClaimOne();
  EXPECT_TRUE(moved_on());
  ASSERT_EQ(Refuse(id, 2, absl::InvalidArgumentError("bad")), absl::OkStatus());
  EXPECT_TRUE(moved_on());
  ASSERT_EQ(Ask(id, BatchRequest::kSeal), absl::OkStatus());
  EXPECT_TRUE(moved_on());
  Succeed(claim, Result());
  EXPECT_TRUE(moved_on());
}

}  // namespace fetchd::jobs
