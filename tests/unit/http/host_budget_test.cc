#include "http/host_budget.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>

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

}  // namespace
}  // namespace fetchd::http
