// A clock that the test moves.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <map>
#include <optional>

#include "base/time.h"

namespace fetchd::testing {

/// Time stands still until Advance(). Single-threaded: sleepers and Advance() are on one thread.
/// Sleepers end by waking or by cancellation before the clock is destroyed.
class ManualClock final : public Clock {
 public:
  ManualClock() = default;
  ManualClock(const ManualClock&) = delete;
  ManualClock& operator=(const ManualClock&) = delete;

  SteadyTime Now() const override { return now_; }
  WallTime WallNow() const override { return wall_now_; }
  Task<void> SleepUntil(SteadyTime at) override;

  /// Moves both times on and wakes, in order of their time, all sleepers that are now due. They run
  /// when the caller next runs their executor, so: clock.Advance(1s); io_context.poll();
  void Advance(Duration duration);

  /// The operator, or NTP, sets the wall clock; no sleeper notices.
  void SetWall(WallTime to) { wall_now_ = to; }
  /// What it would be had nobody set it.
  WallTime TrueWall() const {
    return kWallBegan + std::chrono::duration_cast<WallTime::duration>(now_ - kBegan);
  }

  std::size_t sleepers() const { return sleepers_.size(); }
  /// When the first sleeper is due; tests advance to it: clock.Advance(*clock.NextWakeAt() -
  /// clock.Now()).
  std::optional<SteadyTime> NextWakeAt() const;

 private:
  struct Sleeper;
  using Sleepers = std::multimap<SteadyTime, Sleeper*>;

  static constexpr SteadyTime kBegan = SteadyTime() + std::chrono::hours(1);
  static constexpr WallTime kWallBegan = WallTime() + std::chrono::hours(24 * 365 * 55);

  SteadyTime now_ = kBegan;
  WallTime wall_now_ = kWallBegan;
  Sleepers sleepers_;
};

}  // namespace fetchd::testing
