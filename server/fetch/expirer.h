// Fails the jobs whose deadline passes while they wait.
#pragma once

#include <atomic>
#include <functional>

#include "fetch/store_health.h"
#include "fetch/wake_event.h"
#include "jobs/store.h"

namespace fetchd::fetch {

/// One task on one shard, beside the dispatcher: it needs no permit, so a job fails in time also
/// when all transfers are busy. Late by up to 100 ms, and by up to a minute when the wall clock was
/// set. Never cancelled: Stop() ends it.
class Expirer {
 public:
  /// For each job that has failed. It is awaited.
  using OnExpired = std::function<Task<void>(jobs::Job job)>;

  Expirer(asio::any_io_executor executor, Clock& clock, jobs::Store& store, StoreHealth& health,
          OnExpired on_expired);
  Task<absl::Status> Run();
  void Wake() { wake_.Set(); }  ///< When a job waits that did not. Thread-safe.
  void Stop();                  ///< Thread-safe.

 private:
  Task<Duration> ExpireDue();
  bool stopping() const { return stopping_.load(std::memory_order_acquire); }

  Clock& clock_;
  jobs::Store& store_;
  StoreHealth& health_;
  const OnExpired on_expired_;
  WakeEvent wake_;
  WakeEvent stop_;
  std::atomic<bool> stopping_{false};
};

}  // namespace fetchd::fetch
