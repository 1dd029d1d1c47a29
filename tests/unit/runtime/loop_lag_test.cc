#include "runtime/loop_lag.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <chrono>
#include <thread>

namespace fetchd::runtime {
namespace {

using std::chrono::milliseconds;

/// Time that passes only in sleeps; each ends `late` after its time. Thread-safe for one sleeper.
class LateClock final : public Clock {
 public:
  SteadyTime Now() const override { return SteadyTime(Duration(now_.load())); }
  WallTime WallNow() const override { return WallTime(); }
  Task<void> SleepUntil(SteadyTime at) override {
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    now_ = std::max(Now(), at + Duration(late_.load())).time_since_epoch().count();
    ++sleeps_;
  }
  void SetLate(Duration late) { late_ = late.count(); }
  void AwaitSleeps(int count) const {
    for (const int until = sleeps_ + count; sleeps_ < until;) std::this_thread::yield();
  }

 private:
  std::atomic<Duration::rep> now_{0};
  std::atomic<Duration::rep> late_{0};
  std::atomic<int> sleeps_{0};
};

TEST(LoopLagMonitorTest, ReportsLastAndPeakAndForgetsThePeakAfterAMinute) {
  LateClock clock;
  clock.SetLate(milliseconds(40));
  Runtime runtime({.shards = 1, .blocking_threads = 1});
  LoopLagMonitor monitor(runtime, clock, milliseconds(250));
  clock.AwaitSleeps(3);
  ASSERT_EQ(monitor.Read().size(), 1u);
  EXPECT_EQ(monitor.Read()[0].last, milliseconds(40));
  EXPECT_EQ(monitor.Read()[0].peak, milliseconds(40));

  clock.SetLate(milliseconds(5));
  clock.AwaitSleeps(2 * 60 * 4);  // Two minutes of intervals.
  EXPECT_EQ(monitor.Read()[0].last, milliseconds(5));
  EXPECT_EQ(monitor.Read()[0].peak, milliseconds(5));

  monitor.Stop();
  monitor.Stop();
}

TEST(LoopLagMonitorTest, DestructionStopsItOnEveryShard) {
  RealClock clock;
  Runtime runtime({.shards = 2, .blocking_threads = 1});
  const LoopLagMonitor monitor(runtime, clock);

  EXPECT_EQ(monitor.Read().size(), 2u);
}

}  // namespace
}  // namespace fetchd::runtime
