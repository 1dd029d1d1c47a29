// A connected byte stream: TCP, or TLS over it.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <tuple>

#include "base/task.h"

namespace fetchd::net {

struct IoResult {
  boost::system::error_code error;
  std::size_t bytes = 0;
};

/// One per connection, on one shard; at most one read and one write at a time. Destruction closes
/// the socket at once.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Reads at least 1 byte, unless an error is returned. A clean end (FIN, or TLS close_notify) is
  /// asio::error::eof; a TLS end without close_notify is asio::ssl::error::stream_truncated.
  virtual Task<IoResult> ReadSome(std::span<std::byte> out) = 0;
  /// Writes all of it.
  virtual Task<IoResult> WriteAll(std::span<const std::byte> bytes) = 0;
  /// Fails operations in progress with operation_aborted and closes. Idempotent. This is how a
  /// watchdog ends a wait.
  virtual void Close() noexcept = 0;
  /// For an idle connection before reuse: true when the peer closed it or sent bytes that nobody
  /// asked for. Does not block.
  virtual bool IsStale() noexcept = 0;
  /// For an idle connection: calls `notify` once, from the event loop, when the peer closes it or
  /// sends something; IsStale() then tells what that was, and of what came before, which may not be
  /// told. Ended by StopWatching(), Close() and destruction. Nobody reads or writes while it is
  /// watched.
  virtual void WatchForInput(std::function<void()> notify) = 0;
  virtual void StopWatching() noexcept = 0;
  /// Sends what the socket takes at once, and returns how much that was: most requests need no
  /// more (TLS inside TLS takes nothing at once). WriteAll() of the rest, in the same place, goes
  /// on and says what is wrong. Nobody may be writing. Does not block.
  virtual std::size_t SendNow(std::span<const std::byte> bytes) noexcept = 0;
  /// Bytes that have arrived and wait to be read; a hint (TLS: before decryption). Does not block.
  virtual std::size_t Available() noexcept = 0;
  virtual const boost::asio::ip::tcp::endpoint& peer() const = 0;
  /// "TLSv1.3 TLS_AES_128_GCM_SHA256", empty for plain TCP.
  virtual std::string tls_description() const = 0;
  /// True when the peer chose h2 by ALPN (RFC 9113 3.2).
  virtual bool speaks_http2() const = 0;
};

}  // namespace fetchd::net
