#include "jobs/fair_turns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace fetchd::jobs {
namespace {

using Weights = std::map<std::string, double>;

/// Gives `turns` turns to those who want them; returns how many each took.
std::map<std::string, int> Give(FairTurns& fair, int turns, const Weights& wanting) {
  std::map<std::string, int> taken;
  for (int i = 0; i < turns; ++i) {
    const auto next = std::ranges::min_element(
        wanting, {}, [&fair](const auto& tenant) { return fair.TagOf(tenant.first); });
    fair.Take(next->first, next->second);
    ++taken[next->first];
  }
  return taken;
}

TEST(FairTurnsTest, EqualsTakeEqualTurns) {
  FairTurns fair;

  EXPECT_EQ(Give(fair, 300, {{"a", 1}, {"b", 1}, {"c", 1}}),
            (std::map<std::string, int>{{"a", 100}, {"b", 100}, {"c", 100}}));
}

TEST(FairTurnsTest, AWeightIsAShare) {
  FairTurns fair;

  EXPECT_EQ(Give(fair, 400, {{"heavy", 3}, {"light", 1}}),
            (std::map<std::string, int>{{"heavy", 300}, {"light", 100}}));
}

TEST(FairTurnsTest, OneAloneGetsAllAndOwesNothingForIt) {
  FairTurns fair;
  Give(fair, 1000, {{"busy", 1}});

  EXPECT_EQ(Give(fair, 10, {{"busy", 1}, {"late", 1}}),
            (std::map<std::string, int>{{"busy", 5}, {"late", 5}}));
}

TEST(FairTurnsTest, WhoWantedNothingSavedNothingUp) {
  FairTurns fair;
  Give(fair, 1, {{"idle", 1}});
  Give(fair, 1000, {{"busy", 1}});

  EXPECT_EQ(Give(fair, 10, {{"busy", 1}, {"idle", 1}})["idle"], 5);
}

TEST(FairTurnsTest, AVerySmallWeightStillGetsItsTurn) {
  FairTurns fair;

  EXPECT_EQ(Give(fair, 1010, {{"large", 1}, {"small", 0.01}})["small"], 10);
}

TEST(FairTurnsTest, ForgetsThoseWhoAreNotAhead) {
  FairTurns fair;
  for (int i = 0; i < 1000; ++i) Give(fair, 1, {{"tenant" + std::to_string(i), 1}});
  Give(fair, 3, {{"busy", 1}});
  fair.Tidy();

  EXPECT_LE(fair.size(), 1u);
}

}  // namespace
}  // namespace fetchd::jobs
