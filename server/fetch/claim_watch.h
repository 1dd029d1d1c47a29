// Stops what runs here of jobs that other processes have cancelled, paused or taken over.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "fetch/store_health.h"
#include "fetch/wake_event.h"
#include "jobs/store.h"

namespace fetchd::fetch {

/// One task on one shard. It asks the store, soon after each wake, a few times a second at most,
/// however much happens. Never cancelled: Stop() ends it.
class ClaimWatch {
 public:
  using Held = std::function<std::vector<jobs::ClaimId>()>;
  using OnLost = std::function<void(const jobs::ClaimId& claim)>;

  ClaimWatch(asio::any_io_executor executor, Clock& clock, jobs::Store& store, StoreHealth& health,
             Held held, OnLost on_lost);
  Task<absl::Status> Run();
  void Wake() { wake_.Set(); }  ///< When others may have changed something. Thread-safe.
  void Stop();                  ///< Thread-safe.

 private:
  Task<bool> Look();  ///< False: the store could not say.

  Clock& clock_;
  jobs::Store& store_;
  StoreHealth& health_;
  const Held held_;
  const OnLost on_lost_;
  WakeEvent wake_;
  WakeEvent stop_;
  std::atomic<bool> stopping_{false};
};

}  // namespace fetchd::fetch
