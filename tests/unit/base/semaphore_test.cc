#include "base/semaphore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/manual_clock.h"

namespace fetchd {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;
using StatusOrPermit = absl::StatusOr<Permit>;

class SemaphoreTest : public ::testing::Test {
 protected:
  // Starts a task that asks for `count`. Its end is noted in ended_: "<name>", "<name>:
  // DEADLINE_EXCEEDED", ...
  void Ask(const std::string& name, std::uint64_t count, Deadline deadline = Deadline::Never()) {
    asio::co_spawn(
        io_, semaphore_.Acquire(count, clock_, deadline, "permits"),
        asio::bind_cancellation_slot(
            cancel_[name].slot(), [this, name](std::exception_ptr thrown, StatusOrPermit permit) {
              Note(name, thrown, std::move(permit));
            }));
    Poll();
  }
  void Note(const std::string& name, std::exception_ptr thrown, StatusOrPermit permit) {
    if (thrown) {
      ended_.push_back(name + ": cancelled");
    } else if (!permit.ok()) {
      ended_.push_back(name + ": " + absl::StatusCodeToString(permit.status().code()));
    } else {
      ended_.push_back(name);
      held_[name] = *std::move(permit);
    }
  }
  // Reaches the task at once only when called in the event loop: co_spawn dispatches signals there.
  void EmitCancel(const std::string& name) {
    cancel_[name].emit(asio::cancellation_type::terminal);
  }
  void Cancel(const std::string& name) {
    InLoop([this, name] { EmitCancel(name); });
  }
  // Nothing else of the loop runs during `step`.
  void InLoop(std::function<void()> step) {
    asio::post(io_, std::move(step));
    Poll();
  }
  void Release(const std::string& name) {
    held_.erase(name);
    Poll();
  }
  void Poll() {
    io_.restart();
    io_.poll();
  }

  asio::io_context io_{1};
  testing::ManualClock clock_;
  std::map<std::string, asio::cancellation_signal> cancel_;
  Semaphore semaphore_{4};
  std::map<std::string, Permit> held_;
  std::vector<std::string> ended_;
};

TEST_F(SemaphoreTest, GrantsWithoutWaitingWhileThereIsRoom) {
  Ask("a", 3);
  Ask("b", 1);
  EXPECT_THAT(ended_, ElementsAre("a", "b"));
  EXPECT_EQ(semaphore_.in_use(), 4U);
  EXPECT_EQ(semaphore_.waiting(), 0U);
}

TEST_F(SemaphoreTest, ServesFirstComeFirst) {
  Ask("all", 4);
  Ask("a", 2);
  Ask("b", 2);
  Ask("c", 2);
  EXPECT_EQ(semaphore_.waiting(), 3U);
  Release("all");
  EXPECT_THAT(ended_, ElementsAre("all", "a", "b"));
  Release("a");
  EXPECT_THAT(ended_, ElementsAre("all", "a", "b", "c"));
}

TEST_F(SemaphoreTest, SmallRequestDoesNotOvertakeALargeOne) {
  Ask("one", 1);
  Ask("large", 4);
  Ask("small", 1);
  EXPECT_THAT(ended_, ElementsAre("one"));
  EXPECT_FALSE(semaphore_.TryAcquire(1));
  Release("one");
  EXPECT_THAT(ended_, ElementsAre("one", "large"));
  Release("large");
  EXPECT_THAT(ended_, ElementsAre("one", "large", "small"));
}

TEST_F(SemaphoreTest, CancellingALargeHeadLetsSmallOnesThrough) {
  Ask("one", 1);
  Ask("large", 4);
  Ask("small", 1);
  Cancel("large");
  EXPECT_THAT(ended_, ElementsAre("one", "large: cancelled", "small"));
}

TEST_F(SemaphoreTest, TimedOutHeadLetsSmallOnesThrough) {
  Ask("one", 1);
  Ask("large", 4, Deadline::After(clock_, 1s));
  Ask("small", 1, Deadline::After(clock_, 2s));
  clock_.Advance(1s);
  Poll();
  EXPECT_THAT(ended_, ElementsAre("one", "large: DEADLINE_EXCEEDED", "small"));
  EXPECT_EQ(clock_.sleepers(), 0U);
}

TEST_F(SemaphoreTest, CancelledWaiterLeavesTheQueue) {
  Ask("all", 4);
  Ask("a", 1);
  Ask("b", 1);
  Cancel("a");
  EXPECT_EQ(semaphore_.waiting(), 1U);
  Release("all");
  EXPECT_THAT(ended_, ElementsAre("all", "a: cancelled", "b"));
}

TEST_F(SemaphoreTest, PermitGrantedJustBeforeCancellationIsNotLost) {
  Ask("all", 4);
  Ask("a", 4, Deadline::After(clock_, 1s));
  Ask("b", 4);
  InLoop([this] {
    held_.clear();  // Grants to "a", which has not run yet.
    EmitCancel("a");
  });
  held_.erase("a");  // Whether it was told or not: nothing is lost.
  Poll();
  EXPECT_EQ(ended_.back(), "b");
  EXPECT_EQ(semaphore_.in_use(), 4U);
}

TEST_F(SemaphoreTest, PermitGrantedJustAfterCancellationGoesToTheNext) {
  Ask("all", 4);
  Ask("a", 4);
  Ask("b", 4);
  InLoop([this] {
    EmitCancel("a");
    held_.clear();
  });
  EXPECT_THAT(ended_, ElementsAre("all", "a: cancelled", "b"));
}

TEST_F(SemaphoreTest, PermitGrantedAtTheDeadlineIsNotLost) {
  for (const bool grant_first : {true, false}) {
    Ask("all", 4);
    Ask("a", 4, Deadline::After(clock_, 1s));
    if (grant_first) held_.clear();
    clock_.Advance(1s);
    if (!grant_first) held_.clear();
    Poll();
    held_.clear();
    EXPECT_EQ(semaphore_.in_use(), 0U);
    EXPECT_EQ(semaphore_.waiting(), 0U);
  }
}

TEST_F(SemaphoreTest, PassedDeadlineStillTakesWhatIsFreeButDoesNotWait) {
  Ask("free", 4, Deadline::At(clock_.Now()));
  Ask("late", 1, Deadline::At(clock_.Now()));
  EXPECT_THAT(ended_, ElementsAre("free", "late: DEADLINE_EXCEEDED"));
}

TEST_F(SemaphoreTest, MoreThanCapacityIsInvalid) {
  Ask("a", 5);
  EXPECT_THAT(ended_, ElementsAre("a: INVALID_ARGUMENT"));
}

TEST_F(SemaphoreTest, PeakIsTheHighestUse) {
  {
    const Permit a = semaphore_.TryAcquire(2);
    const Permit b = semaphore_.TryAcquire(1);
  }
  const Permit c = semaphore_.TryAcquire(1);
  EXPECT_EQ(semaphore_.peak(), 3U);
  EXPECT_EQ(semaphore_.in_use(), 1U);
  EXPECT_EQ(semaphore_.capacity(), 4U);
}

TEST_F(SemaphoreTest, MovedPermitIsReturnedOnce) {
  Permit a = semaphore_.TryAcquire(3);
  Permit b = std::move(a);
  EXPECT_EQ(b.count(), 3U);
  a = semaphore_.TryAcquire(1);
  a = std::move(b);
  EXPECT_EQ(semaphore_.in_use(), 3U);
  a.Release();
  a.Release();
  EXPECT_EQ(semaphore_.in_use(), 0U);
}

TEST_F(SemaphoreTest, WaiterResumesOnItsOwnThread) {
  Ask("all", 4);
  std::thread::id resumed_on;
  std::thread::id other_id;
  asio::co_spawn(
      io_, semaphore_.Acquire(1, clock_, Deadline::Never(), "permits"),
      [&](std::exception_ptr, StatusOrPermit) { resumed_on = std::this_thread::get_id(); });
  Poll();
  std::thread([&] {
    other_id = std::this_thread::get_id();
    held_.clear();
  }).join();
  Poll();
  EXPECT_EQ(resumed_on, std::this_thread::get_id());
  EXPECT_NE(resumed_on, other_id);
}

TEST(SemaphoreDeathTest, OutstandingPermitAtTheEndIsABug) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        Permit permit;
        Semaphore semaphore(1);
        permit = semaphore.TryAcquire(1);
      },
      "in_use == 0");
}

// Runs one scripted interleaving of three waiters with grants, cancellations and time, drawn from
// `seed`.
TEST_F(SemaphoreTest, NoInterleavingOfGrantCancelAndDeadlineLosesAPermit) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    ended_.clear();
    cancel_.clear();
    Ask("all", 4);
    for (const char* name : {"a", "b", "c"}) {
      const bool timed = random() % 2 == 0;
      Ask(name, 1 + random() % 4, timed ? Deadline::After(clock_, 1s) : Deadline::Never());
    }
    for (int step = 0; step < 8; ++step) {
      switch (random() % 5) {
        case 0:
          asio::post(io_, [this, name = std::string(1, static_cast<char>('a' + random() % 3))] {
            EmitCancel(name);
          });
          break;
        case 1:
          clock_.Advance(1s);
          break;
        case 2:
          held_.clear();
          break;
        default:
          io_.restart();
          io_.poll_one();
      }
    }
    for (const char* name : {"a", "b", "c"}) {
      Poll();
      held_.clear();
      EmitCancel(name);
    }
    Poll();
    held_.clear();
    Poll();
    held_.clear();
    ASSERT_EQ(ended_.size(), 4U) << "seed " << seed;
    ASSERT_EQ(semaphore_.in_use(), 0U) << "seed " << seed;
    ASSERT_EQ(semaphore_.waiting(), 0U) << "seed " << seed;
    ASSERT_EQ(clock_.sleepers(), 0U) << "seed " << seed;
  }
}

// One event loop in one thread, as a shard has.
class Loop {
 public:
  Loop() : work_(asio::make_work_guard(io_)), thread_([this] { io_.run(); }) {}
  ~Loop() { thread_.join(); }
  asio::io_context& io() { return io_; }
  void Finish() { work_.reset(); }

 private:
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::jthread thread_;
};

struct Usage {
  std::atomic<std::uint64_t> now = 0;
  std::atomic<std::uint64_t> max = 0;
  std::atomic<int> grants = 0;
  std::atomic<int> refusals = 0;
};

/// Counts units while they are in use. A cancelled user leaves by an exception.
class UnitsInUse {
 public:
  UnitsInUse(Usage& usage, std::uint64_t count) : usage_(usage), count_(count) {
    const std::uint64_t now = usage_.now += count_;
    for (std::uint64_t max = usage_.max;
         now > max && !usage_.max.compare_exchange_weak(max, now);) {
    }
  }
  UnitsInUse(const UnitsInUse&) = delete;
  UnitsInUse& operator=(const UnitsInUse&) = delete;
  ~UnitsInUse() { usage_.now -= count_; }

 private:
  Usage& usage_;
  const std::uint64_t count_;
};

Task<void> AcquireRepeatedly(Semaphore& semaphore, Clock& clock, Usage& usage, unsigned seed) {
  std::mt19937 random(seed);
  for (int i = 0; i < 300; ++i) {
    const std::uint64_t count = 1 + random() % 4;
    const bool hurried = random() % 4 == 0;
    const Deadline deadline = hurried ? Deadline::After(clock, 20us) : Deadline::Never();
    const auto permit = co_await semaphore.Acquire(count, clock, deadline, "permits");
    if (!permit.ok()) {
      ++usage.refusals;
      continue;
    }
    ++usage.grants;
    const UnitsInUse in_use(usage, count);
    co_await asio::post(asio::use_awaitable);
  }
}

TEST(SemaphoreThreadsTest, NeverExceedsCapacityAndEndsEmpty) {
  RealClock clock;
  Semaphore semaphore(6);
  Usage usage;
  std::atomic<int> cancelled = 0;
  {
    std::deque<asio::cancellation_signal> signals;
    std::deque<Loop> loops(3);  // Joined first.
    for (unsigned task = 0; task < 24; ++task) {
      asio::io_context& io = loops[task % loops.size()].io();
      asio::cancellation_signal& signal = signals.emplace_back();
      asio::co_spawn(io, AcquireRepeatedly(semaphore, clock, usage, task),
                     asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr thrown) {
                       if (thrown) ++cancelled;
                     }));
      // A third of the tasks is cancelled at some moment, from its own thread.
      if (task % 3 == 0) {
        asio::post(io, [&signal] { signal.emit(asio::cancellation_type::terminal); });
      }
    }
    for (Loop& loop : loops) loop.Finish();
  }
  EXPECT_EQ(semaphore.in_use(), 0U);
  EXPECT_EQ(semaphore.waiting(), 0U);
  EXPECT_LE(usage.max, 6U);
  EXPECT_LE(semaphore.peak(), 6U);
  EXPECT_GE(usage.grants + usage.refusals, 16 * 300);
}

}  // namespace
}  // namespace fetchd
