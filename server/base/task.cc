#include "base/task.h"

#include <array>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <exception>

namespace fetchd {
namespace {

/// To asio a task that throws has not won: the other would run on.
Task<void> Catch(Task<void> task, std::exception_ptr& thrown) {
  try {
    co_await std::move(task);
  } catch (...) {
    thrown = std::current_exception();
  }
}

}  // namespace

Task<std::size_t> FirstOf(Task<void> a, Task<void> b) {
  using asio::experimental::awaitable_operators::operator||;
  std::array<std::exception_ptr, 2> thrown;
  const auto first = co_await (Catch(std::move(a), thrown[0]) || Catch(std::move(b), thrown[1]));
  // Cancelled from outside, both have thrown: that is what any cancelled operation does.
  if (thrown[first.index()] != nullptr) std::rethrow_exception(thrown[first.index()]);
  co_return first.index();
}

Task<void> Expiry(asio::steady_timer& timer) { co_await timer.async_wait(kTuple); }

}  // namespace fetchd
