// What every implementation of jobs::Store does with jobs whose deadline passes while they wait,
// also the one that tests use in its place. Include it once in a test program and instantiate
// StoreDeadlines.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "support/store_conformance.h"

namespace fetchd::jobs {

class StoreDeadlines : public StoreConformance {
 protected:
  Job WithDeadlineIn(Duration length) {
    Job job = harness_.NewJob();
    job.deadline_at = harness_.clock.WallNow() + length;
    return harness_.Create(std::move(job));
  }
  std::vector<JobId> Expire(int limit) {
    const auto expired = Await(store().Expire(limit));
    EXPECT_TRUE(expired.ok()) << expired.status();
    std::vector<JobId> ids;
    for (const Job& job : *expired) ids.push_back(job.id);
    return ids;
  }
};

TEST_P(StoreDeadlines, WhatWaitsPastItsDeadlineFailsEarliestFirst) {
  const Job second = WithDeadlineIn(std::chrono::seconds(2));
  const Job first = WithDeadlineIn(std::chrono::seconds(1));
  const Job third = WithDeadlineIn(std::chrono::seconds(3));
  const Job later = WithDeadlineIn(std::chrono::hours(1));
  EXPECT_EQ(*Await(store().NextDeadlineAt()), first.deadline_at);
  EXPECT_THAT(Expire(10), ::testing::IsEmpty());
  harness_.clock.Advance(std::chrono::seconds(3));

  EXPECT_THAT(Expire(2), ::testing::ElementsAre(first.id, second.id));
  EXPECT_EQ(*Await(store().NextDeadlineAt()), third.deadline_at);
  EXPECT_THAT(Expire(2), ::testing::ElementsAre(third.id));

  EXPECT_EQ(*Await(store().NextDeadlineAt()), later.deadline_at);
  EXPECT_EQ(StateOf(first.id), State::kFailed);
  EXPECT_EQ(StateOf(later.id), State::kQueued);
  const Job failed = *Await(store().Get(first.id));
  EXPECT_TRUE(absl::IsDeadlineExceeded(failed.error)) << failed.error;
  EXPECT_EQ(GetReason(failed.error)->reason, "JOB_DEADLINE");
  EXPECT_EQ(failed.finished_at, harness_.clock.WallNow());
  EXPECT_EQ(Await(store().Stats())->jobs.at(State::kFailed), 3u);
}

TEST_P(StoreDeadlines, ExpiryIsAnEvent) {
  const Job job = WithDeadlineIn(std::chrono::seconds(1));
  const std::int64_t before = store().LastSequence();
  harness_.clock.Advance(std::chrono::seconds(1));

  EXPECT_THAT(Expire(10), ::testing::SizeIs(1));

  EXPECT_THAT(EventsAfter(before, {.ids = {job.id}}),
              ::testing::ElementsAre(::testing::Pair(State::kFailed, false)));
}

TEST_P(StoreDeadlines, JobsThatRunOrHaveEndedAreNotTouched) {
  const Job running = WithDeadlineIn(std::chrono::seconds(1));
  harness_.ClaimOne();
  const Job cancelled = WithDeadlineIn(std::chrono::seconds(1));
  ASSERT_TRUE(Await(store().Update(cancelled.id, CancelRequested())).ok());
  harness_.clock.Advance(std::chrono::seconds(5));

  EXPECT_EQ(*Await(store().NextDeadlineAt()), std::nullopt);
  EXPECT_THAT(Expire(10), ::testing::IsEmpty());

  EXPECT_EQ(StateOf(running.id), State::kRunning);
  EXPECT_EQ(StateOf(cancelled.id), State::kCancelled);
}

TEST_P(StoreDeadlines, JobsThatWaitForARetryOrToGoOnExpireToo) {
  const Job waiting = WithDeadlineIn(std::chrono::seconds(1));
  const Claim claim = harness_.ClaimOne();
  ASSERT_TRUE(Await(store().Update(waiting.id, claim.fence,
                                   AttemptFailed{Record(1, absl::UnavailableError("reset")),
                                                 harness_.clock.WallNow() + std::chrono::hours(1),
                                                 {}}))
                  .ok());
  const Job interrupted = WithDeadlineIn(std::chrono::seconds(2));
  harness_.ClaimOne();
  ASSERT_EQ(*Await(store().Recover()), 1u);
  harness_.clock.Advance(std::chrono::seconds(5));

  EXPECT_THAT(Expire(10), ::testing::ElementsAre(waiting.id, interrupted.id));
}

TEST_P(StoreDeadlines, ARetryRenewsTheDeadline) {
  const Job job = WithDeadlineIn(std::chrono::seconds(10));
  harness_.clock.Advance(std::chrono::seconds(10));
  ASSERT_THAT(Expire(10), ::testing::SizeIs(1));

  ASSERT_TRUE(Await(store().Update(job.id, RetryRequested())).ok());

  EXPECT_EQ(*Await(store().NextDeadlineAt()), harness_.clock.WallNow() + std::chrono::seconds(10));
  EXPECT_THAT(Expire(10), ::testing::IsEmpty());
  EXPECT_EQ(harness_.ClaimOne().job.id, job.id);
}

}  // namespace fetchd::jobs
