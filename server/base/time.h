// Time: the one seam through which anything looks at a clock or waits.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "base/task.h"

namespace fetchd {

using Duration = std::chrono::nanoseconds;
using SteadyTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

/// Source of time and of timed waits. RealClock is thread-safe; ManualClock (tests/support) is not.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SteadyTime Now() const = 0;    ///< For deadlines and intervals.
  virtual WallTime WallNow() const = 0;  ///< For stored stamps; never subtract two of these.
  /// Completes once Now() >= at, on the caller's executor. A cancelled task throws at once.
  virtual Task<void> SleepUntil(SteadyTime at) = 0;

  Task<void> SleepFor(Duration duration) { return SleepUntil(Now() + duration); }
};

class RealClock final : public Clock {
 public:
  SteadyTime Now() const override { return std::chrono::steady_clock::now(); }
  WallTime WallNow() const override { return std::chrono::system_clock::now(); }
  Task<void> SleepUntil(SteadyTime at) override;
};

/// A point after which nobody waits any more. A callee may only shorten the one it is given.
class Deadline {
 public:
  constexpr Deadline() = default;  ///< Never.
  static constexpr Deadline Never() { return Deadline(); }
  static constexpr Deadline At(SteadyTime at) { return Deadline(at); }
  /// Saturates at Never(), so that "after 10^9 years" does not overflow.
  static constexpr Deadline After(SteadyTime now, Duration timeout) {
    return timeout >= SteadyTime::max() - now ? Never() : Deadline(now + timeout);
  }
  static Deadline After(const Clock& clock, Duration timeout) {
    return After(clock.Now(), timeout);
  }

  constexpr Deadline Min(Deadline other) const { return other.at_ < at_ ? other : *this; }
  constexpr bool IsNever() const { return at_ == SteadyTime::max(); }
  constexpr bool Passed(SteadyTime now) const { return at_ <= now; }
  bool Passed(const Clock& clock) const { return Passed(clock.Now()); }
  constexpr SteadyTime at() const { return at_; }

 private:
  constexpr explicit Deadline(SteadyTime at) : at_(at) {}
  SteadyTime at_ = SteadyTime::max();
};

/// Runs `op`; when `deadline` passes first, cancels it and returns DEADLINE_EXCEEDED(what).
/// Costs a timer: for rare waits. Socket phases share one http watchdog a connection instead.
template <typename T>
Task<absl::StatusOr<T>> WithDeadline(Clock& clock, Deadline deadline, std::string what,
                                     Task<absl::StatusOr<T>> op) {
  if (deadline.IsNever()) co_return co_await std::move(op);
  std::optional<absl::StatusOr<T>> result;
  const std::size_t first =
      co_await FirstOf(KeepIn(result, std::move(op)), clock.SleepUntil(deadline.at()));
  if (first == 1) co_return absl::DeadlineExceededError(what);
  co_return *std::move(result);
}

}  // namespace fetchd
