// Wakes one waiting task.
#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>

#include "base/task.h"

namespace fetchd::fetch {

/// Set() is thread-safe and cheap when it is already set; Wait() is for one task on `executor` at a
/// time and takes the setting with it. May wake once too often, never once too little.
class WakeEvent {
 public:
  explicit WakeEvent(asio::any_io_executor executor) : core_(std::make_shared<Core>(executor)) {}

  void Set() {
    if (core_->set.exchange(true, std::memory_order_acq_rel)) return;
    asio::post(core_->timer.get_executor(), [core = core_] { core->timer.cancel(); });
  }
  Task<void> Wait() {
    const std::shared_ptr<Core> core = core_;
    if (core->set.exchange(false, std::memory_order_acq_rel)) co_return;
    co_await core->timer.async_wait(kTuple);
    core->set.store(false, std::memory_order_release);
  }

 private:
  struct Core {
    explicit Core(const asio::any_io_executor& executor)
        : timer(executor, asio::steady_timer::time_point::max()) {}
    asio::steady_timer timer;  ///< Never expires; cancelled to wake.
    std::atomic<bool> set{false};
  };
  std::shared_ptr<Core> core_;
};

}  // namespace fetchd::fetch
