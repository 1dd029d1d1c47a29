// One client of the admin listener.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>

#include "admin/api_guard.h"
#include "admin/clients.h"
#include "admin/tls.h"
#include "base/http_handler.h"
#include "base/semaphore.h"
#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "runtime/drain.h"
#include "telemetry/line_rate.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace fetchd::admin {

/// References outlive the connection.
struct ConnectionDeps {
  Clock& clock;
  const runtime::DrainSignal& drain_signal;
  telemetry::Metrics& metrics;
  telemetry::Logger& log;
  telemetry::LineRate& refusals;  ///< Lines of the log about requests that `guard` lets not pass.
  HttpHandler* api;  ///< Asked about every path that is not health or metrics; null: there is none.
  const ApiGuard& guard;
  Semaphore& body_bytes;  ///< Of bodies that have come and are not passed on yet.
  /// For the handshake, for a request from waiting for it to its head's last byte, for its body,
  /// and for each piece of an answer. The API has limits of its own.
  Duration request_timeout;
  bool metrics_need_certificate = false;
};

/// Answers requests one after another until the client leaves or asks to, sends what cannot be read
/// on after, or is too slow. What went wrong is the client's affair: OK in any case. On the shard
/// of `socket`. `peer` is asked for when it is accepted: one that has gone has no address. `tls`
/// null: plain text.
Task<absl::Status> ServeClient(asio::ip::tcp::socket socket, asio::ip::tcp::endpoint peer,
                               TlsContext tls, ConnectionDeps deps,
                               std::unique_ptr<ClientPlace> client);

}  // namespace fetchd::admin
