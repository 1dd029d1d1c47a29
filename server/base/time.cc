#include "base/time.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

namespace fetchd {

Task<void> RealClock::SleepUntil(SteadyTime at) {
  asio::steady_timer timer(co_await asio::this_coro::executor, at);
  co_await timer.async_wait(asio::use_awaitable);
}

}  // namespace fetchd
