#include "fetch/attempt_clock.h"

#include <gtest/gtest.h>

#include "support/manual_clock.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;

class AttemptClockTest : public ::testing::Test {
 protected:
  void BeginHop() { hops_.emplace_back().begun_at = real_.Now(); }
  void Serve() { hops_.back().served_at = real_.Now(); }
  Duration Elapsed() const { return clock_.Now() - SteadyTime(); }

  testing::ManualClock real_;
  std::vector<http::ExchangeRecord> hops_;
  AttemptClock clock_{real_, hops_};
};

TEST_F(AttemptClockTest, BeginsWithTheFirstConnection) {
  real_.Advance(1s);
  BeginHop();
  real_.Advance(1s);
  EXPECT_EQ(Elapsed(), 0s);

  Serve();
  real_.Advance(3s);
  EXPECT_EQ(Elapsed(), 3s);
}

TEST_F(AttemptClockTest, StandsStillWhileALaterHopWaitsForAPlace) {
  BeginHop();
  Serve();
  real_.Advance(3s);
  BeginHop();
  real_.Advance(10s);
  EXPECT_EQ(Elapsed(), 3s);

  Serve();
  real_.Advance(4s);
  EXPECT_EQ(Elapsed(), 7s);
}

TEST_F(AttemptClockTest, StandsStillWhileABodyWaitsForTheMemoryOfItsDecoders) {
  BeginHop();
  Serve();
  real_.Advance(3s);
  hops_.back().memory_wait_since = real_.Now();
  real_.Advance(10s);
  EXPECT_EQ(Elapsed(), 3s);

  hops_.back().memory_wait_since.reset();
  hops_.back().memory_wait = 10s;
  real_.Advance(4s);
  EXPECT_EQ(Elapsed(), 7s);
}

TEST_F(AttemptClockTest, StandsStillWhileItIsPaused) {
  BeginHop();
  Serve();
  real_.Advance(1s);
  {
    const AttemptClock::Pause pause(clock_);
    real_.Advance(10s);
    EXPECT_EQ(Elapsed(), 1s);
  }
  real_.Advance(2s);

  EXPECT_EQ(Elapsed(), 3s);
}

}  // namespace
}  // namespace fetchd::fetch
