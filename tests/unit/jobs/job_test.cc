#include "jobs/job.h"

#include <gtest/gtest.h>

namespace fetchd::jobs {
namespace {

TEST(JobStateTest, EveryStateHasANameThatParsesBack) {
  for (const State state : {State::kQueued, State::kRunning, State::kWaiting, State::kInterrupted,
                            State::kSucceeded, State::kFailed, State::kCancelled}) {
    EXPECT_EQ(ParseState(StateName(state)), state) << StateName(state);
  }
  EXPECT_STREQ(StateName(State::kQueued), "QUEUED");
}

TEST(JobStateTest, OtherNamesDoNotParse) {
  EXPECT_EQ(ParseState("queued"), std::nullopt);
  EXPECT_EQ(ParseState(""), std::nullopt);
}

TEST(JobStateTest, OnlyEndedStatesAreTerminal) {
  EXPECT_TRUE(IsTerminal(State::kSucceeded));
  EXPECT_TRUE(IsTerminal(State::kFailed));
  EXPECT_TRUE(IsTerminal(State::kCancelled));
  EXPECT_FALSE(IsTerminal(State::kQueued));
  EXPECT_FALSE(IsTerminal(State::kRunning));
  EXPECT_FALSE(IsTerminal(State::kWaiting));
  EXPECT_FALSE(IsTerminal(State::kInterrupted));
}

TEST(TenantNameTest, IsOfFewCharacters) {
  for (const char* name : {"a", "0", "default", "team-7_b.example"}) {
    EXPECT_TRUE(IsTenantName(name)) << name;
  }
  EXPECT_TRUE(IsTenantName(std::string(63, 'a')));
  for (const char* name : {"", "A", "-a", ".a", "a b", "a/b", "*", "\xc3\xa9"}) {
    EXPECT_FALSE(IsTenantName(name)) << name;
  }
  EXPECT_FALSE(IsTenantName(std::string(64, 'a')));
}

}  // namespace
}  // namespace fetchd::jobs
