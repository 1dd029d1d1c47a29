// How many lines a second others may have written to the log.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include "base/time.h"

namespace fetchd::telemetry {

/// For lines that somebody outside brings about, as fast as he likes. Thread-safe.
class LineRate {
 public:
  explicit LineRate(int most_a_second) : most_a_second_(most_a_second) {}

  /// One more line now: how many were left out since the last one; nullopt: leave this one out too.
  std::optional<std::uint64_t> Take(SteadyTime now);

 private:
  const int most_a_second_;
  std::mutex mutex_;  ///< Guards all below.
  SteadyTime second_;
  int written_ = 0;  ///< Within that second.
  std::uint64_t left_out_ = 0;
};

}  // namespace fetchd::telemetry
