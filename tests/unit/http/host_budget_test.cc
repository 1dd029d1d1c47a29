#include "http/host_budget.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <vector>

#include "base/strings.h"
#include "base/time.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"

namespace fetchd::http {
namespace {

constexpr std::size_t kMaxConnections = 5;
constexpr std::size_t kMaxPerHost = 2;
constexpr std::size_t kHosts = 4;

/// How many places are in use, as their users see it.
struct Usage {
  std::atomic<std::size_t> total{0};
  std::array<std::atomic<std::size_t>, kHosts> by_host{};
  std::atomic<std::size_t> violations{0};
  std::atomic<std::size_t> served{0};
};

/// One place in use. A cancelled user leaves by an exception, so its destructor does the counting
/// down.
class PlaceInUse {
 public:
  PlaceInUse(Usage& usage, std::size_t host) : usage_(usage), host_(host) {
    if (++usage_.total > kMaxConnections) ++usage_.violations;
    if (++usage_.by_host[host_] > kMaxPerHost) ++usage_.violations;
  }
  PlaceInUse(const PlaceInUse&) = delete;
  PlaceInUse& operator=(const PlaceInUse&) = delete;
  ~PlaceInUse() {
    --usage_.by_host[host_];
    --usage_.total;
  }

 private:
  Usage& usage_;
  const std::size_t host_;
};

Task<absl::Status> UsePlaces(HostBudget& budget, std::size_t host, Usage& usage) {
  const Origin origin{"http", Concat("host", host), 80};
  for (int i = 0; i < 200; ++i) {
    ConnectionPermit permit = budget.TryAcquire(origin);
    if (!permit) {
      CO_ASSIGN_OR_RETURN(Place place, co_await budget.Wait({origin, nullptr}));
      permit = std::move(place.permit);
    }
    const PlaceInUse in_use(usage, host);
    co_await asio::post(asio::use_awaitable);
    ++usage.served;
  }
  co_return absl::OkStatus();
}

/// Starts users of every host on one shard, cancels some, and waits for all.
Task<absl::Status> RunShard(asio::any_io_executor executor, HostBudget& budget, Usage& usage) {
  runtime::TaskGroup tasks(executor);
  std::vector<runtime::TaskHandle> cancelled;
  for (std::size_t host = 0; host < kHosts; ++host) {
    for (int i = 0; i < 3; ++i) tasks.Spawn("user", UsePlaces(budget, host, usage));
    cancelled.push_back(tasks.Spawn("cancelled", UsePlaces(budget, host, usage)));
  }
  for (int i = 0; i < 50; ++i) co_await asio::post(asio::use_awaitable);
  for (const runtime::TaskHandle& handle : cancelled) handle.Cancel();
  co_await tasks.Join();
  co_return absl::OkStatus();
}

TEST(HostBudgetTest, LimitsHoldWhenManyShardsWaitAndSomeAreCancelled) {
  runtime::Runtime runtime({.shards = 4, .blocking_threads = 1});
  HostBudget budget({.max_connections = kMaxConnections, .max_per_host = kMaxPerHost}, 4);
  Usage usage;
  {
    std::vector<std::jthread> starters;
    for (std::size_t i = 0; i < runtime.size(); ++i) {
      starters.emplace_back([&, i] {
        const auto executor = runtime.shard(i).executor();
        EXPECT_TRUE(runtime::RunBlocking(executor, RunShard(executor, budget, usage)).ok());
      });
    }
  }
  EXPECT_EQ(usage.violations, 0U);
  EXPECT_GE(usage.served, 4U * kHosts * 3U * 200U);
  EXPECT_EQ(budget.open(), 0U);
  EXPECT_EQ(budget.peak_open(), kMaxConnections);
  EXPECT_EQ(budget.waiting(), 0U);
  EXPECT_TRUE(budget.Hosts().empty());
  runtime.Stop();
}

TEST(HostBudgetTest, OneUseDoesNotKeepAnotherOutOfAHost) {
  HostBudget budget({.max_connections = 3, .max_per_host = 1}, 1);
  const Origin origin{"https", "store.test", 443};

  const ConnectionPermit read = budget.TryAcquire(origin, Use::kStoreBodies);
  const ConnectionPermit written = budget.TryAcquire(origin, Use::kStores);
  const ConnectionPermit callers = budget.TryAcquire(origin);

  EXPECT_TRUE(read && written && callers);
  EXPECT_FALSE(budget.TryAcquire(origin, Use::kStores));
  EXPECT_FALSE(budget.TryAcquire({"https", "other.test", 443}, Use::kStores));
  EXPECT_EQ(budget.Hosts().size(), 3U);
}

const Origin kShared{"https", "shared.test", 443};

/// Allots what the test says, and notes what is said to it.
class FakeAllotments final : public HostAllotments {
 public:
  std::size_t Of(const Origin&, std::size_t) override { return allotted; }
  void Want(const Origin&, std::size_t limit) override {
    ++wanted;
    last_limit = limit;
  }
  void GaveBack(const Origin&) override { ++given_back; }

  std::size_t allotted = 0, last_limit = 0;
  int wanted = 0, given_back = 0;
};

class SharedHostBudgetTest : public ::testing::Test {
 protected:
  SharedHostBudgetTest() {
    budget_.SetEvictIdle(0, [this](std::optional<Origin>) { ++evictions_; });
  }
  ~SharedHostBudgetTest() override { budget_.SetEvictIdle(0, nullptr); }

  FakeAllotments allotments_;
  HostBudget budget_{{.max_connections = 10, .max_per_host = 4, .allotments = &allotments_}, 1};
  int evictions_ = 0;
};

TEST_F(SharedHostBudgetTest, NoMoreAreOpenedThanAreAllottedAndMoreAreWanted) {
  EXPECT_FALSE(budget_.TryAcquire(kShared));
  EXPECT_EQ(allotments_.wanted, 1);
  EXPECT_EQ(allotments_.last_limit, 4U);
  EXPECT_TRUE(budget_.Hosts().empty());

  allotments_.allotted = 1;
  const ConnectionPermit first = budget_.TryAcquire(kShared);
  EXPECT_TRUE(first);
  EXPECT_FALSE(budget_.TryAcquire(kShared));
  EXPECT_EQ(allotments_.wanted, 2);
}

TEST_F(SharedHostBudgetTest, TheLimitHoldsWhateverIsAllotted) {
  allotments_.allotted = 100;
  std::vector<ConnectionPermit> permits;
  for (int i = 0; i < 4; ++i) permits.push_back(budget_.TryAcquire(kShared));

  EXPECT_FALSE(budget_.TryAcquire(kShared));
  EXPECT_EQ(allotments_.wanted, 0) << "there is no more to be had";
}

TEST_F(SharedHostBudgetTest, StoresHaveTheirLimitForThemselves) {
  EXPECT_TRUE(budget_.TryAcquire(kShared, Use::kStores));
  EXPECT_EQ(allotments_.wanted, 0);
}

TEST_F(SharedHostBudgetTest, WhoWaitsIsServedWhenMoreIsAllotted) {
  boost::asio::io_context io;
  runtime::TaskGroup tasks(io.get_executor());
  int served = 0;
  for (int i = 0; i < 3; ++i) {
    tasks.Spawn("waits", [](HostBudget& budget, int& count) -> Task<absl::Status> {
      CO_ASSIGN_OR_RETURN(const Place place, co_await budget.Wait({kShared, nullptr}));
      ++count;
      co_await asio::post(asio::use_awaitable);
      co_return absl::OkStatus();
    }(budget_, served));
  }
  io.poll();
  EXPECT_EQ(served, 0);
  EXPECT_EQ(budget_.WaitingFor(kShared), 3U);
  EXPECT_GT(allotments_.wanted, 0);

  allotments_.allotted = 2;
  budget_.Reconsider(kShared);
  io.restart();
  io.poll();

  EXPECT_EQ(served, 3) << "the third got the place of one that ended";
  EXPECT_EQ(tasks.size(), 0U);
}

TEST_F(SharedHostBudgetTest, WhatIsIdleIsClosedWhenLessIsAllotted) {
  allotments_.allotted = 2;
  const ConnectionPermit busy = budget_.TryAcquire(kShared);
  ConnectionPermit idle = budget_.TryAcquire(kShared);
  budget_.MarkIdle(idle, 0);
  std::unique_ptr<Occupant> occupant;
  EXPECT_EQ(budget_.Offer(idle, nullptr, occupant), HostBudget::Advice::kKeep);
  EXPECT_FALSE(budget_.anybody_waits());

  allotments_.allotted = 1;
  budget_.Reconsider(kShared);

  EXPECT_EQ(evictions_, 1);
  EXPECT_TRUE(budget_.anybody_waits());
  EXPECT_TRUE(budget_.IsCrowded(busy));
  EXPECT_TRUE(budget_.IsCrowded(kShared));
  EXPECT_EQ(budget_.Offer(idle, nullptr, occupant), HostBudget::Advice::kClose);
  budget_.MarkBusy(idle, 0);
  idle = {};
  EXPECT_EQ(allotments_.given_back, 1);
  EXPECT_FALSE(budget_.IsCrowded(busy));
  EXPECT_FALSE(budget_.anybody_waits());
  EXPECT_EQ(budget_.Offer(busy, nullptr, occupant), HostBudget::Advice::kKeep);
}

TEST_F(SharedHostBudgetTest, WhatIsAllottedMayPassWithoutAWord) {
  allotments_.allotted = 2;
  const ConnectionPermit first = budget_.TryAcquire(kShared);

  allotments_.allotted = 0;

  EXPECT_FALSE(budget_.TryAcquire(kShared));
}

}  // namespace
}  // namespace fetchd::http
