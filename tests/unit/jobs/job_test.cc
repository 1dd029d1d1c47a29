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

}  // namespace
}  // namespace fetchd::jobs
