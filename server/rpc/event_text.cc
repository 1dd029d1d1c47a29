#include "rpc/event_text.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "base/strings.h"
#include "rpc/json_error.h"
#include "rpc/json_request.h"

namespace fetchd::rpc {
namespace {

std::string EventName(const google::protobuf::Message& message) {
  const google::protobuf::Descriptor& type = *message.GetDescriptor();
  if (type.real_oneof_decl_count() == 0) return "message";
  const auto* field = message.GetReflection()->GetOneofFieldDescriptor(message, type.oneof_decl(0));
  return field == nullptr ? "message" : field->json_name();
}

std::string EventId(const google::protobuf::Message& message) {
  const auto* field = message.GetDescriptor()->FindFieldByName("resume_token");
  return field == nullptr ? std::string() : message.GetReflection()->GetString(message, field);
}

}  // namespace

absl::StatusOr<std::string> EventOf(const google::protobuf::Message& message) {
  // JSON has no line breaks of its own, so that it is one line of data.
  ASSIGN_OR_RETURN(const std::string json, WriteJson(message));
  const std::string id = EventId(message);
  return Concat("event: ", EventName(message), '\n', id.empty() ? "" : Concat("id: ", id, '\n'),
                "data: ", json, "\n\n");
}

std::string EndEvent(const google::rpc::Status& status) {
  if (status.code() == 0) return "event: end\ndata: {}\n\n";
  const int http_status = HttpStatusOf(static_cast<grpc::StatusCode>(status.code()));
  return Concat("event: failure\ndata: ", ErrorJson(http_status, status), "\n\n");
}

}  // namespace fetchd::rpc
