#include "base/time.h"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <new>

#include "support/manual_clock.h"

namespace fetchd {
namespace {

using namespace std::chrono_literals;
using StatusOrInt = absl::StatusOr<int>;

Task<StatusOrInt> SleepThenReturn(Clock& clock, Duration duration, int value) {
  co_await clock.SleepFor(duration);
  co_return value;
}

Task<StatusOrInt> Return(int value) { co_return value; }

class TimeTest : public ::testing::Test {
 protected:
  // Starts `task`; its end is seen in ended_, result_ and thrown_.
  void Start(Task<StatusOrInt> task) {
    asio::co_spawn(io_, std::move(task),
                   asio::bind_cancellation_slot(
                       cancel_.slot(), [this](std::exception_ptr thrown, StatusOrInt result) {
                         ended_ = true;
                         thrown_ = thrown;
                         result_ = std::move(result);
                       }));
    io_.poll();
  }
  void Pass(Duration duration) {
    clock_.Advance(duration);
    io_.restart();
    io_.poll();
  }
  void Cancel() {
    cancel_.emit(asio::cancellation_type::terminal);
    io_.restart();
    io_.poll();
  }
  void ExpectAborted() {
    ASSERT_TRUE(thrown_);
    try {
      std::rethrow_exception(thrown_);
    } catch (const boost::system::system_error& error) {
      EXPECT_EQ(error.code(), asio::error::operation_aborted);
    }
  }

  asio::io_context io_{1};
  asio::cancellation_signal cancel_;
  testing::ManualClock clock_;
  bool ended_ = false;
  std::exception_ptr thrown_;
  StatusOrInt result_ = 0;
};

TEST_F(TimeTest, SleeperWakesWhenItsTimeHasComeAndNotBefore) {
  Start(SleepThenReturn(clock_, 2s, 7));
  EXPECT_EQ(clock_.sleepers(), 1U);
  EXPECT_EQ(clock_.NextWakeAt(), clock_.Now() + 2s);
  Pass(2s - 1ns);
  EXPECT_FALSE(ended_);
  Pass(1ns);
  EXPECT_TRUE(ended_);
  EXPECT_EQ(*result_, 7);
  EXPECT_EQ(clock_.sleepers(), 0U);
}

TEST_F(TimeTest, SleepIntoThePastEndsAtOnce) {
  Start(SleepThenReturn(clock_, -1s, 7));
  EXPECT_TRUE(ended_);
}

TEST_F(TimeTest, CancelledSleeperThrowsAndLeavesTheClock) {
  Start(SleepThenReturn(clock_, 2s, 7));
  Cancel();
  EXPECT_TRUE(ended_);
  ExpectAborted();
  EXPECT_EQ(clock_.sleepers(), 0U);
}

TEST_F(TimeTest, BothTimesAdvanceTogether) {
  const SteadyTime steady = clock_.Now();
  const WallTime wall = clock_.WallNow();
  Pass(90s);
  EXPECT_EQ(clock_.Now() - steady, 90s);
  EXPECT_EQ(clock_.WallNow() - wall, 90s);
}

TEST_F(TimeTest, WithDeadlineGivesTheResultThatCameInTime) {
  Start(WithDeadline(clock_, Deadline::After(clock_, 2s), "op", SleepThenReturn(clock_, 1s, 7)));
  Pass(1s);
  ASSERT_TRUE(ended_);
  EXPECT_EQ(*result_, 7);
  EXPECT_EQ(clock_.sleepers(), 0U);
}

TEST_F(TimeTest, WithDeadlineNamesWhatTookTooLong) {
  Start(WithDeadline(clock_, Deadline::After(clock_, 1s), "op", SleepThenReturn(clock_, 2s, 7)));
  Pass(1s);
  ASSERT_TRUE(ended_);
  EXPECT_EQ(result_.status(), absl::DeadlineExceededError("op"));
  EXPECT_EQ(clock_.sleepers(), 0U);
}

Task<StatusOrInt> Throw(Clock& clock, Duration after) {
  co_await clock.SleepFor(after);
  throw std::bad_alloc();
}

TEST_F(TimeTest, WithDeadlineEndsWithWhatIsThrown) {
  Start(WithDeadline(clock_, Deadline::After(clock_, 9s), "op", Throw(clock_, 1s)));
  Pass(1s);
  ASSERT_TRUE(ended_);
  EXPECT_THROW(std::rethrow_exception(thrown_), std::bad_alloc);
  EXPECT_EQ(clock_.sleepers(), 0U);
}

TEST_F(TimeTest, WithDeadlineNeverNeedsNoTimer) {
  Start(WithDeadline(clock_, Deadline::Never(), "op", Return(7)));
  ASSERT_TRUE(ended_);
  EXPECT_EQ(*result_, 7);
}

TEST_F(TimeTest, CancellingWithDeadlineLooksLikeAnyCancellation) {
  Start(WithDeadline(clock_, Deadline::After(clock_, 2s), "op", SleepThenReturn(clock_, 1s, 7)));
  Cancel();
  ASSERT_TRUE(ended_);
  ExpectAborted();
}

TEST_F(TimeTest, RealClockSleepsAtLeastAsLongAsAsked) {
  RealClock clock;
  const SteadyTime before = clock.Now();
  Start(SleepThenReturn(clock, 2ms, 7));
  io_.restart();
  io_.run();
  EXPECT_TRUE(ended_);
  EXPECT_GE(clock.Now() - before, 2ms);
}

TEST_F(TimeTest, RealClockSleepIsCancelled) {
  RealClock clock;
  Start(SleepThenReturn(clock, 1h, 7));
  Cancel();
  ASSERT_TRUE(ended_);
  ExpectAborted();
}

TEST(DeadlineTest, NeverIsTheLatestAndMinShortens) {
  const SteadyTime now = SteadyTime() + 1h;
  EXPECT_TRUE(Deadline().IsNever());
  EXPECT_FALSE(Deadline::Never().Passed(now));
  EXPECT_TRUE(Deadline::At(now).Passed(now));
  EXPECT_FALSE(Deadline::At(now + 1ns).Passed(now));
  EXPECT_EQ(Deadline::Never().Min(Deadline::At(now)).at(), now);
  EXPECT_EQ(Deadline::At(now).Min(Deadline::At(now + 1s)).at(), now);
}

TEST(DeadlineTest, HugeTimeoutsSaturate) {
  const SteadyTime now = SteadyTime() + 1h;
  EXPECT_TRUE(Deadline::After(now, Duration::max()).IsNever());
  EXPECT_EQ(Deadline::After(now, 1s).at(), now + 1s);
}

}  // namespace
}  // namespace fetchd
