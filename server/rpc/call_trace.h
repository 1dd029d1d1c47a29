// By which request, and in which trace, a call was made.
#pragma once

#include <grpcpp/server_context.h>

#include <map>

#include "base/trace_context.h"

namespace fetchd::rpc {

using CallMetadata = std::multimap<grpc::string_ref, grpc::string_ref>;

/// traceparent, tracestate and x-request-id of a call. What is not there, is there twice, or is not
/// in its form is passed over, and made anew: a trace begins here then, and each call has a request
/// id. Nothing of what was passed over is kept.
TraceContext ReadTrace(const CallMetadata& metadata);

/// That, and the caller is told: x-request-id and traceparent of the trailing metadata. A call
/// whose initial metadata has come is not retried by gRPC's clients (gRFC A6), whatever becomes of
/// it. Once, before the call is answered.
TraceContext TraceOf(grpc::ServerContextBase& context);

}  // namespace fetchd::rpc
