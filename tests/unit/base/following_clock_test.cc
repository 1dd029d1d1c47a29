#include "base/following_clock.h"

#include <gtest/gtest.h>

namespace fetchd {
namespace {

using namespace std::chrono_literals;

TEST(FollowingClockTest, TheWallClockIsTheOtherOnesAndSteadyTimeIsNot) {
  const RealClock real;
  FollowingClock clock;

  clock.SetAhead(-1h);

  EXPECT_LT(clock.WallNow(), real.WallNow() - 59min);
  EXPECT_LT(clock.Now() - real.Now(), 1min);
}

TEST(FollowingClockTest, AsGoodAsEqualIsEqual) {
  const RealClock real;
  FollowingClock clock;
  clock.SetAhead(1h);

  clock.SetAhead(FollowingClock::kAgreement / 2);

  const WallTime before = real.WallNow();
  const WallTime now = clock.WallNow();
  EXPECT_LE(before, now);
  EXPECT_LE(now, real.WallNow());
}

}  // namespace
}  // namespace fetchd
