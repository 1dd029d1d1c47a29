#include "cli/interrupt.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "cli/errors.h"

namespace fetchd::cli {
namespace {

[[noreturn]] void EndBySecondSignal(bool with_last_act, bool taken_back) {
  Interrupt interrupt;
  const SignalWatcher signals(interrupt);
  if (with_last_act) interrupt.SetLastAct([] { std::fputs("put right\n", stderr); });
  if (taken_back) interrupt.SetLastAct({});
  kill(getpid(), SIGINT);
  while (!interrupt.WaitFor(std::chrono::hours(1))) {
  }
  std::fputs("cancelled, ", stderr);
  kill(getpid(), SIGINT);
  for (;;) pause();
}

class InterruptDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; }
  const ::testing::ExitedWithCode ends_{static_cast<int>(ExitCode::kInterrupted)};
};

TEST_F(InterruptDeathTest, SecondSignalPutsRightWhatHasToBe) {
  EXPECT_EXIT(EndBySecondSignal(true, false), ends_, "cancelled, put right");
}

TEST_F(InterruptDeathTest, WhatIsRightAgainIsLeftAlone) {
  EXPECT_EXIT(EndBySecondSignal(true, true), ends_, "cancelled, $");
}

TEST_F(InterruptDeathTest, SecondSignalEndsWithoutAnythingToPutRight) {
  EXPECT_EXIT(EndBySecondSignal(false, false), ends_, "cancelled, $");
}

}  // namespace
}  // namespace fetchd::cli
