#include "rpc/json_error.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>

#include "base/strings.h"
#include "google/rpc/code.pb.h"
#include "google/rpc/error_details.pb.h"

namespace fetchd::rpc {
namespace {

struct HttpCode {
  grpc::StatusCode code;
  int http_status;
};
constexpr HttpCode kHttpCodes[] = {
    {grpc::StatusCode::OK, 200},
    {grpc::StatusCode::CANCELLED, 499},
    {grpc::StatusCode::UNKNOWN, 500},
    {grpc::StatusCode::INVALID_ARGUMENT, 400},
    {grpc::StatusCode::DEADLINE_EXCEEDED, 504},
    {grpc::StatusCode::NOT_FOUND, 404},
    {grpc::StatusCode::ALREADY_EXISTS, 409},
    {grpc::StatusCode::PERMISSION_DENIED, 403},
    {grpc::StatusCode::UNAUTHENTICATED, 401},
    {grpc::StatusCode::RESOURCE_EXHAUSTED, 429},
    {grpc::StatusCode::FAILED_PRECONDITION, 400},
    {grpc::StatusCode::ABORTED, 409},
    {grpc::StatusCode::OUT_OF_RANGE, 400},
    {grpc::StatusCode::UNIMPLEMENTED, 501},
    {grpc::StatusCode::INTERNAL, 500},
    {grpc::StatusCode::UNAVAILABLE, 503},
    {grpc::StatusCode::DATA_LOSS, 500},
};

/// Rounded up: who comes back a moment too early is refused again.
std::optional<std::int64_t> RetrySeconds(const google::rpc::Status& status) {
  google::rpc::RetryInfo retry;
  for (const auto& detail : status.details()) {
    if (!detail.UnpackTo(&retry)) continue;
    return retry.retry_delay().seconds() + (retry.retry_delay().nanos() > 0 ? 1 : 0);
  }
  return std::nullopt;
}

/// [] where protobuf cannot write one of them: only a detail of another program's could be.
boost::json::value DetailsJson(const google::rpc::Status& status) {
  google::rpc::Status details;
  *details.mutable_details() = status.details();
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(details, &text).ok())
    return boost::json::array();
  boost::json::error_code error;
  const boost::json::value parsed = boost::json::parse(text, error);
  if (error || parsed.as_object().if_contains("details") == nullptr) return boost::json::array();
  return parsed.at("details");
}

}  // namespace

int HttpStatusOf(grpc::StatusCode code) {
  for (const HttpCode& known : kHttpCodes) {
    if (known.code == code) return known.http_status;
  }
  return 500;
}

google::rpc::Status ToProtoStatus(const grpc::Status& status) {
  google::rpc::Status out;
  if (!status.error_details().empty() && out.ParseFromString(status.error_details())) return out;
  out.Clear();
  out.set_code(status.error_code());
  out.set_message(status.error_message());
  return out;
}

std::string ErrorJson(int http_status, const google::rpc::Status& status) {
  boost::json::object error;
  error["code"] = http_status;
  error["status"] = google::rpc::Code_Name(static_cast<google::rpc::Code>(status.code()));
  error["message"] = status.message();
  boost::json::value details = DetailsJson(status);
  if (!details.as_array().empty()) error["details"] = std::move(details);
  boost::json::object whole;
  whole["error"] = std::move(error);
  return boost::json::serialize(whole);
}

HttpReply ErrorReply(const google::rpc::Status& status) {
  HttpReply reply;
  reply.status = HttpStatusOf(static_cast<grpc::StatusCode>(status.code()));
  reply.content_type = "application/json";
  reply.body = ErrorJson(reply.status, status);
  if (const auto seconds = RetrySeconds(status)) {
    reply.fields.push_back({"Retry-After", Concat(*seconds)});
  }
  if (reply.status == 401) reply.fields.push_back({"WWW-Authenticate", "Bearer"});
  return reply;
}

HttpReply ErrorReply(int http_status, grpc::StatusCode code, const std::string& message) {
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  HttpReply reply;
  reply.status = http_status;
  reply.content_type = "application/json";
  reply.body = ErrorJson(http_status, status);
  return reply;
}

}  // namespace fetchd::rpc
