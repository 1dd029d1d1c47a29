#include "fetch/allotments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "runtime/task_group.h"
#include "support/manual_clock.h"
#include "support/memory_allotments.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Le;
using testing::MemoryAllotments;

const std::string kKey = "host a.test:443";
constexpr std::size_t kLimit = 8;
constexpr Duration kLease = 30s;

/// Uses as much as it may of what it wants.
class Greedy final : public AllotmentUser {
 public:
  explicit Greedy(Allotments& allotments) : allotments_(allotments) {}
  void AddUses(std::vector<SharedUse>& uses) override {
    if (used > 0 || wants > 0) uses.push_back({kKey, kLimit, used, wants});
  }
  void Reconsider(const std::string& key) override {
    reconsidered += key == kKey ? 1 : 0;
    Begin();
  }
  void Wants(std::size_t count) {
    wants = count;
    Begin();
  }
  void Begin() {
    const std::size_t may = allotments_.Of(kKey, kLimit);
    if (used < wants && used < may) used = std::min(wants, may);
    if (used < wants) allotments_.Want(kKey, kLimit, 1);
  }
  /// What is above its wish, or above what it may, ends.
  void EndWhatItMust() {
    const std::size_t left = std::min({used, wants, allotments_.Of(kKey, kLimit)});
    if (left == used) return;
    used = left;
    allotments_.GaveBack(kKey);
  }

  std::size_t used = 0, wants = 0;
  int reconsidered = 0;

 private:
  Allotments& allotments_;
};

class AllotmentsTest : public ::testing::Test {
 protected:
  struct Process {
    Process(asio::any_io_executor executor, Clock& clock, MemoryAllotments::Door& its_door)
        : door(its_door), allotments(std::move(executor), clock, its_door), user(allotments) {
      allotments.Serve(user);
      door.OnNews([this] { allotments.News(); });
    }
    MemoryAllotments::Door& door;
    Allotments allotments;
    Greedy user;
  };

  ~AllotmentsTest() override {
    for (const auto& process : processes_) process->allotments.Stop();
    Poll();
    EXPECT_EQ(tasks_.size(), 0u);
  }
  Process& Add() {
    processes_.push_back(
        std::make_unique<Process>(io_.get_executor(), clock_, table_.AddReplica(kLease)));
    Process& process = *processes_.back();
    tasks_.Spawn("allotments", process.allotments.Run());
    Poll();
    return process;
  }
  void Poll() {
    io_.restart();
    io_.poll();
  }
  /// In small steps, while all renew their leases.
  void Pass(Duration time, bool renew = true) {
    for (Duration passed{}; passed < time; passed += 10ms) {
      clock_.Advance(10ms);
      if (renew) Renew();
      Poll();
    }
  }
  void Renew() {
    for (const auto& process : processes_) process->door.Renew(kLease);
  }
  std::size_t Used() const {
    std::size_t sum = 0;
    for (const auto& process : processes_) sum += process->user.used;
    return sum;
  }

  testing::ManualClock clock_;
  asio::io_context io_;
  MemoryAllotments table_{clock_};
  runtime::TaskGroup tasks_{io_.get_executor()};
  std::vector<std::unique_ptr<Process>> processes_;
};

TEST_F(AllotmentsTest, WhatIsWantedFirstIsAskedForAtOnce) {
  Process& process = Add();
  EXPECT_EQ(process.allotments.Of(kKey, kLimit), 0u) << "nothing is used that nobody allotted";

  process.user.Wants(3);
  Poll();

  EXPECT_EQ(process.user.used, 3u);
  EXPECT_EQ(process.door.calls, 1);
}

TEST_F(AllotmentsTest, WhatIsWantedMeanwhileIsOneCall) {
  Process& process = Add();

  for (const char* host : {"a", "b", "c", "d"}) {
    process.allotments.Want(std::string("host ") + host, kLimit, 1);
  }
  Poll();

  EXPECT_EQ(process.door.calls, 1);
  EXPECT_EQ(process.door.asked.size(), 4u);
}

TEST_F(AllotmentsTest, OneAloneMayHaveAllAndGrowsInAFewCalls) {
  Process& process = Add();
  for (std::size_t wanted = 1; wanted <= kLimit; ++wanted) {
    process.user.Wants(wanted);
    Pass(20ms);
    EXPECT_EQ(process.user.used, wanted);
  }

  EXPECT_LE(process.door.calls, 5);
}

TEST_F(AllotmentsTest, WhoComesLaterGetsItsShareWithoutWaitingForARound) {
  Process& first = Add();
  first.user.Wants(100);
  Poll();
  ASSERT_EQ(first.user.used, kLimit);
  Process& second = Add();
  Process& third = Add();

  second.user.Wants(100);
  third.user.Wants(100);
  for (int i = 0; i < 20; ++i) {
    Pass(10ms);
    for (const auto& process : processes_) process->user.EndWhatItMust();
    ASSERT_LE(Used(), kLimit);
  }

  for (const Process* process : {&first, &second, &third}) {
    EXPECT_THAT(process->user.used, AllOf(Ge(2u), Le(3u)));
  }
  EXPECT_EQ(Used(), kLimit);
}

TEST_F(AllotmentsTest, WhatIsInUseIsNotTakenAway) {
  Process& first = Add();
  first.user.Wants(kLimit);
  Poll();
  Process& second = Add();
  second.user.Wants(kLimit);

  Pass(2s);
  EXPECT_EQ(first.user.used, kLimit) << "none has ended";
  EXPECT_EQ(first.allotments.Of(kKey, kLimit), kLimit / 2);
  EXPECT_EQ(second.user.used, 0u);
  first.user.used -= 1;
  first.allotments.GaveBack(kKey);
  Pass(50ms);

  EXPECT_EQ(second.user.used, 1u);
  EXPECT_EQ(Used(), kLimit);
}

TEST_F(AllotmentsTest, WhileNothingChangesItIsAskedOnceARound) {
  Process& first = Add();
  Process& second = Add();
  first.user.Wants(100);
  second.user.Wants(100);
  for (int i = 0; i < 20; ++i) {
    Pass(10ms);
    for (const auto& process : processes_) process->user.EndWhatItMust();
  }
  ASSERT_EQ(Used(), kLimit);
  const int calls = first.door.calls;

  for (int i = 0; i < 100; ++i) {
    first.user.Begin();  // There is always somebody who is left without.
    Pass(100ms);
  }

  EXPECT_LE(first.door.calls - calls, 10s / Allotments::kContendedRound + 1);
}

TEST_F(AllotmentsTest, WhatIsNotUsedGoesBackAfterSomeRounds) {
  Process& process = Add();
  process.user.Wants(6);
  Poll();
  process.user.Wants(0);
  process.user.used = 2;

  Pass(Allotments::kRound * 2);
  EXPECT_GE(table_.SumOf(kKey), 6) << "it may come back";
  Pass(Allotments::kRound * (Allotments::kPatience + 1));
  EXPECT_EQ(table_.SumOf(kKey), 2) << "as long as those are open";
  process.user.used = 0;
  Pass(Allotments::kRound * 2 * Allotments::kPatience);

  EXPECT_FALSE(table_.Has(kKey, "a"));
  EXPECT_EQ(process.allotments.Of(kKey, kLimit), 0u);
}

TEST_F(AllotmentsTest, AWishWithoutAUseIsForgottenAfterAWhile) {
  Process& process = Add();

  process.allotments.Want(kKey, kLimit, kLimit);
  Poll();
  EXPECT_EQ(process.allotments.Of(kKey, kLimit), kLimit);
  Pass(Allotments::kWish + Allotments::kRound * 2 * Allotments::kPatience);

  EXPECT_FALSE(table_.Has(kKey, "a"));
}

TEST_F(AllotmentsTest, WithoutTheStoreWhatIsHeldIsKeptUntilTheLeasePasses) {
  Process& process = Add();
  Add();
  process.user.Wants(6);
  Pass(20ms);
  process.door.away = true;

  Pass(kLease - 1s, false);
  EXPECT_TRUE(process.allotments.Last());
  EXPECT_EQ(process.allotments.Of(kKey, kLimit), 6u);
  EXPECT_EQ(process.allotments.Of("host new.test:443", kLimit), 0u);
  const int reconsidered = process.user.reconsidered;
  Pass(2s, false);

  EXPECT_FALSE(process.allotments.Last());
  EXPECT_GT(process.user.reconsidered, reconsidered);
  EXPECT_EQ(process.allotments.Of(kKey, kLimit), 4u) << "its part of two";
  EXPECT_EQ(process.allotments.Of("host new.test:443", 1), 1u) << "one at least";
}

TEST_F(AllotmentsTest, BeforeItWasEverToldAnythingALeaseThatPassesLeavesItOne) {
  Process& process = Add();
  process.door.away = true;

  Pass(kLease + 1s, false);

  EXPECT_EQ(process.allotments.Of(kKey, kLimit), 1u);
}

TEST_F(AllotmentsTest, WhatWasHeldUnderAnEarlierLeaseIsVoidButForWhatIsInUse) {
  Process& process = Add();
  process.user.Wants(6);
  Pass(20ms);
  ASSERT_EQ(process.allotments.Of(kKey, kLimit), 8u);
  clock_.Advance(kLease);
  Poll();
  table_.Put(kKey, "other", {5, 5});
  process.user.wants = process.user.used = 4;

  EXPECT_FALSE(process.allotments.Last());
  process.door.Renew(kLease);
  EXPECT_FALSE(process.allotments.Last()) << "until it has asked";
  process.door.Tell();
  Pass(1s);

  EXPECT_TRUE(process.allotments.Last());
  EXPECT_EQ(process.door.asked.front().kept, 4);
  EXPECT_LE(process.allotments.Of(kKey, kLimit), 4u);
}

TEST_F(AllotmentsTest, WhateverIsWantedAndWhenTheSumIsWithinTheLimit) {
  std::mt19937_64 random(11);
  const auto any = [&random](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random);
  };
  for (int i = 0; i < 4; ++i) Add();
  std::size_t most = 0;
  for (int step = 0; step < 5000; ++step) {
    Process& process = *processes_[any(3)];
    process.door.away = any(20) == 0;
    if (any(2) > 0) {
      process.user.Wants(any(12));
    } else {
      process.user.EndWhatItMust();
    }
    if (any(500) == 0) process.door.Tell();
    Pass(any(10) == 0 ? 600ms : 10ms);
    ASSERT_LE(Used(), kLimit) << "step " << step;
    most = std::max(most, Used());
  }
  EXPECT_EQ(most, kLimit);
}

}  // namespace
}  // namespace fetchd::fetch
