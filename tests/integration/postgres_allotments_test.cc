// Limits that several processes on one PostgreSQL keep together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <random>
#include <semaphore>
#include <thread>

#include "base/strings.h"
#include "postgres_backend.h"

namespace fetchd::store {
namespace {

using jobs::Allotment;
using jobs::AllotmentAsk;

class PostgresAllotmentsTest : public ::testing::Test {
 protected:
  static constexpr std::chrono::seconds kWaitAtMost{30};
  /// Renewed each quarter of it; a machine that is busy must not let it pass.
  static constexpr LeaseTime kLease{4000};
  static constexpr std::int64_t kLimit = 8;
  const std::string kKey = "host a.test:443";

  void SetUp() override {
    for (const auto& process : processes_) ASSERT_EQ(process->Open(), absl::OkStatus());
  }

  std::string Sql(const std::string& sql) { return testing::Postgres::Shared().Query(url_, sql); }
  std::unique_ptr<jobs::StoreHarness> Process() const {
    auto backend = std::make_unique<PostgresBackend>(url_);
    backend->lease = kLease;
    return std::make_unique<jobs::StoreHarness>(std::move(backend));
  }
  static jobs::AllotmentStore& AllotmentsOf(jobs::StoreHarness& process) {
    return *process.store().allotments();
  }
  absl::StatusOr<jobs::Allotted> TryAsk(jobs::StoreHarness& process, std::int64_t kept,
                                        std::int64_t wanted) {
    jobs::AllotmentStore& allotments = AllotmentsOf(process);
    return process.Await(
        allotments.Allot({{kKey, kLimit, kept, wanted}}, allotments.lease().number));
  }
  Allotment Ask(jobs::StoreHarness& process, std::int64_t kept, std::int64_t wanted) {
    const auto allotted = TryAsk(process, kept, wanted);
    EXPECT_TRUE(allotted.ok()) << allotted.status();
    return allotted.ok() ? allotted->allotments.at(0) : Allotment();
  }
  template <typename F>
  static bool Becomes(F is_so) {
    const auto end = std::chrono::steady_clock::now() + kWaitAtMost;
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > end) return false;
    }
    return true;
  }
  /// As if another process had all of it.
  void Occupy(const std::string& lease_until) {
    Sql("INSERT INTO replicas (id, lease_until, host, version) VALUES ('other', " + lease_until +
        ", '', ''); INSERT INTO allotments VALUES ('" + kKey + "', 'other', 8, 8)");
  }
  jobs::StoreHarness& process(std::size_t i) { return *processes_[i]; }

  const std::string url_ = testing::Postgres::Shared().MakeDatabase();
  std::array<std::unique_ptr<jobs::StoreHarness>, 3> processes_{Process(), Process(), Process()};
};

TEST_F(PostgresAllotmentsTest, OneAloneGetsWhatItWantsAndSaysWhatItGivesBack) {
  EXPECT_EQ(Ask(process(0), 0, 5).slots, 5);
  EXPECT_EQ(Ask(process(0), 5, 100).slots, 8);
  EXPECT_EQ(Ask(process(0), 3, 1).slots, 3);
  EXPECT_EQ(Sql("SELECT slots || '/' || wanted FROM allotments"), "3/1");

  EXPECT_EQ(Ask(process(0), 0, 0).slots, 0);
  EXPECT_EQ(Sql("SELECT count(*) FROM allotments"), "0");
}

TEST_F(PostgresAllotmentsTest, TheSharesOfAllBecomeEven) {
  EXPECT_EQ(Ask(process(0), 0, 8).slots, 8);
  EXPECT_EQ(Ask(process(1), 0, 8).slots, 0);
  EXPECT_EQ(Ask(process(2), 0, 8).slots, 0);

  Allotment first = Ask(process(0), 8, 8);
  EXPECT_EQ(first.slots, 8);
  EXPECT_THAT(first.keep, ::testing::AnyOf(2, 3));
  EXPECT_TRUE(first.contended);
  first = Ask(process(0), first.keep, 8);
  const Allotment second = Ask(process(1), 0, 8), third = Ask(process(2), 0, 8);

  EXPECT_THAT(second.slots, ::testing::AnyOf(2, 3));
  EXPECT_EQ(first.slots + second.slots + third.slots, 8);
}

TEST_F(PostgresAllotmentsTest, ItIsToldHowManyProcessesThereAre) {
  EXPECT_EQ(TryAsk(process(0), 0, 1)->replicas, 3);
}

TEST_F(PostgresAllotmentsTest, KeysAreOfLimitsOfTheirOwn) {
  jobs::AllotmentStore& allotments = AllotmentsOf(process(0));
  std::vector<AllotmentAsk> asks;
  for (int i = 0; i < 250; ++i) asks.push_back({Concat("host h", i, ":80"), i, 0, 300});

  const auto allotted = process(0).Await(allotments.Allot(asks, allotments.lease().number));

  ASSERT_TRUE(allotted.ok()) << allotted.status();
  ASSERT_EQ(allotted->allotments.size(), 250u);
  for (std::size_t i = 0; i < 250; ++i) {
    EXPECT_EQ(allotted->allotments[i].key, asks[i].key);
    EXPECT_EQ(allotted->allotments[i].slots, static_cast<std::int64_t>(i));
  }
}

TEST_F(PostgresAllotmentsTest, WhateverIsWantedAndWhenTheSumIsWithinTheLimit) {
  std::atomic<std::int64_t> in_use = 0, most = 0;
  std::atomic<bool> exceeded = false;
  const auto run = [&](std::size_t i) {
    std::mt19937_64 random(i);
    std::int64_t used = 0;
    const auto use = [&](std::int64_t now) {
      const std::int64_t sum = in_use.fetch_add(now - used) + now - used;
      used = now;
      if (sum > kLimit) exceeded = true;
      for (std::int64_t before = most; before < sum && !most.compare_exchange_weak(before, sum);) {
      }
    };
    for (int step = 0; step < 150; ++step) {
      const std::int64_t wanted = std::uniform_int_distribution<std::int64_t>(0, 10)(random);
      // What it stops using before it asks is the others' at once.
      use(std::min(used, std::uniform_int_distribution<std::int64_t>(0, 8)(random)));
      const auto allotted = TryAsk(process(i), used, wanted);
      if (!allotted.ok()) continue;
      const Allotment& allotment = allotted->allotments[0];
      ASSERT_GE(allotment.slots, used);
      use(std::max(used, std::min(allotment.slots, wanted)));
      use(std::min(used, allotment.keep));
    }
    use(0);
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < processes_.size(); ++i) threads.emplace_back(run, i);
  }

  EXPECT_FALSE(exceeded);
  EXPECT_EQ(most, kLimit) << "and all of it was used at times";
}

TEST_F(PostgresAllotmentsTest, WhatAProcessHasCountsAsLongAsItsLease) {
  Occupy("now() + interval '1 hour'");
  EXPECT_EQ(Ask(process(0), 0, 8).slots, 0);

  Sql("UPDATE replicas SET lease_until = now() - interval '1 second' WHERE id = 'other'");

  EXPECT_TRUE(Becomes([&] { return Ask(process(0), 0, 8).slots == 8; }));
  EXPECT_TRUE(Becomes([&] { return Sql("SELECT count(*) FROM replicas") == "3"; }));
  EXPECT_EQ(Sql("SELECT count(*) FROM allotments"), "1") << "its rows go with it";
}

TEST_F(PostgresAllotmentsTest, WhatAProcessHadThatHasClosedIsFree) {
  EXPECT_EQ(Ask(process(1), 0, 8).slots, 8);

  process(1).Close();

  EXPECT_EQ(Ask(process(0), 0, 8).slots, 8);
}

TEST_F(PostgresAllotmentsTest, AProcessThatWasGivenUpHasAnotherLeaseAndKeepsWhatItUses) {
  EXPECT_EQ(Ask(process(0), 0, 8).slots, 8);
  const std::uint64_t before = AllotmentsOf(process(0)).lease().number;
  std::binary_semaphore told(0);
  AllotmentsOf(process(0)).OnNews([&told] { told.release(); });

  Sql("DELETE FROM replicas");
  ASSERT_TRUE(told.try_acquire_for(kWaitAtMost));
  AllotmentsOf(process(0)).OnNews(nullptr);

  EXPECT_GT(AllotmentsOf(process(0)).lease().number, before);
  const auto late =
      process(0).Await(AllotmentsOf(process(0)).Allot({{kKey, kLimit, 8, 8}}, before));
  EXPECT_TRUE(absl::IsUnavailable(late.status())) << "what it had is the others'";
  ASSERT_TRUE(Becomes([&] { return TryAsk(process(1), 0, 6).ok(); }));
  const Allotment kept = Ask(process(0), 4, 8);
  EXPECT_EQ(kept.slots, 4) << "more than there is, for it is in use";
  EXPECT_EQ(kept.keep, 4) << "its share";
  EXPECT_EQ(Ask(process(1), 6, 6).keep, 4) << "who has more comes down";
}

TEST_F(PostgresAllotmentsTest, OthersAreToldWhatIsWantedAndWhatIsGivenBack) {
  std::counting_semaphore<> first_told(0), second_told(0);
  EXPECT_EQ(Ask(process(0), 0, 8).slots, 8);
  AllotmentsOf(process(0)).OnNews([&] { first_told.release(); });
  AllotmentsOf(process(1)).OnNews([&] { second_told.release(); });

  Ask(process(1), 0, 8);
  EXPECT_TRUE(first_told.try_acquire_for(kWaitAtMost)) << "somebody lacks something";
  Ask(process(0), 4, 8);
  EXPECT_TRUE(second_told.try_acquire_for(kWaitAtMost)) << "something was given back";

  EXPECT_EQ(Ask(process(1), 0, 8).slots, 4);
  AllotmentsOf(process(0)).OnNews(nullptr);
  AllotmentsOf(process(1)).OnNews(nullptr);
}

TEST_F(PostgresAllotmentsTest, WhomToLeaveAloneIsToldToTheOthersUntilItIsOver) {
  using std::chrono::hours;
  using std::chrono::minutes;
  std::binary_semaphore told(0);
  AllotmentsOf(process(1)).OnNews([&told] { told.release(); });
  const auto announce = [&](Duration left) {
    return process(0).Await(
        AllotmentsOf(process(0))
            .Announce({{"http://a.test:80", false, left}, {"http://b.test:80", true, left}}));
  };
  const auto heard_by = [&](std::size_t i) {
    return *process(i).Await(AllotmentsOf(process(i)).CoolDowns());
  };

  ASSERT_EQ(announce(hours(1)), absl::OkStatus());

  EXPECT_TRUE(told.try_acquire_for(kWaitAtMost));
  AllotmentsOf(process(1)).OnNews(nullptr);
  std::vector<jobs::CoolDown> heard = heard_by(1);
  std::ranges::sort(heard, {}, &jobs::CoolDown::origin);
  ASSERT_EQ(heard.size(), 2u);
  EXPECT_EQ(heard[0].origin, "http://a.test:80");
  EXPECT_FALSE(heard[0].circuit);
  EXPECT_TRUE(heard[1].circuit);
  EXPECT_GT(heard[0].left, minutes(59));
  EXPECT_EQ(heard_by(2).at(0).until, heard_by(1).at(0).until) << "the same moment for all";
  EXPECT_TRUE(heard_by(0).empty()) << "it is its own";

  ASSERT_EQ(announce(minutes(1)), absl::OkStatus());
  EXPECT_GT(heard_by(1).at(0).left, minutes(59)) << "what ends later holds";
  Sql("UPDATE cool_downs SET until = now() - interval '1 second'");
  EXPECT_TRUE(heard_by(1).empty());
  ASSERT_EQ(announce(minutes(1)), absl::OkStatus());
  EXPECT_EQ(heard_by(1).size(), 2u);
}

TEST_F(PostgresAllotmentsTest, AConnectionThatIsCutIsMadeAnew) {
  EXPECT_EQ(Ask(process(0), 0, 5).slots, 5);

  Sql("SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE classid = 73066355");

  EXPECT_TRUE(Becomes([&] { return TryAsk(process(0), 5, 8).ok(); }));
  EXPECT_EQ(Ask(process(0), 8, 8).slots, 8);
}

TEST_F(PostgresAllotmentsTest, WithoutALeaseNothingIsAllotted) {
  Sql("UPDATE replicas SET lease_until = now() - interval '1 hour'");

  const auto refused = TryAsk(process(0), 0, 8);

  // Unless it was renewed just then.
  if (!refused.ok()) EXPECT_TRUE(absl::IsUnavailable(refused.status())) << refused.status();
  EXPECT_TRUE(Becomes([&] { return TryAsk(process(0), 0, 8).ok(); }));
}

}  // namespace
}  // namespace fetchd::store
