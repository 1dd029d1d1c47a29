// How many watch at the same time.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/semaphore.h"
#include "base/status.h"
#include "rpc/auth.h"

namespace fetchd::rpc {

/// A place of one watch, given back when it goes.
struct WatchSlot {
  std::shared_ptr<Semaphore> tenants;  ///< What `of_tenant` is of; null: nobody was asked for.
  Permit of_tenant, of_all;
};

/// Every commit wakes every watch: they cost the more the more there are. Where it is asked who
/// calls, the callers of one tenant have half of them at most. Thread-safe. Owner: Server.
class WatchSlots {
 public:
  explicit WatchSlots(std::size_t most) : most_of_tenant_(most - most / 2), slots_(most) {}

  /// RESOURCE_EXHAUSTED, reason WATCH_LIMIT, with RetryInfo.
  absl::StatusOr<WatchSlot> Take(const Principal& caller);

 private:
  std::shared_ptr<Semaphore> Of(const std::string& tenant);

  const std::size_t most_of_tenant_;
  Semaphore slots_;
  std::mutex mutex_;  ///< Guards all below.
  std::map<std::string, std::shared_ptr<Semaphore>> tenants_;
};

}  // namespace fetchd::rpc
