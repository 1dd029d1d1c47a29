#include "runtime/drain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace fetchd::runtime {
namespace {

using ::testing::ElementsAre;

TEST(DrainSignalTest, TellsEveryListenerOnceWithTheFirstDeadline) {
  DrainSignal drain;
  std::vector<SteadyTime> told;
  for (int i = 0; i < 2; ++i) {
    drain.OnDrain([&told](SteadyTime deadline) { told.push_back(deadline); });
  }
  EXPECT_FALSE(drain.draining());

  const SteadyTime first{std::chrono::seconds(1)};
  EXPECT_TRUE(drain.Begin(first));
  EXPECT_FALSE(drain.Begin(SteadyTime{std::chrono::seconds(2)}));

  EXPECT_TRUE(drain.draining());
  EXPECT_THAT(told, ElementsAre(first, first));
}

TEST(DrainSignalTest, ListenerMayLookAtTheSignal) {
  DrainSignal drain;
  bool seen = false;
  drain.OnDrain([&](SteadyTime deadline) { seen = drain.draining() && !drain.Begin(deadline); });

  drain.Begin(SteadyTime{});

  EXPECT_TRUE(seen);
}

}  // namespace
}  // namespace fetchd::runtime
