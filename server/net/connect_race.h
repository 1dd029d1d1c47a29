// Happy eyeballs (RFC 8305 5): staggered connects, the first to succeed wins.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "base/semaphore.h"
#include "base/time.h"

namespace fetchd::net {

/// Sockets, over all races of the process, beside the one that each race holds by right:
/// descriptors are the process's, and the start-up check counts these among them (app/fd_limits.h).
/// Enough for 21 races that all meet silent addresses; more of them wait longer for their next
/// address.
inline constexpr std::uint64_t kSpareSockets = 64;
Semaphore& SpareSockets();  ///< Thread-safe.

struct ConnectTry {
  asio::ip::tcp::endpoint endpoint;
  std::string outcome;  ///< "connected", "refused", "timed out", "abandoned", ...
  Duration took{};
  bool failed = false;  ///< Or lost the race after more than its head start: to be tried last.
};

struct ConnectResult {
  asio::ip::tcp::socket socket;  ///< Open when `error` is not set.
  asio::ip::tcp::endpoint peer;
  boost::system::error_code
      error;  ///< Of the last that failed; asio::error::timed_out at `deadline`.
  bool deadline_passed = false;
  std::vector<ConnectTry> tries;  ///< In the order begun.
};

/// Connects to `endpoints` in the order given, 250 ms apart or as soon as the latest fails.
/// Completes with the first that connected and is what was asked for; all others are closed, those
/// that failed at once. It holds one socket, and up to three SpareSockets() while addresses are
/// silent; without one, the address that has been silent longest is given up for the next after one
/// second. Does not interleave: see InterleaveFamilies. `endpoints` is not empty.
Task<ConnectResult> RaceToConnect(asio::any_io_executor executor, Clock& clock,
                                  std::vector<asio::ip::tcp::endpoint> endpoints,
                                  Deadline deadline);

/// RFC 8305 4: IPv6 first, then in turn; the order inside a family is kept.
std::vector<asio::ip::address> InterleaveFamilies(std::vector<asio::ip::address> addresses);

}  // namespace fetchd::net
