// Coroutine vocabulary: the task type and early returns on a failed Status.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <optional>
#include <utility>

namespace fetchd {

namespace asio = boost::asio;

/// A coroutine that runs on one executor and is started by runtime::TaskGroup, or awaited in place.
template <typename T>
using Task = asio::awaitable<T>;

/// Completion token for socket operations: errors come back as values, never thrown. A cancelled
/// task still throws at its next co_await; only TaskGroup catches that.
inline constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

/// Runs both; the first to end cancels the other, and both have ended when this completes. Returns
/// which was first, 0 or 1. Cancelled from outside it throws, as any task does. Not a template, for
/// what asio makes of each pair of types costs seconds of compile time.
Task<std::size_t> FirstOf(Task<void> a, Task<void> b);

/// Until `timer` expires or is cancelled.
Task<void> Expiry(asio::steady_timer& timer);

/// For FirstOf: leaves in `result` what `task` brings. `result` outlives the task.
template <typename T>
Task<void> KeepIn(std::optional<T>& result, Task<T> task) {
  result.emplace(co_await std::move(task));
}

}  // namespace fetchd
