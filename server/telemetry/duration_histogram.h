// How many waits were how long.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace fetchd::telemetry {

/// Counts durations by their size; all of the process in the same buckets. Written and read by any
/// thread without a lock: a reader may see one observation in its bucket and not yet in the sum.
class DurationHistogram {
 public:
  /// Upper bounds of the buckets, in seconds, inclusive; one more bucket takes what is longer.
  static constexpr std::array<double, 15> kBounds = {
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};

  /// What had been observed at one time.
  struct Snapshot {
    std::array<std::uint64_t, kBounds.size() + 1> counts{};  ///< By bucket, not cumulative.
    Duration sum{};

    std::uint64_t count() const;
    Duration mean() const;  ///< 0 when there is nothing.
    /// So much, or less, were `share` (0 to 1) of all: the bound of a bucket, 0 when there is
    /// nothing. Empty when that is beyond the last bound.
    std::optional<Duration> Quantile(double share) const;
    Snapshot& operator+=(const Snapshot& other);
    Snapshot& operator-=(const Snapshot& earlier);
  };

  /// A negative duration counts as none.
  void Observe(Duration duration);
  Snapshot Read() const;

 private:
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> counts_{};
  std::atomic<Duration::rep> sum_{0};
};

}  // namespace fetchd::telemetry
