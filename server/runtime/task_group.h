// Background work with an owner, a name, cancellation and an outcome. The only place that calls
// co_spawn.
#pragma once

#include <absl/status/status.h>

#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/task.h"

namespace fetchd::runtime {

/// Refers to a spawned task. Copyable; may outlive the task and its group. Cancel() is thread-safe
/// and idempotent: the task unwinds at its current or next co_await, on its own shard.
class TaskHandle {
 public:
  TaskHandle() = default;
  void Cancel() const;

 private:
  friend class TaskGroup;
  struct Entry;
  explicit TaskHandle(std::weak_ptr<Entry> entry) : entry_(std::move(entry)) {}
  std::weak_ptr<Entry> entry_;
};

/// Lives on one shard; its owner joins it before its members die, so tasks may hold references to
/// services.
class TaskGroup {
 public:
  /// Called on the shard when a task has ended: CANCELLED is a normal end, INTERNAL means that an
  /// exception escaped.
  using OnDone = std::function<void(const std::string& name, const absl::Status& status)>;

  explicit TaskGroup(asio::any_io_executor executor, OnDone on_done = nullptr);
  ~TaskGroup();  ///< CHECKs that the group is empty: await Join() first.
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  /// Thread-safe. The task starts on the group's executor, never inside this call. After Cancel() a
  /// new task is started cancelled: it ends at its first co_await.
  TaskHandle Spawn(std::string name, Task<absl::Status> task);
  /// Thread-safe. All tasks unwind at their next co_await.
  void Cancel();
  /// Completes when no task is left. Call it on the shard; tasks spawned while it waits are awaited
  /// too. Not interrupted: a caller that is cancelled meanwhile still waits, and throws at its next
  /// co_await.
  Task<void> Join();

  asio::any_io_executor executor() const;
  std::size_t size() const;  ///< Tasks not yet ended. Thread-safe.

 private:
  struct Core;
  std::shared_ptr<Core> core_;
};

}  // namespace fetchd::runtime
