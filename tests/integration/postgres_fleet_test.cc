// Several processes on one PostgreSQL: claims, leases, events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <semaphore>
#include <set>
#include <thread>

#include "base/strings.h"
#include "postgres_backend.h"

namespace fetchd::store {
namespace {

using jobs::State;
using ::testing::AnyOf;
using ::testing::SizeIs;

constexpr std::chrono::seconds kWaitAtMost{30};
/// Renewed, and looked after, each quarter of it; a machine that is busy must not let it pass.
constexpr LeaseTime kLease{4000};

/// Two open stores on one database: "here" makes the jobs.
class PostgresFleetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(here_.Open(), absl::OkStatus());
    ASSERT_EQ(there_.Open(), absl::OkStatus());
  }

  std::string Sql(const std::string& sql) { return testing::Postgres::Shared().Query(url_, sql); }
  static std::unique_ptr<jobs::StoreBackend> Backend(const std::string& url) {
    auto backend = std::make_unique<PostgresBackend>(url);
    backend->lease = kLease;
    return backend;
  }
  template <typename F>
  static bool Becomes(F is_so) {
    const auto end = std::chrono::steady_clock::now() + kWaitAtMost;
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > end) return false;
    }
    return true;
  }
  State StateOf(const JobId& id) { return here_.Await(here_.store().Get(id))->state; }
  bool BecomesState(const JobId& id, State state) {
    return Becomes([&] { return StateOf(id) == state; });
  }
  /// As if who runs it had been killed, without a word, long ago.
  void LoseRunnerOf(const JobId& id) {
    Sql("INSERT INTO replicas (id, lease_until, host, version)"
        " VALUES ('lost', now() - interval '1 hour', '', '')"
        " ON CONFLICT DO NOTHING; UPDATE jobs SET replica = 'lost' WHERE id = '" +
        id.str() + "'");
  }

  const std::string url_ = testing::Postgres::Shared().MakeDatabase();
  jobs::StoreHarness here_{Backend(url_)};
  jobs::StoreHarness there_{Backend(url_)};
};

TEST_F(PostgresFleetTest, ClaimsAreOfOneProcessEach) {
  constexpr int kJobs = 60;
  for (int i = 0; i < kJobs; ++i) here_.Create(here_.NewJob());
  std::vector<std::set<std::string>> claimed(2);

  {
    std::vector<std::jthread> processes;
    for (std::size_t i = 0; i < 2; ++i) {
      processes.emplace_back([&, i] {
        jobs::StoreHarness& harness = i == 0 ? here_ : there_;
        // A claim may find all that is left locked by the other one, which then takes it.
        EXPECT_TRUE(Becomes([&] {
          for (const jobs::Claim& claim : harness.ClaimUpTo(7)) {
            claimed[i].insert(claim.job.id.str());
          }
          return harness.Await(harness.store().Stats())->jobs.at(State::kQueued) == 0;
        }));
      });
    }
  }

  std::set<std::string> all = claimed[0];
  all.insert(claimed[1].begin(), claimed[1].end());
  EXPECT_THAT(all, SizeIs(kJobs));
  EXPECT_EQ(claimed[0].size() + claimed[1].size(), std::size_t{kJobs});
}

TEST_F(PostgresFleetTest, AJobOfAProcessThatIsGoneIsRescuedAndItsOldClaimIsLost) {
  const jobs::Job job = here_.Create(here_.NewJob());
  const jobs::Claim claim = there_.ClaimOne();
  LoseRunnerOf(job.id);

  ASSERT_TRUE(BecomesState(job.id, State::kInterrupted));
  const jobs::Job rescued = *here_.Await(here_.store().Get(job.id));
  EXPECT_EQ(rescued.attempt, 0) << "none is consumed";
  EXPECT_GT(rescued.fence, claim.fence);
  EXPECT_TRUE(absl::IsAborted(there_.Finish(claim)));
  const jobs::Claim heir = here_.ClaimOne();
  EXPECT_EQ(heir.job.id, job.id);
  EXPECT_TRUE(absl::IsAborted(there_.Finish(claim)));
  EXPECT_EQ(here_.Finish(heir), absl::OkStatus());
}

// Nobody could renew while the database was away: who is back first takes nothing.
TEST_F(PostgresFleetTest, ALeaseThatPassedUnheardIsNotHeldAgainstItsProcess) {
  const jobs::Job job = here_.Create(here_.NewJob());
  there_.ClaimOne();
  LoseRunnerOf(job.id);
  jobs::StoreHarness fresh(Backend(url_));
  ASSERT_EQ(fresh.Open(), absl::OkStatus());

  EXPECT_EQ(*fresh.Await(fresh.store().Recover()), 0u);

  ASSERT_TRUE(BecomesState(job.id, State::kInterrupted)) << "once it was heard for a lease";
}

TEST_F(PostgresFleetTest, AllProcessesAreToldWithWhatTheyRun) {
  here_.Create(here_.NewJob());
  there_.ClaimOne();

  const auto replicas = *there_.Await(there_.store().Replicas());

  ASSERT_THAT(replicas, SizeIs(2));
  for (const jobs::Replica& replica : replicas) {
    EXPECT_EQ(replica.host, "host");
    EXPECT_EQ(replica.version, "1.2.3");
    EXPECT_EQ(replica.running, replica.is_self ? 1u : 0u);
    EXPECT_GT(replica.lease_left, Duration::zero());
    EXPECT_LE(replica.lease_left, kLease);
  }
  EXPECT_NE(replicas[0].is_self, replicas[1].is_self);
}

TEST_F(PostgresFleetTest, ProgressIsToldToAll) {
  const jobs::RunningProgress one{here_.NewJob().id, 1, 2, 3};
  const jobs::RunningProgress other{here_.NewJob().id, std::uint64_t{1} << 60, std::nullopt, 0};
  ASSERT_EQ(here_.Await(here_.store().TellProgress({other})), absl::OkStatus());
  ASSERT_EQ(here_.Await(here_.store().TellProgress({one})), absl::OkStatus());
  ASSERT_EQ(there_.Await(there_.store().TellProgress({other})), absl::OkStatus());

  EXPECT_THAT(*there_.Await(there_.store().ToldProgress()),
              ::testing::UnorderedElementsAre(one, other));
}

TEST_F(PostgresFleetTest, TheClockOfTheDatabaseIsTold) {
  std::optional<Duration> ahead;
  auto backend = std::make_unique<PostgresBackend>(url_);
  backend->on_clock = [&ahead, told = false](Duration by) mutable {
    if (!std::exchange(told, true)) ahead = by;
  };
  jobs::StoreHarness harness(std::move(backend));
  ASSERT_EQ(harness.Open(), absl::OkStatus());

  ASSERT_TRUE(ahead.has_value());
  EXPECT_LT(std::chrono::abs(*ahead), std::chrono::seconds(10)) << "it is this machine's";
}

TEST_F(PostgresFleetTest, AJobThatLosesItsProcessTimeAndAgainIsParked) {
  const jobs::Job job = here_.Create(here_.NewJob());
  for (int i = 1; i < kMostRescues; ++i) {
    here_.ClaimOne();
    LoseRunnerOf(job.id);
    ASSERT_TRUE(BecomesState(job.id, State::kInterrupted)) << i;
  }
  here_.ClaimOne();
  LoseRunnerOf(job.id);

  ASSERT_TRUE(BecomesState(job.id, State::kFailed));
  const jobs::Job parked = *here_.Await(here_.store().Get(job.id));
  EXPECT_EQ(GetReason(parked.error)->reason, "JOB_LOST_TOO_OFTEN");
  EXPECT_THAT(*here_.Await(here_.store().Attempts(job.id)), SizeIs(1));
  ASSERT_TRUE(here_.Await(here_.store().Update(job.id, jobs::RetryRequested())).ok());
  EXPECT_EQ(Sql("SELECT rescues FROM jobs"), "0");
}

TEST_F(PostgresFleetTest, AnAttemptThatEndsInOrderForgetsRescues) {
  const jobs::Job job = here_.Create(here_.NewJob());
  here_.ClaimOne();
  LoseRunnerOf(job.id);
  ASSERT_TRUE(BecomesState(job.id, State::kInterrupted));
  EXPECT_EQ(Sql("SELECT rescues FROM jobs"), "1");

  const jobs::Claim claim = here_.ClaimOne();
  ASSERT_TRUE(here_.Await(here_.store().Update(job.id, claim.fence, jobs::Interrupted())).ok());

  EXPECT_EQ(Sql("SELECT rescues FROM jobs"), "0");
}

TEST_F(PostgresFleetTest, WhatAProcessLeavesWhenItClosesIsTakenAtOnceAndNotHeldAgainstIt) {
  const jobs::Job job = here_.Create(here_.NewJob());
  there_.ClaimOne();

  there_.Close();

  ASSERT_TRUE(BecomesState(job.id, State::kInterrupted));
  EXPECT_EQ(Sql("SELECT rescues FROM jobs"), "0");
}

TEST_F(PostgresFleetTest, AStartTakesNothingThatAnotherProcessRuns) {
  const jobs::Job job = here_.Create(here_.NewJob());
  const jobs::Claim claim = there_.ClaimOne();

  EXPECT_EQ(*here_.Await(here_.store().Recover()), 0u);

  EXPECT_EQ(StateOf(job.id), State::kRunning);
  EXPECT_EQ(there_.Finish(claim), absl::OkStatus());
}

// As one that was stopped for longer than its lease.
TEST_F(PostgresFleetTest, AProcessThatWasGivenUpClaimsAgainUnderAnotherName) {
  here_.Create(here_.NewJob());
  const std::string before = Sql("SELECT string_agg(id, ',' ORDER BY id) FROM replicas");
  Sql("DELETE FROM replicas");

  EXPECT_TRUE(Becomes([&] {
    const auto claims = there_.Await(there_.store().ClaimReady(1, {}));
    return claims.ok() && claims->size() == 1;
  }));
  EXPECT_TRUE(Becomes([&] { return Sql("SELECT count(*) FROM replicas") == "2"; }));
  EXPECT_NE(Sql("SELECT string_agg(id, ',' ORDER BY id) FROM replicas"), before);
}

TEST_F(PostgresFleetTest, EventsOfOthersAreHeard) {
  std::counting_semaphore<> heard(0);
  const std::uint64_t listener = there_.store().OnEvents([&heard] { heard.release(); });

  const jobs::Job job = here_.Create(here_.NewJob());

  while (there_.store().LastSequence() < here_.store().LastSequence()) {
    ASSERT_TRUE(heard.try_acquire_for(kWaitAtMost));
  }
  const auto events = there_.Await(there_.store().EventsAfter(0, {}, 10));
  ASSERT_THAT(*events, SizeIs(1));
  EXPECT_EQ(events->front().job.id, job.id);
  there_.store().RemoveListener(listener);
}

TEST_F(PostgresFleetTest, ANotificationThatIsLostOnlyDelays) {
  const std::int64_t before = there_.store().LastSequence();

  Sql("UPDATE counters SET value = value + 5 WHERE name = 'events'");

  EXPECT_TRUE(Becomes([&] {
    Sql("SELECT 1");
    return there_.store().LastSequence() == before + 5;
  }));
}

TEST_F(PostgresFleetTest, NumbersOfEventsFollowTheOrderInWhichTheyAreSeen) {
  constexpr int kEach = 50;
  std::atomic<bool> done = false;
  std::jthread watcher([&] {
    std::int64_t last = 0;
    while (!done) {
      const auto events = there_.Await(there_.store().EventsAfter(last, {}, 1000));
      ASSERT_TRUE(events.ok()) << events.status();
      for (const jobs::JobEvent& event : *events) {
        ASSERT_EQ(event.sequence, last + 1) << "one was not there when a later one was";
        last = event.sequence;
      }
      if (last == 2 * kEach) done = true;
    }
  });
  // Of `there_` no call but from the watcher: each harness is one thread's.
  jobs::StoreHarness third(Backend(url_));
  ASSERT_EQ(third.Open(), absl::OkStatus());
  third.clock.Advance(std::chrono::hours(1));  // Other ids than those from here.
  std::jthread writer([&] {
    for (int i = 0; i < kEach; ++i) third.Create(third.NewJob());
  });
  for (int i = 0; i < kEach; ++i) here_.Create(here_.NewJob());

  EXPECT_TRUE(Becomes([&] { return done.load() || !here_.Await(here_.store().Stats()).ok(); }));
  done = true;
}

TEST_F(PostgresFleetTest, OneRequestIdMakesOneJobWhereverItIsSent) {
  constexpr int kRequests = 20;
  std::vector<std::set<std::string>> ids(2);
  there_.clock.Advance(std::chrono::hours(1));  // Other ids than those from here.
  {
    std::vector<std::jthread> processes;
    for (std::size_t i = 0; i < 2; ++i) {
      processes.emplace_back([&, i] {
        jobs::StoreHarness& harness = i == 0 ? here_ : there_;
        for (int request = 0; request < kRequests; ++request) {
          jobs::Job job = harness.NewJob();
          job.request_id = Concat("r", request);
          ids[i].insert(harness.Create(job).id.str());
        }
      });
    }
  }

  EXPECT_EQ(ids[0], ids[1]);
  EXPECT_EQ(Sql("SELECT count(*) FROM jobs"), Concat(kRequests));
}

TEST_F(PostgresFleetTest, OfOneDestinationThatAllFillTheLastBodyCounts) {
  constexpr int kEach = 30;
  for (int i = 0; i < kEach; ++i) {
    here_.CreateFor("a");
    here_.CreateFor("b");
  }
  {
    std::vector<std::jthread> processes;
    for (jobs::StoreHarness* harness : {&here_, &there_}) {
      processes.emplace_back([harness] {
        int finished = 0;
        EXPECT_TRUE(Becomes([&] {
          const auto claims = harness->Await(harness->store().ClaimReady(1, {}));
          if (!claims.ok() || claims->empty()) return false;
          const std::uint64_t size = claims->front().job.tenant == "a" ? 100 : 7;
          const jobs::Result result{.size_bytes = size, .destination = "file:///f"};
          if (harness->Finish(claims->front(), result).ok()) ++finished;
          return finished == kEach;
        }));
      });
    }
  }

  const auto stored = here_.Await(here_.store().Stats())->stored_bytes;
  const std::map<std::string, std::uint64_t> of_a{{"a", 100}}, of_b{{"b", 7}};
  EXPECT_THAT(stored, AnyOf(of_a, of_b));
  EXPECT_EQ(Sql("SELECT count(*) FROM bodies"), "1");
}

TEST_F(PostgresFleetTest, BoundsCountWhatOthersStored) {
  const jobs::TenantBounds bounds{.stored_bytes = 100};
  const jobs::Claim claim = there_.ClaimFor("a");
  ASSERT_EQ(there_.Finish(claim, {.size_bytes = 100, .destination = "file:///f"}),
            absl::OkStatus());
  here_.clock.Advance(std::chrono::hours(1));  // Another id than those from there.
  jobs::Job job = here_.NewJob();
  job.tenant = "a";

  const auto refused = here_.Await(here_.store().CreateWithin(job, bounds)).status();
  EXPECT_EQ(*here_.Await(here_.store().StoredBytes("a")), 100u);
  EXPECT_EQ(GetReason(refused)->reason, "TENANT_STORAGE_FULL");
  ASSERT_EQ(there_.Await(there_.store().Delete(claim.job.id)), absl::OkStatus());

  EXPECT_TRUE(here_.Await(here_.store().CreateWithin(job, bounds)).ok());
}

TEST_F(PostgresFleetTest, WhatRunsElsewhereIsCancelledByItsFence) {
  const jobs::Job job = here_.Create(here_.NewJob());
  const jobs::Claim claim = there_.ClaimOne();

  ASSERT_TRUE(here_.Await(here_.store().Update(job.id, jobs::CancelRequested())).ok());

  const auto checkpoint =
      there_.Await(there_.store().Update(job.id, claim.fence, jobs::CheckpointTaken()));
  EXPECT_TRUE(absl::IsAborted(checkpoint.status()));
}

}  // namespace
}  // namespace fetchd::store
