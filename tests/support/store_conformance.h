// What every implementation of jobs::Store must do. Include it once in a test program and
// instantiate StoreConformance.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <semaphore>
#include <string>
#include <utility>
#include <vector>

#include "jobs/store.h"
#include "support/store_harness.h"

namespace fetchd::jobs {

struct StoreBackendCase {
  std::string name;
  std::function<std::unique_ptr<StoreBackend>()> make;
};

class StoreConformance : public ::testing::TestWithParam<StoreBackendCase> {
 protected:
  void SetUp() override { ASSERT_EQ(harness_.Open(), absl::OkStatus()); }

  Store& store() { return harness_.store(); }
  template <typename T>
  T Await(Task<T> task) {
    return harness_.Await(std::move(task));
  }
  absl::StatusCode CodeOf(Task<absl::StatusOr<Job>> task) {
    return Await(std::move(task)).status().code();
  }
  State StateOf(const JobId& id) { return Await(store().Get(id))->state; }

  std::vector<std::pair<State, bool>> EventsAfter(std::int64_t after, JobFilter filter = {}) {
    const auto events = Await(store().EventsAfter(after, std::move(filter), 1000));
    EXPECT_TRUE(events.ok()) << events.status();
    std::vector<std::pair<State, bool>> states;
    for (const JobEvent& event : *events) states.emplace_back(event.state, event.deleted);
    return states;
  }

  StoreHarness harness_{GetParam().make()};
};

inline AttemptRecord Record(int number, absl::Status status) {
  AttemptRecord record;
  record.number = number;
  record.status = std::move(status);
  record.decision = "retry, for the test";
  return record;
}

TEST_P(StoreConformance, ACreatedJobReadsBackWhole) {
  Job job = harness_.NewJob("https://origin.test:8443/a?b=c");
  job.spec.urls.push_back("http://mirror.test/a");
  job.spec.method = Method::kHead;
  job.spec.headers = {{"x-token", Secret("s3cret \xff byte")}, {"accept", Secret("*/*")}};
  job.spec.credentials = BasicCredentials{"user", Secret("pass")};
  job.spec.digests = {*Digest::Parse("sha256:" + std::string(64, 'a'))};
  job.spec.expected_size = 1ull << 60;
  job.spec.max_bytes = ~0ull;
  job.spec.timeouts.read_idle = std::chrono::milliseconds(1500);
  job.spec.retry.max_attempts = 7;
  job.spec.max_redirects = 0;
  job.spec.tls_profile = "strict";
  job.spec.proxy = "corp";
  job.spec.timeouts.proxy = std::chrono::seconds(9);
  job.spec.decode = true;
  job.spec.if_none_match = {"\"v\xe9\"", "W/\"w\""};
  job.spec.if_modified_since = job.created_at;
  job.spec.range = ByteRange{1ull << 40, 1ull << 60};
  job.overwrite = Overwrite::kIfDifferent;
  job.more_destinations = {{"file:b/1", "file:b/{job}"}, {"file:c", "file:c"}};
  job.object = {.content_type = "text/plain",
                .content_disposition = "attachment",
                .cache_control = "no-store",
                .storage_class = "GLACIER",
                .metadata = {{"from", "caf\xc3\xa9"}},
                .tags = {{"team", "a"}, {"kind", ""}}};
  job.priority = -7;
  job.labels = {{"team", "a"}, {"env", "prod"}};
  job.request_id = "r-1";
  job.not_before_at = job.created_at + std::chrono::seconds(3);

  ASSERT_TRUE(Await(store().Create(job))->created);
  const auto read = Await(store().Get(job.id));

  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->spec, job.spec);
  EXPECT_EQ(read->destination, job.destination);
  EXPECT_EQ(read->destination_template, "file:{job}");
  EXPECT_EQ(read->more_destinations, job.more_destinations);
  EXPECT_EQ(read->object, job.object);
  EXPECT_EQ(read->overwrite, Overwrite::kIfDifferent);
  EXPECT_EQ(read->priority, -7);
  EXPECT_EQ(read->labels, job.labels);
  EXPECT_EQ(read->request_id, "r-1");
  EXPECT_EQ(read->created_at, job.created_at);
  EXPECT_EQ(read->deadline_at, job.deadline_at);
  EXPECT_EQ(read->not_before_at, job.not_before_at);
  EXPECT_EQ(read->state, State::kQueued);
  EXPECT_TRUE(read->error.ok());
}

TEST_P(StoreConformance, CredentialsOfEveryKindReadBack) {
  for (const Credentials& credentials :
       {Credentials(), Credentials(BasicCredentials{"user", Secret("p\xff")}),
        Credentials(DigestCredentials{"us\xc3\xa9r", Secret("p")}),
        Credentials(BearerCredentials{Secret("t")})}) {
    Job job = harness_.NewJob();
    job.spec.credentials = credentials;
    ASSERT_TRUE(Await(store().Create(job))->created);

    EXPECT_TRUE(Await(store().Get(job.id))->spec.credentials == credentials);
  }
}

TEST_P(StoreConformance, UnknownJobsAreNotFound) {
  const JobId id = harness_.NewJob().id;

  EXPECT_EQ(CodeOf(store().Get(id)), absl::StatusCode::kNotFound);
  EXPECT_EQ(Await(store().Attempts(id)).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CodeOf(store().Update(id, CancelRequested())), absl::StatusCode::kNotFound);
  EXPECT_EQ(Await(store().Delete(id)).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(CodeOf(store().Update(id, 1, Recovered())), absl::StatusCode::kAborted);
}

TEST_P(StoreConformance, SameRequestIdAndContentIsTheSameJob) {
  Job first = harness_.NewJob();
  first.request_id = "r";
  first.spec.headers = {{"authorization", Secret("one")}};
  harness_.Create(first);
  Job again = harness_.NewJob();
  again.request_id = "r";
  again.spec = first.spec;

  const auto outcome = Await(store().Create(again));

  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_FALSE(outcome->created);
  EXPECT_EQ(outcome->job.id, first.id);
}

TEST_P(StoreConformance, SameRequestIdWithOtherContentIsRefused) {
  Job first = harness_.NewJob();
  first.request_id = "r";
  first.spec.headers = {{"authorization", Secret("one")}};
  harness_.Create(first);
  Job other = harness_.NewJob();
  other.request_id = "r";
  other.spec.headers = {{"authorization", Secret("two")}};

  const auto outcome = Await(store().Create(other));

  EXPECT_TRUE(absl::IsAlreadyExists(outcome.status())) << outcome.status();
  EXPECT_EQ(GetReason(outcome.status())->reason, "REQUEST_ID_REUSED");
  EXPECT_EQ(MessageOf(outcome.status()).find("two"), std::string::npos);
}

TEST_P(StoreConformance, ARequestIdIsOneTenants) {
  Job mine = harness_.NewJob();
  mine.request_id = "r";
  mine.tenant = "mine";
  harness_.Create(mine);
  Job theirs = harness_.NewJob();
  theirs.request_id = "r";
  theirs.tenant = "theirs";

  const auto outcome = Await(store().Create(theirs));

  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(outcome->created);
  EXPECT_EQ(Await(store().Get(theirs.id))->request_id, "r");
}

inline Task<absl::Status> CreateCounting(Store& store, Job job, int& created, int& reused) {
  auto outcome = co_await store.Create(std::move(job));
  if (outcome.ok()) ++(outcome->created ? created : reused);
  co_return outcome.status();
}

TEST_P(StoreConformance, ConcurrentCreatesWithOneRequestIdMakeOneJob) {
  int created = 0;
  int reused = 0;
  std::vector<Task<absl::Status>> tasks;
  for (int i = 0; i < 50; ++i) {
    Job job = harness_.NewJob();
    job.request_id = "same";
    tasks.push_back(CreateCounting(store(), std::move(job), created, reused));
  }

  EXPECT_THAT(harness_.AwaitAll(std::move(tasks)), ::testing::Each(absl::OkStatus()));

  EXPECT_EQ(created, 1);
  EXPECT_EQ(reused, 49);
}

inline Task<absl::Status> Release(std::binary_semaphore& gate) {
  gate.release();
  co_return absl::OkStatus();
}

TEST_P(StoreConformance, ChangesThatWaitShareCommits) {
  std::binary_semaphore gate(0);
  std::atomic<bool> held = false;
  const std::uint64_t listener = store().OnEvents([&gate, &held] {
    if (!held.exchange(true)) gate.acquire();  // The first commit holds up those that follow.
  });
  const auto before = Await(store().Stats());
  int created = 0;
  int reused = 0;
  std::vector<Task<absl::Status>> tasks;
  for (int i = 0; i < 1000; ++i) {
    tasks.push_back(CreateCounting(store(), harness_.NewJob(), created, reused));
  }
  tasks.push_back(Release(gate));  // Runs once all of the others wait.

  EXPECT_THAT(harness_.AwaitAll(std::move(tasks)), ::testing::Each(absl::OkStatus()));

  store().RemoveListener(listener);
  const auto after = Await(store().Stats());
  EXPECT_EQ(created, 1000);
  EXPECT_EQ(after->changes - before->changes, 1000u);
  EXPECT_LT(after->commits - before->commits, 200u);
  EXPECT_EQ(after->jobs.at(State::kQueued), 1000u);
}

inline Task<absl::Status> TakeCheckpoint(Store& store, const Claim& claim) {
  Change change = CheckpointTaken{Checkpoint()};
  const auto job = co_await store.Update(claim.job.id, claim.fence, std::move(change));
  co_return job.status();
}

TEST_P(StoreConformance, CheckpointsThatWaitShareCommits) {
  for (int i = 0; i < 100; ++i) harness_.Create(harness_.NewJob());
  const std::vector<Claim> claims = harness_.ClaimUpTo(100);
  ASSERT_EQ(claims.size(), 100u);
  std::binary_semaphore gate(0);
  std::atomic<bool> held = false;
  const std::uint64_t listener = store().OnEvents([&gate, &held] {
    if (!held.exchange(true)) gate.acquire();
  });
  const auto before = Await(store().Stats());
  int created = 0;
  int reused = 0;
  std::vector<Task<absl::Status>> tasks;
  tasks.push_back(CreateCounting(store(), harness_.NewJob(), created, reused));
  for (const Claim& claim : claims) tasks.push_back(TakeCheckpoint(store(), claim));
  tasks.push_back(Release(gate));  // Runs once all of the others wait.

  EXPECT_THAT(harness_.AwaitAll(std::move(tasks)), ::testing::Each(absl::OkStatus()));

  store().RemoveListener(listener);
  const auto after = Await(store().Stats());
  EXPECT_EQ(after->changes - before->changes, 101u);
  EXPECT_LT(after->commits - before->commits, 20u);
}

TEST_P(StoreConformance, ClaimsGoByPriorityThenByTimeAndNotBeforeIt) {
  Job low = harness_.NewJob();
  low.priority = -1;
  Job late = harness_.NewJob();
  late.ready_at += std::chrono::seconds(5);
  Job early = harness_.NewJob();
  Job high = harness_.NewJob();
  high.priority = 50;
  high.ready_at += std::chrono::seconds(9);
  Job future = harness_.NewJob();
  future.priority = 100;
  future.ready_at += std::chrono::hours(1);
  for (const Job& job : {low, late, early, high, future}) harness_.Create(job);
  harness_.clock.Advance(std::chrono::seconds(10));

  std::vector<JobId> order;
  for (const Claim& claim : harness_.ClaimUpTo(3)) order.push_back(claim.job.id);
  for (const Claim& claim : harness_.ClaimUpTo(10)) order.push_back(claim.job.id);

  EXPECT_THAT(order, ::testing::ElementsAre(high.id, early.id, late.id, low.id));
  EXPECT_EQ(*Await(store().NextReadyAt({})), future.ready_at);
}

TEST_P(StoreConformance, TheOldestReadyJobIsKnownWhateverHasRoom) {
  EXPECT_EQ(*Await(store().OldestReadyAt()), std::nullopt);
  Job future = harness_.NewJob();
  future.ready_at += std::chrono::hours(1);
  harness_.Create(future);
  EXPECT_EQ(*Await(store().OldestReadyAt()), std::nullopt);
  const Job first = harness_.Create(harness_.NewJob());
  harness_.clock.Advance(std::chrono::seconds(10));
  Job second = harness_.NewJob();
  second.priority = 100;
  harness_.Create(second);

  EXPECT_EQ(*Await(store().OldestReadyAt()), first.ready_at);
  harness_.ClaimUpTo(2);
  EXPECT_EQ(*Await(store().OldestReadyAt()), std::nullopt);
  harness_.clock.Advance(std::chrono::hours(2));
  EXPECT_EQ(*Await(store().OldestReadyAt()), future.ready_at);
}

TEST_P(StoreConformance, APointOfPriorityIsWorthSixSecondsOfWaiting) {
  Job low = harness_.NewJob();
  Job high = harness_.NewJob();
  high.priority = 10;
  high.ready_at += std::chrono::seconds(61);
  harness_.Create(low);
  harness_.Create(high);
  harness_.clock.Advance(std::chrono::hours(1));

  EXPECT_EQ(harness_.ClaimOne().job.id, low.id);
}

TEST_P(StoreConformance, AnOriginWithoutRoomHoldsUpNoOther) {
  for (int i = 0; i < 20; ++i) harness_.Create(harness_.NewJob("https://full.test/file"));
  const Job other = harness_.Create(harness_.NewJob("https://free.test:8443/file"));
  const auto room_of = [](const std::string& origin) {
    return origin == "https://full.test" ? Room{0, 0} : Room{5, 5};
  };

  const auto claims = Await(store().ClaimReady(10, {room_of}));
  ASSERT_TRUE(claims.ok()) << claims.status();
  ASSERT_EQ(claims->size(), 1u);
  EXPECT_EQ(claims->front().job.id, other.id);
  EXPECT_EQ(*Await(store().NextReadyAt({room_of})), std::nullopt);
  EXPECT_LE(**Await(store().NextReadyAt({})), harness_.clock.WallNow());
}

TEST_P(StoreConformance, TenantsTakeTurnsByTheirWeightsHoweverManyJobsOneHas) {
  for (int i = 0; i < 300; ++i) harness_.CreateFor("large");
  for (int i = 0; i < 30; ++i) harness_.CreateFor("late");
  for (int i = 0; i < 30; ++i) harness_.CreateFor("heavy");
  const auto of_tenant = [](const std::string& tenant) {
    return Share{.jobs = 100, .weight = tenant == "heavy" ? 2.0 : 1.0};
  };
  std::map<std::string, int> claimed;

  for (int round = 0; round < 4; ++round) {
    const auto claims = Await(store().ClaimReady(10, {.of_tenant = of_tenant}));
    ASSERT_TRUE(claims.ok()) << claims.status();
    for (const Claim& claim : *claims) ++claimed[claim.job.tenant];
  }
  EXPECT_EQ(claimed, (std::map<std::string, int>{{"heavy", 20}, {"large", 10}, {"late", 10}}));
}

TEST_P(StoreConformance, ATenantWithoutRoomHoldsUpNoOther) {
  for (int i = 0; i < 5; ++i) harness_.CreateFor("full");
  const Job other = harness_.CreateFor("other");
  const auto of_tenant = [](const std::string& tenant) {
    return Share{.jobs = tenant == "full" ? 0 : 9};
  };

  const auto claims = Await(store().ClaimReady(9, {.of_tenant = of_tenant}));
  ASSERT_EQ(claims->size(), 1u);
  EXPECT_EQ(claims->front().job.id, other.id);
  EXPECT_EQ(*Await(store().NextReadyAt({.of_tenant = of_tenant})), std::nullopt);
}

TEST_P(StoreConformance, NoTenantIsGivenMoreThanItHasRoomFor) {
  for (int i = 0; i < 9; ++i) harness_.CreateFor("one");
  const auto of_tenant = [](const std::string&) { return Share{.jobs = 4}; };

  EXPECT_EQ(Await(store().ClaimReady(9, {.of_tenant = of_tenant}))->size(), 4u);
}

TEST_P(StoreConformance, ATenantHasNoMoreJobsThanItMay) {
  Job first = harness_.NewJob();
  first.tenant = "small";
  first.request_id = "first";
  ASSERT_TRUE(Await(store().CreateWithin(first, {.live_jobs = 2})).ok());
  harness_.CreateFor("small");
  ASSERT_EQ(harness_.ClaimUpTo(1).size(), 1u) << "one that runs counts too";
  Job third = harness_.NewJob();
  third.tenant = "small";

  const auto refused = Await(store().CreateWithin(third, {.live_jobs = 2})).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(GetReason(refused)->reason, "TENANT_QUEUE_FULL");
  EXPECT_EQ(GetQuota(refused)->subject, "tenant:small");
  EXPECT_TRUE(GetRetryAfter(refused).has_value());
  EXPECT_FALSE(Await(store().CreateWithin(first, {.live_jobs = 2}))->created)
      << "the same request again";
  third.tenant = "other";
  EXPECT_TRUE(Await(store().CreateWithin(third, {.live_jobs = 2})).ok());
}

TEST_P(StoreConformance, AJobThatHasEndedMakesRoomForItsTenantsNext) {
  ASSERT_TRUE(Await(store().CreateWithin(harness_.NewJob(), {.live_jobs = 1})).ok());
  ASSERT_TRUE(harness_.Finish(harness_.ClaimOne()).ok());
  const Job second = harness_.NewJob();
  ASSERT_TRUE(Await(store().CreateWithin(second, {.live_jobs = 1})).ok());
  EXPECT_FALSE(Await(store().CreateWithin(harness_.NewJob(), {.live_jobs = 1})).ok());
  ASSERT_TRUE(Await(store().Update(second.id, CancelRequested{})).ok());

  EXPECT_TRUE(Await(store().CreateWithin(harness_.NewJob(), {.live_jobs = 1})).ok());
}

TEST_P(StoreConformance, ABodyCountsForItsTenantUntilItsJobIsDeleted) {
  const Claim claim = harness_.ClaimFor("a");
  harness_.ClaimFor("b");
  ASSERT_TRUE(harness_.Finish(claim, {.size_bytes = 100, .destination = "file:///f"}).ok());
  EXPECT_EQ(*Await(store().StoredBytes("a")), 100u);
  EXPECT_EQ(*Await(store().StoredBytes("b")), 0u);
  EXPECT_EQ(Await(store().Stats())->stored_bytes,
            (std::map<std::string, std::uint64_t>{{"a", 100}}));

  harness_.Close();
  ASSERT_TRUE(harness_.Open().ok());
  EXPECT_EQ(*Await(store().StoredBytes("a")), 100u);
  ASSERT_TRUE(Await(store().Delete(claim.job.id)).ok());

  EXPECT_EQ(*Await(store().StoredBytes("a")), 0u);
  EXPECT_TRUE(Await(store().Stats())->stored_bytes.empty());
}

TEST_P(StoreConformance, ADestinationCountsOnceForTheLastWhoWroteIt) {
  const Result at_f{.size_bytes = 100, .destination = "file:///f"};
  const Claim first = harness_.ClaimFor("a");
  ASSERT_TRUE(harness_.Finish(first, at_f).ok());
  ASSERT_TRUE(harness_.Finish(harness_.ClaimFor("a"), at_f).ok());
  EXPECT_EQ(*Await(store().StoredBytes("a")), 100u);

  ASSERT_TRUE(
      harness_.Finish(harness_.ClaimFor("b"), {.size_bytes = 7, .destination = "file:///f"}).ok());
  EXPECT_EQ(*Await(store().StoredBytes("a")), 0u);
  EXPECT_EQ(*Await(store().StoredBytes("b")), 7u);
  ASSERT_TRUE(Await(store().Delete(first.job.id)).ok());
  EXPECT_EQ(*Await(store().StoredBytes("b")), 7u) << "it is another job's by now";
}

TEST_P(StoreConformance, OfSeveralDestinationsThoseCountThatHaveTheBody) {
  const Claim claim = harness_.ClaimFor("a");
  GaveUp change;
  change.error = absl::UnavailableError("full");
  change.record.number = claim.job.attempt;
  change.result =
      Result{.size_bytes = 10,
             .deliveries = {{.destination = "file:///a"},
                            {.destination = "file:///b", .error = absl::UnavailableError("full")},
                            {.destination = "s3://bucket/a"}}};
  ASSERT_TRUE(Await(store().Update(claim.job.id, claim.fence, std::move(change))).ok());

  EXPECT_EQ(*Await(store().StoredBytes("a")), 20u);
}

TEST_P(StoreConformance, AJobThatEndsAgainWithoutABodyTakesNothingBack) {
  const Claim claim = harness_.ClaimFor("a");
  GaveUp change;
  change.error = absl::UnavailableError("full");
  change.record.number = claim.job.attempt;
  change.result =
      Result{.size_bytes = 10,
             .deliveries = {{.destination = "file:///f"},
                            {.destination = "file:///g", .error = absl::UnavailableError("full")}}};
  ASSERT_TRUE(Await(store().Update(claim.job.id, claim.fence, std::move(change))).ok());
  ASSERT_TRUE(
      harness_.Finish(harness_.ClaimFor("b"), {.size_bytes = 7, .destination = "file:///f"}).ok());

  ASSERT_TRUE(Await(store().Update(claim.job.id, RetryRequested{})).ok());
  ASSERT_TRUE(Await(store().Update(claim.job.id, CancelRequested{})).ok());

  EXPECT_EQ(*Await(store().StoredBytes("a")), 0u);
  EXPECT_EQ(*Await(store().StoredBytes("b")), 7u);
}

TEST_P(StoreConformance, WhatIsDiscardedOrLeftAsItWasIsNotStored) {
  ASSERT_TRUE(
      harness_.Finish(harness_.ClaimFor("a"), {.size_bytes = 5, .destination = "discard:"}).ok());
  ASSERT_TRUE(
      harness_.Finish(harness_.ClaimFor("a"), {.destination = "file:///f", .not_modified = true})
          .ok());

  EXPECT_EQ(*Await(store().StoredBytes("a")), 0u);
}

TEST_P(StoreConformance, ATenantStoresNoMoreThanItMay) {
  const TenantBounds bounds{.stored_bytes = 100};
  const Claim claim = harness_.ClaimFor("a");
  ASSERT_TRUE(harness_.Finish(claim, {.size_bytes = 100, .destination = "file:///f"}).ok());
  Job next = harness_.NewJob();
  next.tenant = "a";

  const auto refused = Await(store().CreateWithin(next, bounds)).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(GetReason(refused)->reason, "TENANT_STORAGE_FULL");
  EXPECT_EQ(GetQuota(refused)->subject, "tenant:a");
  Job discarded = next;
  discarded.destination = "discard:";
  discarded.id = harness_.NewJob().id;
  EXPECT_TRUE(Await(store().CreateWithin(discarded, bounds)).ok());
  ASSERT_TRUE(Await(store().Delete(claim.job.id)).ok());

  EXPECT_TRUE(Await(store().CreateWithin(next, bounds)).ok());
}

TEST_P(StoreConformance, CountsTheJobsOfEachTenantAcrossRestarts) {
  for (int i = 0; i < 3; ++i) harness_.CreateFor("a");
  harness_.ClaimOne();
  const Job paused = harness_.CreateFor("b");
  ASSERT_TRUE(Await(store().Update(paused.id, PauseRequested{})).ok());
  const std::map<std::string, LiveJobs> expected = {{"a", {.waiting = 2, .running = 1}},
                                                    {"b", {.paused = 1}}};

  EXPECT_EQ(Await(store().Stats())->tenants, expected);
  harness_.Close();
  ASSERT_TRUE(harness_.Open().ok());
  EXPECT_EQ(Await(store().Stats())->tenants, expected);
}

TEST_P(StoreConformance, ListsAndEventsOfOneTenant) {
  harness_.CreateFor("a");
  const Job job = harness_.CreateFor("b");
  ASSERT_TRUE(Await(store().Update(job.id, CancelRequested{})).ok());
  ASSERT_TRUE(Await(store().Delete(job.id)).ok());
  const Job live = harness_.CreateFor("b");
  JobFilter filter;
  filter.tenant = "b";

  const auto page = Await(store().List(filter, 10, ""));
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_EQ(page->jobs.size(), 1u);
  EXPECT_EQ(page->jobs[0].id, live.id);
  EXPECT_EQ(page->jobs[0].tenant, "b");
  filter.states = {State::kQueued};
  EXPECT_EQ(Await(store().List(filter, 10, ""))->jobs.size(), 1u);
  filter.states = {};
  const auto events = Await(store().EventsAfter(0, filter, 100));
  ASSERT_EQ(events->size(), 2u);
  EXPECT_TRUE(events->front().deleted);
  EXPECT_EQ(events->back().job.id, live.id);
}

TEST_P(StoreConformance, AJobWhoseUrlNobodyCanReadIsClaimedToo) {
  harness_.Create(harness_.NewJob("no url"));

  EXPECT_EQ(harness_.ClaimUpTo(9).size(), 1u);
}

TEST_P(StoreConformance, NoOriginIsGivenMoreThanItHasRoomFor) {
  for (int i = 0; i < 9; ++i) {
    harness_.Create(harness_.NewJob("https://a.test/file"));
    harness_.Create(harness_.NewJob("https://b.test/file"));
  }
  std::map<std::string, int> claimed;
  const auto room_of = [](const std::string& origin) {
    return origin == "https://a.test" ? Room{2, 2} : Room{3, 3};
  };

  const auto claims = Await(store().ClaimReady(100, {room_of}));
  ASSERT_TRUE(claims.ok()) << claims.status();
  for (const Claim& claim : *claims) ++claimed[OriginOfNext(claim.job)];
  EXPECT_EQ(claimed, (std::map<std::string, int>{{"https://a.test", 2}, {"https://b.test", 3}}));
}

TEST_P(StoreConformance, RetriesHaveARoomOfTheirOwn) {
  std::vector<JobId> failed;
  for (int i = 0; i < 3; ++i) harness_.Create(harness_.NewJob());
  for (const Claim& claim : harness_.ClaimUpTo(3)) {
    failed.push_back(claim.job.id);
    AttemptFailed change;
    change.retry_at = harness_.clock.WallNow();
    ASSERT_TRUE(Await(store().Update(claim.job.id, claim.fence, std::move(change))).ok());
  }
  const Job fresh = harness_.Create(harness_.NewJob());
  const auto no_retries = [](const std::string&) { return Room{10, 0}; };
  const auto one_retry = [](const std::string&) { return Room{10, 1}; };

  const auto claims = Await(store().ClaimReady(10, {no_retries}));
  ASSERT_EQ(claims->size(), 1u);
  EXPECT_EQ(claims->front().job.id, fresh.id);
  EXPECT_EQ(*Await(store().NextReadyAt({no_retries})), std::nullopt);
  EXPECT_LE(**Await(store().NextReadyAt({one_retry})), harness_.clock.WallNow());
  EXPECT_EQ(Await(store().ClaimReady(10, {one_retry}))->size(), 1u);
}

TEST_P(StoreConformance, ARetryCountsForTheOriginOfItsMirror) {
  Job job = harness_.NewJob("https://primary.test/file");
  job.spec.urls.push_back("https://mirror.test/file");
  harness_.Create(job);
  const Claim claim = harness_.ClaimOne();
  AttemptFailed change;
  change.retry_at = harness_.clock.WallNow();
  change.urls.next = 1;
  ASSERT_TRUE(Await(store().Update(claim.job.id, claim.fence, std::move(change))).ok());
  std::vector<std::string> asked;
  const auto room_of = [&asked](const std::string& origin) {
    asked.push_back(origin);
    return Room{1, 1};
  };

  EXPECT_EQ(Await(store().ClaimReady(10, {room_of}))->size(), 1u);
  EXPECT_THAT(asked, ::testing::ElementsAre("https://mirror.test"));
}

TEST_P(StoreConformance, OfVeryManyAttemptsTheFirstAndTheLatestAreKept) {
  const Job job = harness_.Create(harness_.NewJob());
  for (int i = 1; i <= 300; ++i) {
    const Claim claim = harness_.ClaimOne();
    PutOff change;
    change.record.number = i;
    change.retry_at = harness_.clock.WallNow();
    ASSERT_TRUE(Await(store().Update(claim.job.id, claim.fence, std::move(change))).ok());
  }

  const auto attempts = Await(store().Attempts(job.id));
  ASSERT_TRUE(attempts.ok());
  ASSERT_EQ(attempts->size(), 100u);
  EXPECT_EQ(attempts->at(9).number, 10);
  EXPECT_EQ(attempts->at(10).number, 211);
  EXPECT_EQ(attempts->back().number, 300);
}

TEST_P(StoreConformance, NextReadyAtIsTheEarliestOfAllPriorities) {
  EXPECT_EQ(*Await(store().NextReadyAt({})), std::nullopt);
  Job high = harness_.NewJob();
  high.priority = 9;
  high.ready_at += std::chrono::hours(2);
  Job low = harness_.NewJob();
  low.ready_at += std::chrono::hours(1);
  harness_.Create(high);
  harness_.Create(low);

  EXPECT_EQ(*Await(store().NextReadyAt({})), low.ready_at);
}

TEST_P(StoreConformance, AClaimRunsTheJobAndNobodyElseGetsIt) {
  const Job job = harness_.Create(harness_.NewJob());

  const Claim claim = harness_.ClaimOne();

  EXPECT_EQ(claim.job.id, job.id);
  EXPECT_EQ(claim.job.state, State::kRunning);
  EXPECT_EQ(claim.job.attempt, 1);
  EXPECT_EQ(claim.fence, 1);
  EXPECT_TRUE(harness_.ClaimUpTo(10).empty());
  EXPECT_EQ(StateOf(job.id), State::kRunning);
}

TEST_P(StoreConformance, AClaimIsLostWhenItsJobEndsGoesOrIsClaimedAnew) {
  std::vector<ClaimId> claims;
  for (int i = 0; i < 5; ++i) {
    harness_.Create(harness_.NewJob());
    const Claim claim = harness_.ClaimOne();
    claims.push_back({claim.job.id, claim.fence});
  }
  const auto update = [&](int i, Change change) {
    return CodeOf(store().Update(claims[i].job, claims[i].fence, std::move(change)));
  };
  ASSERT_EQ(update(1, Succeeded()), absl::StatusCode::kOk);
  ASSERT_EQ(update(2, Succeeded()), absl::StatusCode::kOk);
  ASSERT_TRUE(Await(store().Delete(claims[2].job)).ok());
  ASSERT_EQ(CodeOf(store().Update(claims[3].job, CancelRequested())), absl::StatusCode::kOk);
  ASSERT_EQ(update(4, Interrupted()), absl::StatusCode::kOk);
  ASSERT_EQ(harness_.ClaimOne().job.id, claims[4].job);

  const auto lost = Await(store().LostClaims(claims));

  ASSERT_TRUE(lost.ok()) << lost.status();
  EXPECT_THAT(*lost, ::testing::ElementsAre(claims[1], claims[2], claims[3], claims[4]));
  EXPECT_TRUE(Await(store().LostClaims({}))->empty());
}

TEST_P(StoreConformance, AnOlderFenceIsRefused) {
  const Job job = harness_.Create(harness_.NewJob());
  const Claim slept = harness_.ClaimOne();
  ASSERT_EQ(*Await(store().Recover()), 1u);
  const Claim heir = harness_.ClaimOne();

  EXPECT_EQ(harness_.Finish(slept).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(StateOf(job.id), State::kRunning);
  EXPECT_EQ(harness_.Finish(heir), absl::OkStatus());
  EXPECT_EQ(StateOf(job.id), State::kSucceeded);
}

TEST_P(StoreConformance, AFailedAttemptIsRetriedWhenItsTimeHasCome) {
  const Job job = harness_.Create(harness_.NewJob());
  const Claim claim = harness_.ClaimOne();
  const WallTime retry_at = harness_.clock.WallNow() + std::chrono::seconds(30);
  Checkpoint checkpoint;
  checkpoint.bytes = 4096;
  checkpoint.etag = "\"v1\"";
  checkpoint.total_bytes = 9999;
  checkpoint.source = "https://cdn.test/file";
  checkpoint.source_query = "0123abcd";
  checkpoint.digest_state = std::string("FDG\x01\0\xff\"", 7);
  const absl::Status failure = WithReason(absl::UnavailableError("reset"), {"ORIGIN_RESET", {}});

  ASSERT_TRUE(Await(store().Update(job.id, claim.fence,
                                   AttemptFailed{Record(1, failure), retry_at, checkpoint}))
                  .ok());

  EXPECT_TRUE(harness_.ClaimUpTo(10).empty());
  const auto waiting = Await(store().Get(job.id));
  EXPECT_EQ(waiting->state, State::kWaiting);
  EXPECT_EQ(waiting->error, failure);
  EXPECT_EQ(waiting->checkpoint, checkpoint);
  harness_.clock.Advance(std::chrono::seconds(30));
  const Claim second = harness_.ClaimOne();
  EXPECT_EQ(second.job.attempt, 2);
  EXPECT_EQ(second.job.checkpoint, checkpoint);
  EXPECT_EQ(second.fence, 2);
}

/// Waits to ask a.test, then b.test.
inline Job Mirrored(StoreHarness& harness) {
  Job job = harness.NewJob("https://a.test/f");
  job.spec.urls.push_back("https://b.test/f");
  return job;
}

inline RoomOf RoomAt(const std::string& origin) {
  return [origin](const std::string& asked) { return asked == origin ? Room{9, 9} : Room(); };
}

TEST_P(StoreConformance, RoomIsAskedOfTheOriginOfTheUrlThatIsNext) {
  const Job job = harness_.Create(Mirrored(harness_));
  EXPECT_TRUE(Await(store().ClaimReady(9, {RoomAt("https://b.test")}))->empty());
  const Claim claim = harness_.ClaimOne();
  const UrlMemory memory{1, {{WithReason(absl::NotFoundError("404"), {"R", {}}), true}}};
  const WallTime now = harness_.clock.WallNow();

  ASSERT_TRUE(Await(store().Update(job.id, claim.fence,
                                   AttemptFailed{Record(1, absl::NotFoundError("404")), now,
                                                 Checkpoint(), memory}))
                  .ok());

  EXPECT_EQ(Await(store().Get(job.id))->urls, memory);
  EXPECT_TRUE(Await(store().ClaimReady(9, {RoomAt("https://a.test")}))->empty());
  const auto second = Await(store().ClaimReady(9, {RoomAt("https://b.test")}));
  ASSERT_EQ(second->size(), 1u);
  EXPECT_EQ((*second)[0].job.urls, memory);
}

TEST_P(StoreConformance, AJobThatWaitsMayAskAnotherOfItsUrls) {
  const Job job = harness_.Create(Mirrored(harness_));
  harness_.Create(harness_.NewJob("https://a.test/alone"));
  const auto second = [](const Job&) { return std::optional<std::size_t>(1); };

  const auto elsewhere = Await(store().ChooseUrls("https://b.test", "", 10, second));
  const auto chosen = Await(store().ChooseUrls("https://a.test", "", 10, second));

  EXPECT_EQ(elsewhere->looked_at, 0);
  EXPECT_EQ(chosen->looked_at, 1) << "one has no mirror";
  EXPECT_EQ(chosen->changed, 1);
  EXPECT_EQ(chosen->last, "");
  EXPECT_EQ(Await(store().Get(job.id))->urls.next, 1u);
  EXPECT_EQ(Await(store().Get(job.id))->state, State::kQueued);
  const auto claims = Await(store().ClaimReady(9, {RoomAt("https://b.test")}));
  ASSERT_EQ(claims->size(), 1u);
  EXPECT_EQ((*claims)[0].job.id, job.id);
  EXPECT_EQ(Await(store().ChooseUrls("https://b.test", "", 10, second))->looked_at, 0)
      << "it does not wait any more";
}

TEST_P(StoreConformance, UrlsAreChosenPieceByPiece) {
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(harness_.Create(Mirrored(harness_)).id.str());
  std::ranges::sort(ids);
  std::vector<std::string> seen;
  const UrlChoice none = [&seen](const Job& job) -> std::optional<std::size_t> {
    seen.push_back(job.id.str());
    return std::nullopt;
  };

  std::string after;
  do {
    const auto chosen = Await(store().ChooseUrls("https://a.test", after, 2, none));
    ASSERT_TRUE(chosen.ok()) << chosen.status();
    EXPECT_EQ(chosen->changed, 0);
    after = chosen->last;
  } while (!after.empty());

  EXPECT_EQ(seen, ids);
}

TEST_P(StoreConformance, ACancelledJobAbortsItsWorker) {
  const Job job = harness_.Create(harness_.NewJob());
  const Claim claim = harness_.ClaimOne();

  ASSERT_EQ(Await(store().Update(job.id, CancelRequested()))->state, State::kCancelled);

  EXPECT_EQ(CodeOf(store().Update(job.id, claim.fence, CheckpointTaken())),
            absl::StatusCode::kAborted);
  EXPECT_EQ(harness_.Finish(claim).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(StateOf(job.id), State::kCancelled);
}

TEST_P(StoreConformance, TheRecordOfACancelledAttemptIsKeptUnlessTheJobIsClaimedAnew) {
  const Job job = harness_.Create(harness_.NewJob());
  const Claim claim = harness_.ClaimOne();
  ASSERT_TRUE(Await(store().Update(job.id, CancelRequested())).ok());
  const std::int64_t sequence = store().LastSequence();
  AttemptRecord record = Record(1, absl::CancelledError("cancelled by a caller"));
  record.outcome = AttemptOutcome::kCancelled;

  const auto cancelled = Await(store().Update(job.id, claim.fence, AttemptCancelled{record}));

  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->state, State::kCancelled);
  EXPECT_EQ(store().LastSequence(), sequence) << "no state changed";
  const auto attempts = Await(store().Attempts(job.id));
  ASSERT_EQ(attempts->size(), 1u);
  EXPECT_EQ(attempts->at(0).outcome, AttemptOutcome::kCancelled);
  ASSERT_TRUE(Await(store().Update(job.id, RetryRequested())).ok());
  EXPECT_TRUE(Await(store().Update(job.id, claim.fence, AttemptCancelled{record})).ok());
  harness_.ClaimOne();
  EXPECT_EQ(CodeOf(store().Update(job.id, claim.fence, AttemptCancelled{record})),
            absl::StatusCode::kAborted);
}

TEST_P(StoreConformance, ARefusedChangeWritesNothing) {
  const Job job = harness_.Create(harness_.NewJob());
  ASSERT_EQ(harness_.Finish(harness_.ClaimOne()), absl::OkStatus());
  const std::int64_t sequence = store().LastSequence();

  EXPECT_EQ(CodeOf(store().Update(job.id, CancelRequested())),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(CodeOf(store().Update(job.id, RetryRequested())),
            absl::StatusCode::kFailedPrecondition);

  EXPECT_EQ(store().LastSequence(), sequence);
  EXPECT_EQ(Await(store().Attempts(job.id))->size(), 1u);
}

TEST_P(StoreConformance, EveryAttemptIsKept) {
  const Job job = harness_.Create(harness_.NewJob());
  Claim claim = harness_.ClaimOne();
  AttemptRecord record = Record(1, WithReason(absl::UnavailableError("reset"), {"RESET", {}}));
  record.started_at = harness_.clock.WallNow();
  record.took = std::chrono::milliseconds(12);
  record.received_bytes = 77;
  record.failed_phase = "body";
  record.retry_delay = std::chrono::seconds(2);
  HopRecord hop;
  hop.url = "https://origin.test/file";
  hop.proxy = "corp";
  hop.proxy_negotiation = std::chrono::microseconds(7);
  hop.dns = std::chrono::microseconds(5);
  hop.reused = true;
  hop.addresses = {{"192.0.2.1", "refused", std::chrono::milliseconds(3)}};
  hop.http_status = 503;
  record.hops = {hop};
  record.segments = {3, 17, 2, 1, {"added a connection: 2 bring 2.0 MiB/s, 1 brought 1.0 MiB/s"}};
  ASSERT_TRUE(
      Await(store().Update(job.id, claim.fence, AttemptFailed{record, {}, Checkpoint()})).ok());
  claim = harness_.ClaimOne();
  ASSERT_TRUE(Await(store().Update(job.id, claim.fence,
                                   Interrupted{Record(2, absl::CancelledError("drain")), {}}))
                  .ok());
  ASSERT_EQ(harness_.Finish(harness_.ClaimOne()), absl::OkStatus());

  const auto attempts = Await(store().Attempts(job.id));

  ASSERT_TRUE(attempts.ok()) << attempts.status();
  ASSERT_EQ(attempts->size(), 3u);
  const AttemptRecord& first = attempts->at(0);
  EXPECT_EQ(first.status, record.status);
  EXPECT_EQ(first.started_at, record.started_at);
  EXPECT_EQ(first.took, record.took);
  EXPECT_EQ(first.received_bytes, 77u);
  EXPECT_EQ(first.failed_phase, "body");
  EXPECT_EQ(first.retry_delay, record.retry_delay);
  ASSERT_EQ(first.hops.size(), 1u);
  EXPECT_EQ(first.hops[0].addresses.at(0).outcome, "refused");
  EXPECT_EQ(first.hops[0].http_status, 503);
  EXPECT_TRUE(first.hops[0].reused);
  EXPECT_EQ(first.hops[0].proxy, "corp");
  EXPECT_EQ(first.segments, record.segments);
  EXPECT_EQ(attempts->at(1).segments, jobs::SegmentsRecord());
  EXPECT_EQ(first.hops[0].proxy_negotiation, std::chrono::microseconds(7));
  EXPECT_EQ(attempts->at(1).number, 2);
  EXPECT_EQ(attempts->at(2).number, 2) << "an interrupted attempt keeps its number";
}

TEST_P(StoreConformance, AResultReadsBack) {
  const Job job = harness_.Create(harness_.NewJob());
  const Claim claim = harness_.ClaimOne();
  Succeeded change;
  change.result.final_url = "https://cdn.test/file";
  change.result.http_status = 200;
  change.result.headers = {{"content-type", "text/plain"}, {"x-latin", "caf\xe9"}};
  change.result.size_bytes = 123;
  change.result.digests = {*Digest::Parse("sha256:" + std::string(64, 'b'))};
  change.result.destination = "file:///srv/a";
  change.result.not_modified = true;
  ASSERT_TRUE(Await(store().Update(job.id, claim.fence, change)).ok());

  const auto read = Await(store().Get(job.id));

  ASSERT_TRUE(read.ok() && read->result.has_value()) << read.status();
  EXPECT_EQ(read->result->headers, change.result.headers);
  EXPECT_EQ(read->result->digests, change.result.digests);
  EXPECT_EQ(read->result->size_bytes, 123u);
  EXPECT_TRUE(read->result->not_modified);
  EXPECT_EQ(read->finished_at, harness_.clock.WallNow());
}

TEST_P(StoreConformance, RecoverInterruptsWhatRanAndConsumesNoAttempt) {
  const Job running = harness_.Create(harness_.NewJob());
  harness_.ClaimOne();
  const Job queued = harness_.Create(harness_.NewJob());

  EXPECT_EQ(*Await(store().Recover()), 1u);

  const auto recovered = Await(store().Get(running.id));
  EXPECT_EQ(recovered->state, State::kInterrupted);
  EXPECT_EQ(recovered->attempt, 0);
  EXPECT_EQ(StateOf(queued.id), State::kQueued);
  EXPECT_EQ(harness_.ClaimUpTo(10).size(), 2u);
}

TEST_P(StoreConformance, OnlyEndedJobsAreDeletedAndTheirRequestIdIsFreeAgain) {
  Job job = harness_.NewJob();
  job.request_id = "r";
  job.labels = {{"a", "b"}};
  harness_.Create(job);
  EXPECT_EQ(Await(store().Delete(job.id)).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_EQ(harness_.Finish(harness_.ClaimOne()), absl::OkStatus());

  EXPECT_EQ(Await(store().Delete(job.id)), absl::OkStatus());

  EXPECT_EQ(CodeOf(store().Get(job.id)), absl::StatusCode::kNotFound);
  Job next = harness_.NewJob("https://other.test/");
  next.request_id = "r";
  EXPECT_TRUE(Await(store().Create(next))->created);
}

TEST_P(StoreConformance, EventsReplayEveryStateChangeInOrder) {
  const Job job = harness_.Create(harness_.NewJob());
  const Claim claim = harness_.ClaimOne();
  ASSERT_TRUE(Await(store().Update(job.id, claim.fence, CheckpointTaken())).ok());
  const std::int64_t middle = store().LastSequence();
  ASSERT_EQ(harness_.Finish(claim), absl::OkStatus());

  using ::testing::ElementsAre;
  using ::testing::Pair;
  EXPECT_THAT(EventsAfter(0), ElementsAre(Pair(State::kQueued, false), Pair(State::kRunning, false),
                                          Pair(State::kSucceeded, false)));
  EXPECT_THAT(EventsAfter(middle), ElementsAre(Pair(State::kSucceeded, false)));
  EXPECT_THAT(EventsAfter(store().LastSequence()), ElementsAre());
  const auto beyond = Await(store().EventsAfter(store().LastSequence() + 1, {}, 10));
  EXPECT_EQ(beyond.status().code(), absl::StatusCode::kOutOfRange);
}

TEST_P(StoreConformance, EventsAreFilteredAlsoThoseOfDeletedJobs) {
  Job mine = harness_.NewJob("https://mine.test/a");
  mine.labels = {{"team", "a"}};
  harness_.Create(mine);
  ASSERT_TRUE(Await(store().Update(mine.id, CancelRequested())).ok());
  ASSERT_EQ(Await(store().Delete(mine.id)), absl::OkStatus());
  Job other = harness_.NewJob("https://other.test/a");
  other.labels = {{"team", "b"}};
  harness_.Create(other);

  using ::testing::ElementsAre;
  using ::testing::Pair;
  const auto deleted = Pair(State::kCancelled, true);
  EXPECT_THAT(EventsAfter(0, {.ids = {mine.id}}), ElementsAre(deleted));
  EXPECT_THAT(EventsAfter(0, {.labels = {{"team", "a"}}}), ElementsAre(deleted));
  EXPECT_THAT(EventsAfter(0, {.origin = "https://mine.test"}), ElementsAre(deleted));
  EXPECT_THAT(EventsAfter(0, {.states = {State::kQueued}}),
              ElementsAre(Pair(State::kQueued, false)));
  EXPECT_THAT(EventsAfter(0, {.labels = {{"team", "c"}}}), ElementsAre());
}

TEST_P(StoreConformance, ListenersHearOfEventsUntilTheyAreRemoved) {
  std::atomic<int> calls = 0;
  const std::uint64_t id = store().OnEvents([&calls] { ++calls; });
  harness_.Create(harness_.NewJob());
  EXPECT_EQ(calls, 1);

  store().RemoveListener(id);
  harness_.Create(harness_.NewJob());

  EXPECT_EQ(calls, 1);
}

TEST_P(StoreConformance, PagesAreStableWhileJobsComeAndChange) {
  std::vector<JobId> expected;
  for (int i = 0; i < 10; ++i) {
    expected.push_back(harness_.Create(harness_.NewJob()).id);
    harness_.clock.Advance(std::chrono::milliseconds(2));
  }
  std::reverse(expected.begin(), expected.end());

  std::vector<JobId> seen;
  std::string token;
  do {
    const auto page = Await(store().List({}, 3, token));
    ASSERT_TRUE(page.ok()) << page.status();
    for (const Job& job : page->jobs) seen.push_back(job.id);
    token = page->next_page_token;
    harness_.Create(harness_.NewJob());
    harness_.ClaimOne();
    harness_.clock.Advance(std::chrono::milliseconds(2));
  } while (!token.empty());

  EXPECT_EQ(seen, expected);
}

TEST_P(StoreConformance, ListsAreFiltered) {
  Job a = harness_.NewJob("https://a.test/x");
  a.labels = {{"team", "red"}, {"env", "prod"}};
  Job b = harness_.NewJob("https://b.test/x");
  b.labels = {{"team", "red"}};
  b.created_at += std::chrono::minutes(5);
  harness_.Create(a);
  harness_.Create(b);
  ASSERT_TRUE(Await(store().Update(b.id, CancelRequested())).ok());
  const auto ids = [this](JobFilter filter) {
    std::vector<JobId> found;
    const auto page = Await(store().List(std::move(filter), 0, ""));
    for (const Job& job : page->jobs) {
      found.push_back(job.id);
    }
    return found;
  };

  using ::testing::ElementsAre;
  using ::testing::UnorderedElementsAre;
  EXPECT_THAT(ids({.ids = {a.id}}), ElementsAre(a.id));
  EXPECT_THAT(ids({.states = {State::kCancelled}}), ElementsAre(b.id));
  EXPECT_THAT(ids({.states = {State::kCancelled, State::kQueued}}),
              UnorderedElementsAre(a.id, b.id));
  EXPECT_THAT(ids({.labels = {{"team", "red"}}}), UnorderedElementsAre(a.id, b.id));
  EXPECT_THAT(ids({.labels = {{"team", "red"}, {"env", "prod"}}}), ElementsAre(a.id));
  EXPECT_THAT(ids({.origin = "https://b.test"}), ElementsAre(b.id));
  EXPECT_THAT(ids({.created_after = a.created_at}), ElementsAre(b.id));
  EXPECT_THAT(ids({.created_before = b.created_at}), ElementsAre(a.id));
}

TEST_P(StoreConformance, PageTokensOfOtherFiltersAndGarbageAreRefused) {
  for (int i = 0; i < 3; ++i) harness_.Create(harness_.NewJob());
  const std::string token = Await(store().List({}, 1, ""))->next_page_token;
  ASSERT_FALSE(token.empty());

  for (const std::string& bad : {std::string("garbage"), token + "A", std::string("djE6Og==")}) {
    const auto page = Await(store().List({}, 1, bad));
    EXPECT_TRUE(absl::IsInvalidArgument(page.status())) << bad;
    EXPECT_EQ(GetField(page.status())->field, "page_token");
  }
  const auto changed = Await(store().List({.states = {State::kQueued}}, 1, token));
  EXPECT_TRUE(absl::IsInvalidArgument(changed.status()));
}

TEST_P(StoreConformance, StatsCountJobsByState) {
  harness_.Create(harness_.NewJob());
  harness_.Create(harness_.NewJob());
  harness_.Create(harness_.NewJob());
  const Claim claim = harness_.ClaimOne();
  harness_.ClaimOne();
  ASSERT_EQ(harness_.Finish(claim), absl::OkStatus());

  const auto stats = Await(store().Stats());

  EXPECT_EQ(stats->jobs.at(State::kQueued), 1u);
  EXPECT_EQ(stats->jobs.at(State::kRunning), 1u);
  EXPECT_EQ(stats->jobs.at(State::kSucceeded), 1u);
  EXPECT_EQ(stats->jobs.at(State::kFailed), 0u);
}

TEST_P(StoreConformance, EverythingOutlivesAReopening) {
  Job job = harness_.NewJob();
  job.request_id = "r";
  job.spec.credentials = BearerCredentials{Secret("token")};
  harness_.Create(job);
  ASSERT_EQ(harness_.Finish(harness_.ClaimOne()), absl::OkStatus());
  const std::int64_t sequence = store().LastSequence();

  harness_.Close();
  ASSERT_EQ(harness_.Open(), absl::OkStatus());

  const auto read = Await(store().Get(job.id));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->state, State::kSucceeded);
  EXPECT_EQ(read->spec, job.spec);
  EXPECT_EQ(Await(store().Attempts(job.id))->size(), 1u);
  EXPECT_EQ(store().LastSequence(), sequence);
  EXPECT_EQ(Await(store().Stats())->jobs.at(State::kSucceeded), 1u);
  EXPECT_FALSE(Await(store().Create(job))->created);
}

}  // namespace fetchd::jobs
