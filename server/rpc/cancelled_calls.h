// Which connections have their calls cancelled, also before a handler has seen them.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "base/time.h"
#include "rpc/caller_connections.h"
#include "telemetry/log.h"

namespace fetchd::rpc {

/// For ServerBuilder: `connections` is told of every call that ends cancelled, of our methods and
/// of health, but for those that had 100 ms or more until their deadline and let it pass. Of a
/// stream that is reset at once no handler hears. Connections that are lost by it are in the log,
/// one a second. All of it outlives the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NoteCancelledCalls(
    CallerConnections& connections, telemetry::Logger& log, const Clock& clock);

}  // namespace fetchd::rpc
