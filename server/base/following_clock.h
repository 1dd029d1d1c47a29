// A clock that is set by another one.
#pragma once

#include <atomic>

#include "base/time.h"

namespace fetchd {

/// The machine's, but for a wall clock that follows another one. Thread-safe.
class FollowingClock final : public Clock {
 public:
  SteadyTime Now() const override { return real_.Now(); }
  WallTime WallNow() const override {
    return real_.WallNow() +
           std::chrono::duration_cast<WallTime::duration>(ahead_.load(std::memory_order_relaxed));
  }
  Task<void> SleepUntil(SteadyTime at) override { return real_.SleepUntil(at); }
  /// How far the other clock is ahead of the machine's. Less than kAgreement is no difference.
  void SetAhead(Duration ahead) {
    const bool agree = ahead < kAgreement && -ahead < kAgreement;
    ahead_.store(agree ? Duration::zero() : ahead, std::memory_order_relaxed);
  }
  static constexpr Duration kAgreement = std::chrono::milliseconds(200);

 private:
  RealClock real_;
  std::atomic<Duration> ahead_{Duration::zero()};
};

}  // namespace fetchd
