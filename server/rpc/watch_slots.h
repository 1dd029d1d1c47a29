// How many watch at the same time.
#pragma once

#include "base/semaphore.h"
#include "base/status.h"

namespace fetchd::rpc {

/// Every commit wakes every watch: they cost the more the more there are. Thread-safe. Owner:
/// Server.
class WatchSlots {
 public:
  explicit WatchSlots(std::size_t most) : slots_(most) {}

  /// Held by the watch. RESOURCE_EXHAUSTED, reason WATCH_LIMIT, with RetryInfo.
  absl::StatusOr<Permit> Take();

 private:
  Semaphore slots_;
};

}  // namespace fetchd::rpc
