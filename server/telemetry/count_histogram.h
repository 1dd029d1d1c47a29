// How many things were how many at once.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace fetchd::telemetry {

/// As DurationHistogram, of counts: what shares a commit, for one.
class CountHistogram {
 public:
  /// Upper bounds of the buckets, inclusive; one more bucket takes what is more.
  static constexpr std::array<double, 10> kBounds = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000};

  struct Snapshot {
    std::array<std::uint64_t, kBounds.size() + 1> counts{};  ///< By bucket, not cumulative.
    std::uint64_t sum = 0;
  };

  void Observe(std::uint64_t count) {
    const auto bucket = static_cast<std::size_t>(
        std::ranges::lower_bound(kBounds, static_cast<double>(count)) - kBounds.begin());
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(count, std::memory_order_relaxed);
  }
  Snapshot Read() const {
    Snapshot snapshot;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      snapshot.counts[i] = counts_[i].load(std::memory_order_relaxed);
    }
    snapshot.sum = sum_.load(std::memory_order_relaxed);
    return snapshot;
  }

 private:
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> counts_{};
  std::atomic<std::uint64_t> sum_{0};
};

}  // namespace fetchd::telemetry
