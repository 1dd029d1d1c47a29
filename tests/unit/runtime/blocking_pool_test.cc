#include "runtime/blocking_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <latch>
#include <memory>
#include <thread>

#include "runtime/runtime.h"
#include "runtime/task_group.h"

namespace fetchd::runtime {
namespace {

struct Threads {
  std::thread::id before, inside, after;
};

Task<Threads> Visit(BlockingPool* pool) {
  Threads seen;
  seen.before = std::this_thread::get_id();
  auto inside = co_await pool->Run([] { return std::this_thread::get_id(); });
  seen.inside = inside;
  seen.after = std::this_thread::get_id();
  co_return seen;
}

TEST(BlockingPoolTest, RunsOnAPoolThreadAndResumesOnTheShard) {
  Runtime runtime({.shards = 1, .blocking_threads = 1});
  const Threads seen = RunBlocking(runtime.shard(0).executor(), Visit(&runtime.blocking()));

  EXPECT_EQ(seen.before, seen.after);
  EXPECT_NE(seen.before, seen.inside);
}

Task<int> RunMoveOnly(BlockingPool* pool) {
  auto call = [value = std::make_unique<int>(7)] { return std::make_unique<int>(*value + 1); };
  const std::unique_ptr<int> result = co_await pool->Run(std::move(call));
  co_await pool->Run([] {});
  co_return *result;
}

TEST(BlockingPoolTest, TakesAndReturnsMoveOnlyTypes) {
  Runtime runtime({.shards = 1, .blocking_threads = 2});

  EXPECT_EQ(RunBlocking(runtime.shard(0).executor(), RunMoveOnly(&runtime.blocking())), 8);
}

struct Gate {
  std::latch entered{1};
  std::latch open{1};
  std::atomic<bool> returned{false};
  std::atomic<bool> resumed{false};
};

Task<absl::Status> BlockAtGate(BlockingPool* pool, Gate* gate) {
  co_await pool->Run([gate] {
    gate->entered.count_down();
    gate->open.wait();
    gate->returned = true;
  });
  EXPECT_TRUE(gate->returned);
  gate->resumed = true;
  co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  co_return absl::OkStatus();
}

Task<void> Nothing() { co_return; }

TEST(BlockingPoolTest, CancelledCallerWaitsForTheCall) {
  Runtime runtime({.shards = 1, .blocking_threads = 1});
  const auto executor = runtime.shard(0).executor();
  Gate gate;
  absl::Status outcome;
  TaskGroup group(executor,
                  [&](const std::string&, const absl::Status& status) { outcome = status; });
  group.Spawn("blocked", BlockAtGate(&runtime.blocking(), &gate));
  gate.entered.wait();

  group.Cancel();
  RunBlocking(executor, Nothing());  // The cancellation has been emitted by now.
  EXPECT_FALSE(gate.resumed);
  EXPECT_EQ(group.size(), 1u);

  gate.open.count_down();
  RunBlocking(executor, group.Join());
  EXPECT_TRUE(gate.resumed);
  EXPECT_EQ(outcome.code(), absl::StatusCode::kCancelled);
}

TEST(BlockingPoolTest, KeepsTheLoopRunningWhileTheCallRuns) {
  asio::io_context context(1);
  BlockingPool pool(1);
  TaskGroup group(context.get_executor());
  Gate gate;
  group.Spawn("blocked", BlockAtGate(&pool, &gate));
  std::jthread opener([&] {
    gate.entered.wait();
    gate.open.count_down();
  });

  context.run();  // Returns only when no work is left.

  EXPECT_TRUE(gate.resumed);
}

}  // namespace
}  // namespace fetchd::runtime
