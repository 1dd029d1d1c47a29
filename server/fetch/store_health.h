// Does the store take what it is told?
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "base/time.h"
#include "telemetry/log.h"

namespace fetchd::fetch {

/// Says in the log when the store begins to fail, and when it works again; not every failure in
/// between, of which there may be one a job and second. Thread-safe. Owner: the engine.
class StoreHealth {
 public:
  StoreHealth(telemetry::Logger& log, const Clock& clock) : log_(log), clock_(clock) {}

  /// The outcome of a call on the store, which was to `doing` ("claim jobs"). Refusals (ABORTED,
  /// NOT_FOUND, FAILED_PRECONDITION) are answers, not failures.
  void Note(std::string_view doing, const absl::Status& status);

 private:
  telemetry::Logger& log_;
  const Clock& clock_;
  std::mutex mutex_;  ///< Guards all below.
  std::optional<SteadyTime> failing_since_;
  std::uint64_t failures_ = 0;  ///< Since then.
};

/// The claim is gone, or the job is: nothing of it is left to be recorded.
bool IsLostClaim(const absl::Status& status);
/// May the same call succeed later: when the disk has room, or the lock is free, or an operator has
/// set permissions right? A damaged row or a bug does not mend itself.
bool IsWorthRepeating(const absl::Status& status);

}  // namespace fetchd::fetch
