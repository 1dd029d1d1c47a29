// Makes a gRPC request message of what came over HTTP, by protobuf's own JSON mapping. Pure.
#pragma once

#include <google/protobuf/descriptor.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "rpc/json_routes.h"

namespace google::protobuf {
class Message;
}

namespace fetchd::rpc {

/// The method of a route; every one of the table has one.
const google::protobuf::MethodDescriptor& MethodOf(const JsonRoute& route);

/// What a request says besides its body.
struct JsonParameters {
  std::string name;          ///< JsonMatch::name.
  std::string query;         ///< As it was written.
  std::string resume_token;  ///< Goes before the one of the query; empty: there is none.
};

/// INVALID_ARGUMENT, reason JSON_INVALID, says what cannot be read and where: a field that there is
/// not, a parameter twice, one of a request with a body, a name in the body that is not the path's.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> ReadJsonRequest(
    const JsonRoute& route, const JsonParameters& parameters, const std::string& body);

/// Fields without a value are left out; no line breaks.
absl::StatusOr<std::string> WriteJson(const google::protobuf::Message& message);

}  // namespace fetchd::rpc
