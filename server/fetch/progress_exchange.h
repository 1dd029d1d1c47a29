// How far jobs are that run in other processes.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "fetch/engine.h"
#include "fetch/wake_event.h"
#include "jobs/store.h"

namespace fetchd::fetch {

/// Each second this process tells what it runs, if anything, and asks what the others do as long as
/// somebody here asks for that. One task on one shard, never cancelled: Stop() ends it. Of() is
/// thread-safe.
class ProgressExchange {
 public:
  using Here = std::function<std::vector<std::pair<JobId, Progress>>()>;

  ProgressExchange(asio::any_io_executor executor, Clock& clock, jobs::Store& store, Here here);
  Task<absl::Status> Run();
  void Stop();

  /// As the others told last; nullopt when they did not, and for the first who asks in a while.
  std::optional<Progress> Of(const JobId& id);

 private:
  Task<void> Tell();
  Task<void> Ask();

  Clock& clock_;
  jobs::Store& store_;
  const Here here_;
  WakeEvent stop_;
  std::atomic<bool> stopping_{false};
  std::vector<jobs::RunningProgress> told_;  // The task's.
  std::mutex mutex_;
  SteadyTime asked_at_ = SteadyTime::min();            // Guarded by mutex_.
  std::unordered_map<JobId, Progress> of_the_others_;  // Likewise.
};

}  // namespace fetchd::fetch
