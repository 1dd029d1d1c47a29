// Does what was asked of batches, job by job, in the background.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <vector>

#include "fetch/store_health.h"
#include "fetch/wake_event.h"
#include "jobs/store.h"

namespace fetchd::fetch {

/// One task on one shard. What is left of a cancellation or a retry is in the store: it begins with
/// that, so that a restart goes on where the last one stopped. Never cancelled: Stop() ends it
/// after the step that it does.
class BatchRunner {
 public:
  /// For the jobs that a step has changed. It is awaited.
  using OnStep = std::function<Task<void>(std::vector<jobs::Job> changed)>;

  /// With `look_again` it looks that often for something to do, without being woken: others may
  /// have left it.
  BatchRunner(asio::any_io_executor executor, Clock& clock, jobs::BatchStore& store,
              StoreHealth& health, OnStep on_step, std::optional<Duration> look_again = {});
  Task<absl::Status> Run();
  void Wake() { wake_.Set(); }  ///< There is something to do. Thread-safe.
  void Stop();                  ///< Thread-safe.

 private:
  Task<bool> Step();
  Task<void> WaitForWork();
  bool stopping() const { return stopping_.load(std::memory_order_acquire); }

  Clock& clock_;
  jobs::BatchStore& store_;
  StoreHealth& health_;
  const OnStep on_step_;
  const std::optional<Duration> look_again_;
  WakeEvent wake_;
  WakeEvent stop_;
  std::atomic<bool> stopping_{false};
};

}  // namespace fetchd::fetch
