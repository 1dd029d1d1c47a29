// Wakes the tasks of one shard that wait for a change.
#pragma once

#include <boost/asio/steady_timer.hpp>

#include "base/task.h"

namespace fetchd::http {

/// Lives on one shard and outlives those who wait. Remembers nothing: look, then wait, without a
/// co_await between the two. A wait may end early.
class Signal {
 public:
  explicit Signal(const asio::any_io_executor& executor)
      : timer_(executor, asio::steady_timer::time_point::max()) {}

  Task<void> Wait() { co_await timer_.async_wait(kTuple); }
  /// Those who wait go on later, never inside this call.
  void Notify() { timer_.cancel(); }

 private:
  asio::steady_timer timer_;  ///< Never expires; cancelled to wake.
};

}  // namespace fetchd::http
