#include "app/drain_controller.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <thread>

namespace fetchd::app {
namespace {

using namespace std::chrono_literals;

TEST(DrainControllerTest, TheFirstCallSetsTheDeadline) {
  RealClock clock;
  runtime::DrainSignal signal;
  DrainController drain(clock, 1h, signal);

  const SteadyTime first = drain.Begin(2h);

  EXPECT_TRUE(signal.draining());
  EXPECT_GT(first, clock.Now() + 90min);
  EXPECT_EQ(drain.Begin(std::nullopt), first);
  EXPECT_EQ(drain.Wait(), first);
}

TEST(DrainControllerTest, TheDefaultGraceHoldsElse) {
  RealClock clock;
  runtime::DrainSignal signal;
  DrainController drain(clock, 1h, signal);

  EXPECT_LE(drain.Begin(std::nullopt), clock.Now() + 1h);
}

TEST(DrainControllerTest, WaitEndsWhenAnotherThreadBegins) {
  RealClock clock;
  runtime::DrainSignal signal;
  DrainController drain(clock, 0s, signal);

  std::jthread beginner([&drain] { drain.Begin(std::nullopt); });

  EXPECT_LE(drain.Wait(), clock.Now());
  EXPECT_TRUE(signal.draining());
}

}  // namespace
}  // namespace fetchd::app
