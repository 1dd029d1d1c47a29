// One task that somebody waits for and that others may stop.
#pragma once

#include <functional>
#include <string>

#include "base/status.h"
#include "runtime/task_group.h"

namespace fetchd::fetch {

/// Used once, on `executor`. The task has ended when Run() completes, so it may refer to what
/// outlives that call.
class Supervised {
 public:
  explicit Supervised(asio::any_io_executor executor);

  /// The task's status; CANCELLED when it was stopped. A caller that is cancelled stops the task
  /// and still waits for its end; it throws at its next co_await.
  Task<absl::Status> Run(std::string name, Task<absl::Status> task);
  /// Thread-safe, also before Run(). The task unwinds at its next co_await.
  void Stop() { group_.Cancel(); }

 private:
  absl::Status outcome_;
  std::move_only_function<void()> resume_;
  runtime::TaskGroup group_;
};

}  // namespace fetchd::fetch
