// Which connections have their calls cancelled, also before a handler has seen them.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "rpc/caller_connections.h"

namespace fetchd::rpc {

/// For ServerBuilder: `connections` is told of every call that ends cancelled, of our methods and
/// of health. Of a stream that is reset at once no handler hears. `connections` outlives the
/// server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NoteCancelledCalls(
    CallerConnections& connections);

}  // namespace fetchd::rpc
