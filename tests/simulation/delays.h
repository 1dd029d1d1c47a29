// Waits that nothing interrupts.
#pragma once

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "base/task.h"
#include "base/time.h"

namespace fetchd::simulation {

/// As the store's own waits: a caller that is cancelled meanwhile still waits, and throws at its
/// next co_await. The owner calls RunDue() as the clock moves, until nothing waits.
class Delays {
 public:
  explicit Delays(const Clock& clock) : clock_(clock) {}

  Task<void> For(Duration duration) {
    auto initiate = [this, at = clock_.Now() + duration](auto handler) {
      auto executor = asio::get_associated_executor(handler);
      waiting_.emplace(at, [executor, handler = std::move(handler)]() mutable {
        asio::post(executor, std::move(handler));
      });
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(initiate),
                                                                         asio::use_awaitable);
  }
  std::optional<SteadyTime> NextAt() const {
    if (waiting_.empty()) return std::nullopt;
    return waiting_.begin()->first;
  }
  void RunDue() {
    while (!waiting_.empty() && waiting_.begin()->first <= clock_.Now()) {
      auto resume = std::move(waiting_.begin()->second);
      waiting_.erase(waiting_.begin());
      resume();
    }
  }

 private:
  const Clock& clock_;
  std::multimap<SteadyTime, std::move_only_function<void()>> waiting_;
};

}  // namespace fetchd::simulation
