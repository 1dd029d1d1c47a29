// Takes ready jobs from the store as permits become free.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "base/semaphore.h"
#include "fetch/held_jobs.h"
#include "fetch/origin_pacer.h"
#include "fetch/store_health.h"
#include "fetch/wake_event.h"
#include "jobs/store.h"

namespace fetchd::fetch {

/// One task on one shard. It claims no more than it has permits for, so that a claimed job starts
/// at once. Never cancelled: Stop() ends it between two claims, and no claimed job is dropped.
class Dispatcher {
 public:
  using Launch = std::function<void(jobs::Claim claim, Permit permit, Duration permit_wait)>;
  /// True before jobs are claimed, false when all that were are launched.
  using Claiming = std::function<void(bool now)>;

  Dispatcher(asio::any_io_executor executor, Clock& clock, jobs::Store& store, StoreHealth& health,
             Semaphore& transfers, OriginPacer& pacer, jobs::Rooms rooms, jobs::UrlChoice off_hold,
             Launch launch, Claiming claiming);
  Task<absl::Status> Run();
  void Wake() { wake_.Set(); }  ///< Thread-safe.
  void Stop();                  ///< Thread-safe.
  /// Permits in hand for jobs that are being looked for. Thread-safe.
  std::size_t held() const { return held_.load(std::memory_order_relaxed); }

 private:
  Task<std::vector<Permit>> AcquirePermits();
  Task<bool> ClaimAndLaunch(std::vector<Permit> permits, Duration permit_wait);
  Task<void> SleepUntilReady();
  Task<void> SleepOrWake(Duration duration);
  bool stopping() const { return stopping_.load(std::memory_order_acquire); }

  Clock& clock_;
  jobs::Store& store_;
  StoreHealth& health_;
  Semaphore& transfers_;
  OriginPacer& pacer_;
  const jobs::Rooms rooms_;
  HeldJobs held_jobs_;
  const Launch launch_;
  const Claiming claiming_;
  WakeEvent wake_;
  WakeEvent stop_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> held_{0};
  Duration backoff_{};  ///< While the store fails.
};

}  // namespace fetchd::fetch
