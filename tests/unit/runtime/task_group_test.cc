#include "runtime/task_group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/runtime.h"

namespace fetchd::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

Task<absl::Status> Return(absl::Status status) { co_return status; }

Task<absl::Status> Throw(std::string what) {
  throw std::runtime_error(what);
  co_return absl::OkStatus();
}

Task<absl::Status> ThrowAborted() {
  throw boost::system::system_error(asio::error::operation_aborted);
  co_return absl::OkStatus();
}

/// Ends only by cancellation; sets `*unwound` when its frame goes.
Task<absl::Status> WaitForever(bool* started, std::shared_ptr<bool> unwound) {
  const std::unique_ptr<bool, void (*)(bool*)> guard(unwound.get(),
                                                     [](bool* flag) { *flag = true; });
  *started = true;
  asio::steady_timer timer(co_await asio::this_coro::executor,
                           asio::steady_timer::time_point::max());
  co_await timer.async_wait(asio::use_awaitable);
  co_return absl::OkStatus();
}

class TaskGroupTest : public ::testing::Test {
 protected:
  TaskGroupTest()
      : group_(std::in_place, context_.get_executor(),
               [this](const std::string& name, const absl::Status& status) {
                 ended_.emplace_back(name, status.code());
                 last_ = status;
               }) {}
  ~TaskGroupTest() override { EXPECT_EQ(group_->size(), 0u); }

  void Poll() {
    context_.restart();
    context_.poll();
  }

  asio::io_context context_{1};
  std::vector<std::pair<std::string, absl::StatusCode>> ended_;
  absl::Status last_;
  std::optional<TaskGroup> group_;
  bool started_ = false;
  std::shared_ptr<bool> unwound_ = std::make_shared<bool>(false);
};

TEST_F(TaskGroupTest, TaskStartsOnTheExecutorNeverInsideSpawn) {
  bool started = false;
  asio::post(context_, [&] {
    group_->Spawn("late", WaitForever(&started, unwound_));
    EXPECT_FALSE(started);
  });
  Poll();
  EXPECT_TRUE(started);

  group_->Cancel();
  Poll();
}

TEST_F(TaskGroupTest, OutcomeIsWhatTheTaskReturned) {
  group_->Spawn("good", Return(absl::OkStatus()));
  group_->Spawn("bad", Return(absl::NotFoundError("gone")));
  EXPECT_EQ(group_->size(), 2u);

  Poll();
  EXPECT_THAT(ended_, ElementsAre(Pair("good", absl::StatusCode::kOk),
                                  Pair("bad", absl::StatusCode::kNotFound)));
  EXPECT_EQ(group_->size(), 0u);
}

TEST_F(TaskGroupTest, EscapedExceptionIsInternalAndSaysWhat) {
  group_->Spawn("thrower", Throw("boom"));
  Poll();

  EXPECT_THAT(ended_, ElementsAre(Pair("thrower", absl::StatusCode::kInternal)));
  EXPECT_THAT(std::string(last_.message()), HasSubstr("boom"));
}

TEST_F(TaskGroupTest, AbortedOperationWithoutCancellationIsInternal) {
  group_->Spawn("aborted", ThrowAborted());
  Poll();

  EXPECT_THAT(ended_, ElementsAre(Pair("aborted", absl::StatusCode::kInternal)));
}

TEST_F(TaskGroupTest, CancelUnwindsEveryTask) {
  bool other_started = false;
  group_->Spawn("a", WaitForever(&started_, unwound_));
  group_->Spawn("b", WaitForever(&other_started, std::make_shared<bool>(false)));
  Poll();
  EXPECT_THAT(ended_, IsEmpty());

  group_->Cancel();
  Poll();
  EXPECT_THAT(ended_, ::testing::UnorderedElementsAre(Pair("a", absl::StatusCode::kCancelled),
                                                      Pair("b", absl::StatusCode::kCancelled)));
  EXPECT_TRUE(*unwound_);
}

TEST_F(TaskGroupTest, HandleCancelsOnlyItsOwnTask) {
  bool other_started = false;
  const TaskHandle handle = group_->Spawn("mine", WaitForever(&started_, unwound_));
  group_->Spawn("other", WaitForever(&other_started, std::make_shared<bool>(false)));
  Poll();

  handle.Cancel();
  handle.Cancel();
  Poll();
  EXPECT_THAT(ended_, ElementsAre(Pair("mine", absl::StatusCode::kCancelled)));

  group_->Cancel();
  Poll();
  EXPECT_EQ(ended_.size(), 2u);
}

TEST_F(TaskGroupTest, HandleMayOutliveTheGroup) {
  const TaskHandle handle = group_->Spawn("short", Return(absl::OkStatus()));
  Poll();
  group_.emplace(context_.get_executor());

  handle.Cancel();
  TaskHandle().Cancel();
  Poll();
}

TEST_F(TaskGroupTest, TaskSpawnedAfterCancelStartsAndEndsAtItsFirstWait) {
  group_->Cancel();
  group_->Spawn("late", WaitForever(&started_, unwound_));
  Poll();

  EXPECT_TRUE(started_);
  EXPECT_TRUE(*unwound_);
  EXPECT_THAT(ended_, ElementsAre(Pair("late", absl::StatusCode::kCancelled)));
}

TEST_F(TaskGroupTest, HandleCancelledBeforeTheStartStillEndsTheTask) {
  group_->Spawn("early", WaitForever(&started_, unwound_)).Cancel();
  Poll();

  EXPECT_THAT(ended_, ElementsAre(Pair("early", absl::StatusCode::kCancelled)));
}

Task<absl::Status> JoinAndNote(TaskGroup* group, bool* joined) {
  co_await group->Join();
  *joined = true;
  co_return absl::OkStatus();
}

TEST_F(TaskGroupTest, JoinWaitsForTheLastTaskEvenOneSpawnedMeanwhile) {
  TaskGroup joiners(context_.get_executor());
  bool joined = false;
  const TaskHandle first = group_->Spawn("first", WaitForever(&started_, unwound_));
  joiners.Spawn("joiner", JoinAndNote(&*group_, &joined));
  Poll();

  group_->Spawn("second", WaitForever(&started_, unwound_));
  first.Cancel();
  Poll();
  EXPECT_FALSE(joined);

  group_->Cancel();
  Poll();
  EXPECT_TRUE(joined);
  EXPECT_EQ(joiners.size(), 0u);
}

TEST_F(TaskGroupTest, CancelledJoinerStillWaits) {
  TaskGroup joiners(context_.get_executor());
  bool joined = false;
  group_->Spawn("worker", WaitForever(&started_, unwound_));
  joiners.Spawn("joiner", JoinAndNote(&*group_, &joined));
  Poll();

  joiners.Cancel();
  Poll();
  EXPECT_FALSE(joined);

  group_->Cancel();
  Poll();
  EXPECT_TRUE(joined);
}

TEST(TaskGroupThreadsTest, SpawnAndCancelFromOtherThreads) {
  constexpr int kThreads = 4;
  constexpr int kTasks = 250;
  Runtime runtime({.shards = 1, .blocking_threads = 1});
  std::atomic<int> cancelled{0};
  TaskGroup group(runtime.shard(0).executor(), [&](const std::string&, const absl::Status& status) {
    cancelled += status.code() == absl::StatusCode::kCancelled;
  });
  std::latch begin(kThreads);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        begin.arrive_and_wait();
        for (int i = 0; i < kTasks; ++i) {
          auto flag = std::make_shared<bool>(false);
          group.Spawn("task", WaitForever(flag.get(), flag)).Cancel();
        }
      });
    }
  }
  RunBlocking(runtime.shard(0).executor(), group.Join());

  EXPECT_EQ(cancelled, kThreads * kTasks);
}

}  // namespace
}  // namespace fetchd::runtime
