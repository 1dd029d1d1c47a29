#include "runtime/drain.h"

#include <utility>

namespace fetchd::runtime {

void DrainSignal::OnDrain(Listener listener) {
  const std::lock_guard lock(mutex_);
  listeners_.push_back(std::move(listener));
}

bool DrainSignal::Begin(SteadyTime deadline) {
  std::vector<Listener> listeners;
  {
    const std::lock_guard lock(mutex_);
    if (draining_.exchange(true, std::memory_order_acq_rel)) return false;
    listeners.swap(listeners_);
  }
  // Outside the lock: a listener may ask draining() or call Begin() again.
  for (const Listener& listener : listeners) listener(deadline);
  return true;
}

}  // namespace fetchd::runtime
