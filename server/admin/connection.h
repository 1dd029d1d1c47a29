// One HTTP/1.1 client.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>

#include "admin/tls.h"
#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "runtime/drain.h"
#include "telemetry/metrics.h"

namespace fetchd::admin {

inline constexpr std::size_t kMaxHeadBytes = std::size_t{8} << 10;

/// References outlive the connection.
struct ConnectionDeps {
  Clock& clock;
  const runtime::DrainSignal& drain_signal;
  telemetry::Metrics& metrics;
  /// For the handshake, and for each request from waiting for it to its answer's last byte.
  Duration request_timeout;
  bool metrics_need_certificate = false;
};

/// Answers requests one after another until the client leaves or asks to, sends what cannot be read
/// on after, or is too slow. What went wrong is the client's affair: OK in any case. On the shard
/// of `socket`. `tls` null: plain text.
Task<absl::Status> ServeClient(asio::ip::tcp::socket socket, TlsContext tls, ConnectionDeps deps);

}  // namespace fetchd::admin
