#include "support/manual_clock.h"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <utility>

namespace fetchd::testing {

// Lives in the sleeping coroutine's frame; out of the map before it wakes or dies.
struct ManualClock::Sleeper {
  Sleeper(Sleepers& sleeping, SteadyTime at, const asio::any_io_executor& executor)
      : sleepers(sleeping),
        timer(executor, asio::steady_timer::time_point::max()),
        position(sleepers.emplace(at, this)) {}
  ~Sleeper() {
    if (!awake) sleepers.erase(position);
  }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;

  Sleepers& sleepers;
  asio::steady_timer timer;  ///< Never expires: Advance() cancels it.
  Sleepers::iterator position;
  bool awake = false;
};

Task<void> ManualClock::SleepUntil(SteadyTime at) {
  if (at <= now_) {
    co_await asio::post(asio::use_awaitable);  // Gives way once, as a real timer does.
    co_return;
  }
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Sleeper sleeper(sleepers_, at, executor);
  const auto [error] = co_await sleeper.timer.async_wait(kTuple);
  if (!sleeper.awake) throw boost::system::system_error(error);
}

void ManualClock::Advance(Duration duration) {
  now_ += duration;
  wall_now_ += std::chrono::duration_cast<WallTime::duration>(duration);
  while (!sleepers_.empty() && sleepers_.begin()->first <= now_) {
    Sleeper& sleeper = *sleepers_.begin()->second;
    sleepers_.erase(sleepers_.begin());
    sleeper.awake = true;
    sleeper.timer.cancel();
  }
}

std::optional<SteadyTime> ManualClock::NextWakeAt() const {
  if (sleepers_.empty()) return std::nullopt;
  return sleepers_.begin()->first;
}

}  // namespace fetchd::testing
