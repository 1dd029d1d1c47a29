// Requests over HTTP/JSON: a request message that can be sent and says what was written, or a
// refusal.
#include "rpc/json_request.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>

#include <boost/json.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "rpc/json_error.h"

namespace {

using namespace fetchd;
using google::protobuf::Message;

/// The same for what is equal: maps have no order else.
std::string BytesOf(const Message& message) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    FETCHD_CHECK(message.SerializeToCodedStream(&out));
  }
  return bytes;
}

void CheckRefusal(const absl::Status& status) {
  FETCHD_CHECK(absl::IsInvalidArgument(status));
  const auto reason = GetReason(status);
  FETCHD_CHECK(reason && reason->reason == "JSON_INVALID");
  // As it is answered.
  const HttpReply reply =
      rpc::ErrorReply(400, grpc::StatusCode::INVALID_ARGUMENT, MessageOf(status));
  boost::json::error_code error;
  const auto answer = boost::json::parse(reply.body, error);
  FETCHD_CHECK(!error && answer.at("error").at("message").as_string() == MessageOf(status));
}

std::string TextOf(const Message& message, const char* name) {
  const auto* field = message.GetDescriptor()->FindFieldByName(name);
  FETCHD_CHECK(field != nullptr);
  return message.GetReflection()->GetString(message, field);
}

void CheckAccepted(const rpc::JsonRoute& route, const rpc::JsonParameters& parameters,
                   const Message& message) {
  if (route.names_resource()) FETCHD_CHECK(TextOf(message, "name") == parameters.name);
  if (!parameters.resume_token.empty()) {
    FETCHD_CHECK(TextOf(message, "resume_token") == parameters.resume_token);
  }
  const std::string bytes = BytesOf(message);
  const std::unique_ptr<Message> received(message.New());
  FETCHD_CHECK(received->ParseFromString(bytes) && BytesOf(*received) == bytes);

  const auto text = rpc::WriteJson(message);
  FETCHD_CHECK(text.ok() && text->find_first_of("\r\n") == std::string::npos);
  FETCHD_CHECK(ToUtf8(*text) == *text);
  if (!route.has_body()) return;
  const auto again = rpc::ReadJsonRequest(route, {parameters.name, "", ""}, *text);
  FETCHD_CHECK(again.ok() && BytesOf(**again) == bytes);
}

/// Up to the line break, which goes, too.
std::string_view TakeLine(std::string_view& rest) {
  const std::string_view line = rest.substr(0, rest.find('\n'));
  rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // "GET /v1/jobs?pageSize=1", a line with a resume token or an empty one, and the body.
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::string_view target = TakeLine(rest);
  const std::string_view token = TakeLine(rest);
  const std::string_view verb = target.substr(0, target.find(' '));
  target.remove_prefix(std::min(verb.size() + 1, target.size()));
  const std::string_view path = target.substr(0, target.find('?'));
  const rpc::JsonMatch match = rpc::MatchJsonRoute(verb, path);
  if (match.route == nullptr) return -1;  // json_routes looks at these.

  const rpc::JsonParameters parameters{
      .name = match.name,
      .query = std::string(target.substr(std::min(path.size() + 1, target.size()))),
      .resume_token = std::string(token)};
  const auto message = rpc::ReadJsonRequest(*match.route, parameters, std::string(rest));
  if (message.ok()) {
    CheckAccepted(*match.route, parameters, **message);
  } else {
    CheckRefusal(message.status());
  }
  return 0;
}
