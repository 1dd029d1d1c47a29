// What the services are made of.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fetch/engine.h"
#include "jobs/store.h"
#include "rpc/auth.h"
#include "rpc/caller_connections.h"
#include "rpc/server_tls.h"
#include "runtime/drain.h"
#include "runtime/loop_lag.h"
#include "runtime/runtime.h"
#include "sink/destinations.h"
#include "telemetry/log.h"

namespace fetchd::rpc {

/// References to services that outlive the server.
struct ServerDeps {
  runtime::Runtime& runtime;
  Clock& clock;
  jobs::Store& store;
  fetch::Engine& engine;
  sink::Destinations& destinations;
  sink::BufferPool& buffers;
  http::SharedClient& client;  ///< For its figures only.
  runtime::LoopLagMonitor& loop_lag;
  runtime::DrainSignal& drain_signal;
  telemetry::Logger& log;
  egress::TenantPolicies policies;
  egress::DecisionLog* decisions = nullptr;  ///< Is told what was decided of URLs; null: nobody is.
  const Authenticator* authenticator = nullptr;  ///< Null: nobody is asked who calls.
  std::function<bool(std::string_view)> has_tls_profile;
  /// Whether a request to `origin` may ask for `proxy`: see http::SharedClient::CheckProxy.
  std::function<absl::Status(std::string_view proxy, const Origin& origin)> check_proxy;
  /// Begins the drain, or does nothing when it has begun; returns when work in flight is
  /// interrupted. Thread-safe.
  std::function<SteadyTime(std::optional<Duration> grace)> drain;
};

struct ServerConfig {
  std::string listen;  ///< "127.0.0.1:7070", "[::1]:0", "localhost:7070"; port 0 = any free one.
  /// Allow plain text, or callers that nobody asks who they are, on an address that others reach.
  bool insecure = false;
  ServerTls tls;
  std::uint64_t calls_per_sec = 0;  ///< Of each principal; 0 = no limit.
  std::string version;
  UrlOptions url;
  fetch::TenantRules tenants;
  std::shared_ptr<const fetch::NamedSecrets> secrets =
      std::make_shared<const fetch::NamedSecrets>();
  std::size_t max_connections = 0;  ///< Of the HTTP client: shown by GetStatus.
  ConnectionLimits caller_connections;
  std::size_t max_watches = 1000;  ///< WatchJobs and WatchBatches at the same time.
  std::uint64_t call_memory_bytes = std::uint64_t{256} << 20;  ///< Of gRPC's, for all calls.
  /// How long a caller of Fetch, ReadBody, WatchJobs or WatchBatches may leave one message untaken.
  Duration caller_idle = Duration::max();
};

}  // namespace fetchd::rpc
