// Coroutine vocabulary: the task type and early returns on a failed Status.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace fetchd {

namespace asio = boost::asio;

/// A coroutine that runs on one executor and is started by runtime::TaskGroup, or awaited in place.
template <typename T>
using Task = asio::awaitable<T>;

/// Completion token for socket operations: errors come back as values, never thrown. A cancelled
/// task still throws at its next co_await; only TaskGroup catches that.
inline constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

}  // namespace fetchd
