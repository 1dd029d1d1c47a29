// How late each shard's event loop runs: one of the five dials.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/time.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"

namespace fetchd::runtime {

/// Every `interval` each shard sleeps and measures how much later than asked it woke. Owner: app.
/// The constructor spawns one task a shard; Stop() joins them, before the runtime stops and not
/// from a shard. Idempotent.
class LoopLagMonitor {
 public:
  struct Lag {
    Duration last{};
    Duration peak{};  ///< Since the last minute began.
  };
  LoopLagMonitor(Runtime& runtime, Clock& clock,
                 Duration interval = std::chrono::milliseconds(250));
  ~LoopLagMonitor();
  void Stop();
  std::vector<Lag> Read() const;  ///< One a shard. Thread-safe.

 private:
  struct ShardLag;
  std::vector<std::unique_ptr<ShardLag>> shards_;
  Runtime& runtime_;
  bool stopped_ = false;
};

}  // namespace fetchd::runtime
