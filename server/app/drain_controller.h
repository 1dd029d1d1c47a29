// The one beginning of the end: SIGTERM, SIGINT and the Drain RPC.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/time.h"
#include "runtime/drain.h"

namespace fetchd::app {

/// Thread-safe. Begin() comes from signals and RPCs; main() waits.
class DrainController {
 public:
  DrainController(Clock& clock, Duration default_grace, runtime::DrainSignal& signal);

  /// The first call sets the deadline; later ones get that.
  SteadyTime Begin(std::optional<Duration> grace);
  /// Until Begin() was called; returns the deadline.
  SteadyTime Wait();

 private:
  Clock& clock_;
  const Duration default_grace_;
  runtime::DrainSignal& signal_;
  std::mutex mutex_;
  std::condition_variable begun_;
  std::optional<SteadyTime> deadline_;
};

}  // namespace fetchd::app
