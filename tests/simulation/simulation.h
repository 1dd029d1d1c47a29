// One run: a seed, and what came of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "simulation/machine.h"

namespace fetchd::simulation {

struct RunReport {
  std::vector<std::string> violations;  ///< Empty = every invariant held.
  std::vector<std::string> trace;       ///< When asked for.
  // What there was to see: sums over many runs say whether they try anything at all.
  std::size_t jobs_ended = 0;
  std::size_t crashes = 0, drains = 0;
  std::uint64_t steps = 0;
};

/// The same seed brings the same run, on the same machine or another. Ends the process when the run
/// goes round in circles or waits for nothing.
RunReport RunSeed(Machine& machine, std::uint64_t seed, StoreKind store, bool traced);

}  // namespace fetchd::simulation
