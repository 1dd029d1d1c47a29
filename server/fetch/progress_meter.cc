#include "fetch/progress_meter.h"

#include <algorithm>
#include <cmath>

namespace fetchd::fetch {
namespace {

constexpr double kMemorySeconds = 2;
constexpr double kMeasureEverySeconds = 0.1;
// A transfer that brings nothing for so long is slowing down, whatever its last rate was.
constexpr double kStaleSeconds = 1;

double SecondsBetween(SteadyTime::rep from, SteadyTime to) {
  return std::chrono::duration<double>(to - SteadyTime(SteadyTime::duration(from))).count();
}

}  // namespace

void ProgressMeter::Begin(std::uint64_t offset, std::optional<std::uint64_t> total_bytes,
                          SteadyTime now) {
  received_.store(offset, std::memory_order_relaxed);
  total_.store(total_bytes.value_or(kUnknown), std::memory_order_relaxed);
  rate_.store(0, std::memory_order_relaxed);
  measured_at_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  since_measured_ = 0;
}

void ProgressMeter::Add(std::uint64_t bytes, SteadyTime now) {
  received_.fetch_add(bytes, std::memory_order_relaxed);
  since_measured_ += bytes;
  const double seconds = SecondsBetween(measured_at_.load(std::memory_order_relaxed), now);
  if (seconds < kMeasureEverySeconds) return;
  const double current = static_cast<double>(since_measured_) / seconds;
  const double before = rate_.load(std::memory_order_relaxed);
  const double weight = before == 0 ? 1 : 1 - std::exp(-seconds / kMemorySeconds);
  rate_.store(before + weight * (current - before), std::memory_order_relaxed);
  measured_at_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  since_measured_ = 0;
}

// Beyond a month an estimate is no information.
std::optional<Duration> EtaOf(const Progress& progress) {
  if (!progress.total_bytes || progress.rate_bytes_per_sec < 1) return std::nullopt;
  const std::uint64_t total = *progress.total_bytes;
  const auto left = total - std::min(progress.received_bytes, total);
  const std::chrono::duration<double> eta(static_cast<double>(left) / progress.rate_bytes_per_sec);
  if (eta >= std::chrono::hours(24 * 30)) return std::nullopt;
  return std::chrono::duration_cast<Duration>(eta);
}

Progress ProgressMeter::Read(SteadyTime now) const {
  Progress progress;
  progress.received_bytes = received_.load(std::memory_order_relaxed);
  const std::uint64_t total = total_.load(std::memory_order_relaxed);
  if (total != kUnknown) progress.total_bytes = total;
  const double idle = SecondsBetween(measured_at_.load(std::memory_order_relaxed), now);
  const double fading =
      idle > kStaleSeconds ? std::exp(-(idle - kStaleSeconds) / kMemorySeconds) : 1;
  progress.rate_bytes_per_sec = rate_.load(std::memory_order_relaxed) * fading;
  progress.eta = EtaOf(progress);
  return progress;
}

}  // namespace fetchd::fetch
