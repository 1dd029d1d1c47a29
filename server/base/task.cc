#include "base/task.h"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <exception>

namespace fetchd {

Task<std::size_t> FirstOf(Task<void> a, Task<void> b) {
  using asio::experimental::awaitable_operators::operator||;
  try {
    const auto first = co_await (std::move(a) || std::move(b));
    co_return first.index();
  } catch (const asio::multiple_exceptions& both) {
    // Both were cancelled from outside: looks to the caller like any cancelled operation.
    std::rethrow_exception(both.first_exception());
  }
}

Task<void> Expiry(asio::steady_timer& timer) { co_await timer.async_wait(kTuple); }

}  // namespace fetchd
