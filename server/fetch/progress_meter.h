// How far a transfer is, readable from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "fetch/engine.h"

namespace fetchd::fetch {

/// By what is left and the rate.
std::optional<Duration> EtaOf(const Progress& progress);

/// One writer, any number of readers.
class ProgressMeter {
 public:
  explicit ProgressMeter(SteadyTime now) : measured_at_(now.time_since_epoch().count()) {}
  /// The body begins at `offset`.
  void Begin(std::uint64_t offset, std::optional<std::uint64_t> total_bytes, SteadyTime now);
  void Add(std::uint64_t bytes, SteadyTime now);
  Progress Read(SteadyTime now) const;

 private:
  static constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
  std::atomic<std::uint64_t> received_{0};
  std::atomic<std::uint64_t> total_{kUnknown};
  std::atomic<double> rate_{0};  ///< Bytes a second, an average that forgets over some 2 s.
  std::atomic<SteadyTime::rep> measured_at_;
  std::uint64_t since_measured_ = 0;  ///< The writer's.
};

}  // namespace fetchd::fetch
