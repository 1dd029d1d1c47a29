// The admin listener: health, metrics and the API over HTTP/1.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "admin/tls.h"
#include "base/http_handler.h"
#include "base/status.h"
#include "base/time.h"
#include "runtime/drain.h"
#include "runtime/runtime.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace fetchd::admin {

/// References to services that outlive the server.
struct ServerDeps {
  runtime::Runtime& runtime;
  Clock& clock;
  const runtime::DrainSignal& drain_signal;
  telemetry::Logger& log;
  telemetry::Metrics& metrics;
  HttpHandler* api = nullptr;  ///< Asked about all but health and metrics; null: there is nothing.
};

struct ServerConfig {
  std::string listen = "127.0.0.1:7071";  ///< listen_address.h; not kOff. Port 0 = any free one.
  ServerTls tls;
  Duration request_timeout = std::chrono::seconds(10);  ///< Also how long idle clients are kept.
  /// Whether the API asks who calls. Where it does not, or in plain text, it is served on loopback
  /// alone.
  bool api_asks_callers = false;
  /// When they are taken a further one ends the connection that has waited longest for a request.
  std::size_t max_connections = 64;
  /// Of the bodies of all requests together; a further one is told to come back.
  std::uint64_t max_bodies_bytes = std::uint64_t{8} << 20;
};

/// Accepts on shard 0, a task a connection. Owner: app, which stops it last, so that health is
/// answered while everything else drains; the destructor stops it as well.
class Server {
 public:
  /// Serves from here on. INVALID_ARGUMENT when `listen` is no address; UNAVAILABLE when it cannot
  /// be bound; FAILED_PRECONDITION as LoadTls. The files of `tls` are read again every
  /// reload_interval: those of no use leave what was there before, which the log says once.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerDeps deps, ServerConfig config);
  ~Server();

  const std::string& address() const;  ///< "127.0.0.1:7071": the port that was bound.

  /// Closes the listener and every connection at once, and joins. Idempotent. Not from a shard.
  void Stop();

 private:
  struct Core;
  explicit Server(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace fetchd::admin
