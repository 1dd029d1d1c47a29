#include "rpc/json_request.h"

#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include <boost/json.hpp>

#include "base/check.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace fetchd::rpc {
namespace {

namespace json = boost::json;
using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;

absl::Status JsonInvalid(const std::string& message) {
  return WithReason(absl::InvalidArgumentError(message), {"JSON_INVALID", {}});
}

/// By either of its names, as in a body.
const FieldDescriptor* FindJsonField(const Descriptor& message, const std::string& name) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor* field = message.field(i);
    if (field->name() == name || field->json_name() == name) return field;
  }
  return nullptr;
}

/// Whether JSON writes it as one text, as a parameter is.
bool IsText(const FieldDescriptor& field) {
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return true;
  const std::string& type = field.message_type()->full_name();
  return type == "google.protobuf.Timestamp" || type == "google.protobuf.Duration";
}

/// One parameter on its way to its field: "filter.states".
class ParameterReader {
 public:
  ParameterReader(const std::string& parameter, const std::string& value)
      : parameter_(parameter), value_(value) {}

  absl::Status PutInto(json::object& object, const Descriptor& message, std::string_view path) {
    const std::size_t dot = path.find('.');
    const FieldDescriptor* field = FindJsonField(message, std::string(path.substr(0, dot)));
    if (field == nullptr) return Bad("there is no such parameter");
    const std::string_view rest = dot == std::string_view::npos ? "" : path.substr(dot + 1);
    if (field->is_map()) return PutEntry(Child(object, *field), rest);
    if (!rest.empty()) {
      if (IsText(*field) || field->is_repeated()) return Bad("there is no such parameter");
      return PutInto(Child(object, *field), *field->message_type(), rest);
    }
    if (!IsText(*field)) return Bad("name one of its fields, as in filter.tenant");
    return PutText(object, *field);
  }

 private:
  absl::Status Bad(const char* why) const {
    return JsonInvalid(Concat("query parameter ", ToUtf8(parameter_), ": ", why));
  }

  static json::object& Child(json::object& object, const FieldDescriptor& field) {
    json::value& child = object[field.json_name()];
    if (!child.is_object()) child.emplace_object();
    return child.get_object();
  }

  absl::Status PutEntry(json::object& map, std::string_view key) {
    if (key.empty()) return Bad("name a key, as in filter.labels.team");
    if (!map.emplace(key, value_).second) return Bad("it is there twice");
    return absl::OkStatus();
  }

  absl::Status PutText(json::object& object, const FieldDescriptor& field) {
    json::value value(value_);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
      if (value_ != "true" && value_ != "false") return Bad("true or false");
      value = value_ == "true";
    }
    json::value& slot = object[field.json_name()];
    if (field.is_repeated()) {
      if (!slot.is_array()) slot.emplace_array();
      slot.get_array().push_back(std::move(value));
      return absl::OkStatus();
    }
    if (!slot.is_null()) return Bad("it is there twice");
    slot = std::move(value);
    return absl::OkStatus();
  }

  const std::string& parameter_;
  const std::string& value_;
};

absl::StatusOr<std::string> JsonOfQuery(const Descriptor& message, const std::string& query) {
  const auto parameters = ParseQuery(query);
  if (!parameters.ok()) return JsonInvalid(MessageOf(parameters.status()));
  json::object object;
  for (const auto& [name, value] : *parameters) {
    RETURN_IF_ERROR(ParameterReader(name, value).PutInto(object, message, name));
  }
  return json::serialize(object);
}

absl::Status ReadInto(Message& message, const std::string& text) {
  const auto status = google::protobuf::util::JsonStringToMessage(text, &message);
  if (status.ok()) return absl::OkStatus();
  // It repeats what it cannot read.
  const std::string_view why(status.message().data(), status.message().size());
  return JsonInvalid(Concat(message.GetDescriptor()->name(), ": ", ToUtf8(why)));
}

/// Writes a text field that a request is told by other means than its body.
absl::Status SetText(Message& message, const char* name, const std::string& value,
                     bool must_agree) {
  const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr) return JsonInvalid(Concat("this method takes no ", name));
  if (ToUtf8(value) != value) return JsonInvalid(Concat(name, ": is not UTF-8"));
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const std::string there = reflection.GetString(message, field);
  if (must_agree && !there.empty() && there != value) {
    return JsonInvalid(Concat(name, ": the path names ", value, "; leave it out of the request"));
  }
  reflection.SetString(&message, field, value);
  return absl::OkStatus();
}

}  // namespace

const google::protobuf::MethodDescriptor& MethodOf(const JsonRoute& route) {
  const auto* method = DescriptorPool::generated_pool()->FindMethodByName(
      Concat("fetchd.v1.", route.service(), '.', route.method()));
  FETCHD_CHECK(method != nullptr);
  return *method;
}

absl::StatusOr<std::unique_ptr<Message>> ReadJsonRequest(const JsonRoute& route,
                                                         const JsonParameters& parameters,
                                                         const std::string& body) {
  const Descriptor& type = *MethodOf(route).input_type();
  std::unique_ptr<Message> message(MessageFactory::generated_factory()->GetPrototype(&type)->New());
  if (route.has_body()) {
    if (!parameters.query.empty()) {
      return JsonInvalid("what a POST says is in its body: it takes no query");
    }
    if (!body.empty()) RETURN_IF_ERROR(ReadInto(*message, body));
  } else {
    if (!body.empty()) return JsonInvalid("this request takes no body");
    ASSIGN_OR_RETURN(const std::string text, JsonOfQuery(type, parameters.query));
    RETURN_IF_ERROR(ReadInto(*message, text));
  }
  if (route.names_resource()) {
    RETURN_IF_ERROR(SetText(*message, "name", parameters.name, true));
  }
  if (!parameters.resume_token.empty()) {
    RETURN_IF_ERROR(SetText(*message, "resume_token", parameters.resume_token, false));
  }
  return message;
}

absl::StatusOr<std::string> WriteJson(const Message& message) {
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text);
  if (status.ok()) return text;
  return absl::InternalError(Concat(message.GetDescriptor()->full_name(), " has no JSON"));
}

}  // namespace fetchd::rpc
