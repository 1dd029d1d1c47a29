// One client of the admin listener.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>

#include "admin/api_guard.h"
#include "admin/tls.h"
#include "base/http_handler.h"
#include "base/semaphore.h"
#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "runtime/drain.h"
#include "telemetry/metrics.h"

namespace fetchd::admin {

/// Tokens may be long, and browsers send the cookies of everything else on localhost.
inline constexpr std::size_t kMaxHeadBytes = std::size_t{16} << 10;
inline constexpr std::size_t kMaxBodyBytes = std::size_t{1} << 20;

/// References outlive the connection.
struct ConnectionDeps {
  Clock& clock;
  const runtime::DrainSignal& drain_signal;
  telemetry::Metrics& metrics;
  HttpHandler* api;  ///< Asked about every path that is not health or metrics; null: there is none.
  const ApiGuard& guard;
  Semaphore& body_bytes;  ///< Of requests that are read or worked on.
  /// For the handshake, for a request from waiting for it to its head's last byte, for its body,
  /// for an answer, and for each piece of one that is a stream. The API has limits of its own.
  Duration request_timeout;
  bool metrics_need_certificate = false;
};

/// Answers requests one after another until the client leaves or asks to, sends what cannot be read
/// on after, or is too slow. What went wrong is the client's affair: OK in any case. On the shard
/// of `socket`. `tls` null: plain text.
Task<absl::Status> ServeClient(asio::ip::tcp::socket socket, TlsContext tls, ConnectionDeps deps);

}  // namespace fetchd::admin
