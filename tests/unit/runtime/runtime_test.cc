#include "runtime/runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <latch>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/task_group.h"

namespace fetchd::runtime {
namespace {

Task<std::thread::id> ThreadId() { co_return std::this_thread::get_id(); }

Task<std::vector<std::thread::id>> Hop(asio::any_io_executor there) {
  std::vector<std::thread::id> ids;
  ids.push_back(std::this_thread::get_id());
  const std::thread::id other = co_await OnShard(there, ThreadId());
  ids.push_back(other);
  ids.push_back(std::this_thread::get_id());
  co_return ids;
}

Task<std::thread::id> ThreadOfCall(BlockingPool* pool) {
  co_return co_await pool->Run([] { return std::this_thread::get_id(); });
}

TEST(RuntimeTest, OneShardACoreByDefault) {
  Runtime runtime({});

  EXPECT_GE(runtime.size(), 1u);
  EXPECT_LE(runtime.size(), std::max(1u, std::thread::hardware_concurrency()));
}

TEST(RuntimeTest, StopIsIdempotentAndLetsTheLoopsRunDry) {
  Runtime runtime({.shards = 2, .blocking_threads = 1});
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) {
    asio::post(runtime.shard(i % 2).executor(), [&ran] { ++ran; });
  }

  runtime.Stop();
  runtime.Stop();

  EXPECT_EQ(ran, 100);
}

TEST(RuntimeTest, WithoutThreadsWhoWaitsMakesTheSteps) {
  asio::io_context blocking;
  Runtime* owner = nullptr;
  int steps = 0;
  Runtime runtime(2, blocking.get_executor(), [&] {
    ++steps;
    owner->shard(0).context().poll_one();
    owner->shard(1).context().poll_one();
    blocking.restart();
    blocking.poll_one();
  });
  owner = &runtime;

  const auto ids = RunBlocking(runtime.shard(0).executor(), Hop(runtime.shard(1).executor()));
  const auto inside = RunBlocking(runtime.shard(1).executor(), ThreadOfCall(&runtime.blocking()));

  EXPECT_THAT(ids, ::testing::Each(std::this_thread::get_id()));
  EXPECT_EQ(inside, std::this_thread::get_id());
  EXPECT_GT(steps, 1);
}

TEST(OnShardTest, RunsThereAndComesBack) {
  Runtime runtime({.shards = 2, .blocking_threads = 1});
  const auto ids = RunBlocking(runtime.shard(0).executor(), Hop(runtime.shard(1).executor()));

  ASSERT_EQ(ids.size(), 3u);
  EXPECT_NE(ids[0], ids[1]);
  EXPECT_EQ(ids[0], ids[2]);
}

Task<std::unique_ptr<std::string>> MakeText() { co_return std::make_unique<std::string>("text"); }
Task<void> ThrowThere() {
  throw std::runtime_error("there");
  co_return;
}

Task<std::string> FetchText(asio::any_io_executor there) {
  const auto text = co_await OnShard(there, MakeText());
  co_return *text;
}

TEST(OnShardTest, PassesMoveOnlyResultsAndExceptions) {
  Runtime runtime({.shards = 2, .blocking_threads = 1});
  const auto there = runtime.shard(1).executor();

  EXPECT_EQ(RunBlocking(runtime.shard(0).executor(), FetchText(there)), "text");
  EXPECT_THROW(RunBlocking(runtime.shard(0).executor(), OnShard(there, ThrowThere())),
               std::runtime_error);
}

struct Progress {
  std::latch waiting{1};
  std::atomic<bool> unwound{false};
};

Task<absl::Status> WaitForever(Progress* progress) {
  const std::unique_ptr<Progress, void (*)(Progress*)> guard(
      progress, [](Progress* seen) { seen->unwound = true; });
  asio::steady_timer timer(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  progress->waiting.count_down();
  co_await timer.async_wait(kTuple);
  co_await asio::post(asio::use_awaitable);
  co_return absl::OkStatus();
}

TEST(OnShardTest, CancellationOfTheCallerReachesTheTask) {
  Runtime runtime({.shards = 2, .blocking_threads = 1});
  const auto here = runtime.shard(0).executor();
  Progress progress;
  absl::Status outcome;
  TaskGroup group(here, [&](const std::string&, const absl::Status& status) { outcome = status; });
  group.Spawn("caller", OnShard(runtime.shard(1).executor(), WaitForever(&progress)));
  progress.waiting.wait();

  group.Cancel();
  RunBlocking(here, group.Join());

  EXPECT_TRUE(progress.unwound);
  EXPECT_EQ(outcome.code(), absl::StatusCode::kCancelled);
}

Task<absl::Status> HopManyTimes(asio::any_io_executor there, int times) {
  for (int i = 0; i < times; ++i) co_await OnShard(there, ThreadId());
  co_return absl::OkStatus();
}

// The interesting moment is a cancellation that crosses with the completion: many tries find it.
TEST(OnShardTest, CancellationMayCrossWithCompletion) {
  Runtime runtime({.shards = 2, .blocking_threads = 1});
  const auto here = runtime.shard(0).executor();
  TaskGroup group(here);
  for (int i = 0; i < 300; ++i) {
    const TaskHandle handle = group.Spawn("hopper", HopManyTimes(runtime.shard(1).executor(), 50));
    RunBlocking(here, OnShard(runtime.shard(1).executor(), ThreadId()));
    handle.Cancel();
  }
  RunBlocking(here, group.Join());

  EXPECT_EQ(group.size(), 0u);
}

}  // namespace
}  // namespace fetchd::runtime
