// Where RPCs run: one task group a shard.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/runtime.h"
#include "runtime/task_group.h"

namespace fetchd::rpc {

/// Thread-safe. Owner: Server; Stop() before the runtime stops.
class CallGroups {
 public:
  CallGroups(runtime::Runtime& runtime, runtime::TaskGroup::OnDone on_done);

  /// The shards in turn.
  runtime::TaskGroup& Next();
  /// Cancels every call and waits until none is left. Blocking; not from a shard. Idempotent.
  void Stop();

 private:
  runtime::Runtime& runtime_;
  std::vector<std::unique_ptr<runtime::TaskGroup>> groups_;
  std::atomic<std::size_t> next_{0};
};

}  // namespace fetchd::rpc
