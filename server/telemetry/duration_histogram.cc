#include "telemetry/duration_histogram.h"

#include <algorithm>
#include <chrono>
#include <numeric>

namespace fetchd::telemetry {

std::uint64_t DurationHistogram::Snapshot::count() const {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

Duration DurationHistogram::Snapshot::mean() const {
  const auto observed = static_cast<Duration::rep>(count());
  return observed == 0 ? Duration::zero() : Duration(sum / observed);
}

std::optional<Duration> DurationHistogram::Snapshot::Quantile(double share) const {
  const double wanted = share * static_cast<double>(count());
  if (wanted == 0) return Duration::zero();
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    seen += counts[i];
    if (static_cast<double>(seen) < wanted) continue;
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(kBounds[i]));
  }
  return std::nullopt;
}

DurationHistogram::Snapshot& DurationHistogram::Snapshot::operator+=(const Snapshot& other) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += other.counts[i];
  sum += other.sum;
  return *this;
}

DurationHistogram::Snapshot& DurationHistogram::Snapshot::operator-=(const Snapshot& earlier) {
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] -= earlier.counts[i];
  sum -= earlier.sum;
  return *this;
}

void DurationHistogram::Observe(Duration duration) {
  const double seconds = std::chrono::duration<double>(duration).count();
  const auto bucket =
      static_cast<std::size_t>(std::ranges::lower_bound(kBounds, seconds) - kBounds.begin());
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  if (duration > Duration::zero()) sum_.fetch_add(duration.count(), std::memory_order_relaxed);
}

DurationHistogram::Snapshot DurationHistogram::Read() const {
  Snapshot snapshot;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    snapshot.counts[i] = counts_[i].load(std::memory_order_relaxed);
  }
  snapshot.sum = Duration(sum_.load(std::memory_order_relaxed));
  return snapshot;
}

}  // namespace fetchd::telemetry
