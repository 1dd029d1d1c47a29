// Serving, draining, stopped: one state that all parts look at.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "base/time.h"

namespace fetchd::runtime {

/// Thread-safe. Begin() moves once from serving to draining and calls every listener once, on the
/// calling thread; later calls change nothing. Listeners are added before Begin() can happen and
/// outlive this.
class DrainSignal {
 public:
  /// `deadline`: when work in flight is interrupted (begin + shutdown.grace).
  using Listener = std::function<void(SteadyTime deadline)>;
  void OnDrain(Listener listener);
  /// True when this call began it.
  bool Begin(SteadyTime deadline);
  bool draining() const { return draining_.load(std::memory_order_acquire); }

 private:
  std::mutex mutex_;
  std::vector<Listener> listeners_;
  std::atomic<bool> draining_{false};
};

}  // namespace fetchd::runtime
