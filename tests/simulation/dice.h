// All that is left to chance in a run, from its seed.
#pragma once

#include <cstdint>
#include <random>

#include "base/time.h"

namespace fetchd::simulation {

/// The same seed and the same questions bring the same answers, on every machine: std's
/// distributions are not used.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}

  std::uint64_t Below(std::uint64_t limit) { return random_() % limit; }
  /// Both included.
  std::uint64_t Between(std::uint64_t low, std::uint64_t high) {
    return low + Below(high - low + 1);
  }
  Duration Between(Duration low, Duration high) {
    return low + Duration(Below(static_cast<std::uint64_t>((high - low).count()) + 1));
  }
  double Uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }  ///< In [0, 1).
  bool Chance(double probability) { return Uniform() < probability; }
  const auto& Pick(const auto& from) { return from[Below(from.size())]; }
  std::mt19937_64& random() { return random_; }

 private:
  std::mt19937_64 random_;
};

}  // namespace fetchd::simulation
