// What went wrong, for who called over HTTP. Pure.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "base/http_handler.h"
#include "google/rpc/status.pb.h"

namespace fetchd::rpc {

/// Of google/rpc/code.proto.
int HttpStatusOf(grpc::StatusCode code);

/// With its details, where it has some.
google::rpc::Status ToProtoStatus(const grpc::Status& status);

/// {"error": {"code": 404, "status": "NOT_FOUND", "message": "…", "details": […]}}; code is
/// `http_status`.
std::string ErrorJson(int http_status, const google::rpc::Status& status);

/// That, with the fields that belong to it: Retry-After (RetryInfo, in whole seconds),
/// WWW-Authenticate.
HttpReply ErrorReply(const google::rpc::Status& status);
/// With a status of HTTP that no code of gRPC stands for: 405, 408, 413, 415, 431.
HttpReply ErrorReply(int http_status, grpc::StatusCode code, const std::string& message);

}  // namespace fetchd::rpc
