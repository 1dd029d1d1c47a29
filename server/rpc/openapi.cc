#include "rpc/openapi.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <vector>

#include "base/strings.h"
#include "google/rpc/status.pb.h"
#include "rpc/auth_methods.h"
#include "rpc/json_request.h"
#include "rpc/json_routes.h"

namespace fetchd::rpc {
namespace {

namespace json = boost::json;
using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::MethodDescriptor;

json::object Ref(std::string_view schema) {
  return {{"$ref", Concat("#/components/schemas/", schema)}};
}

/// "fetchd.v1.Status.Dials" is "Status.Dials"; "google.rpc.Status" keeps its package.
std::string SchemaName(const std::string& full_name) {
  constexpr std::string_view kPackage = "fetchd.v1.";
  return full_name.starts_with(kPackage) ? full_name.substr(kPackage.size()) : full_name;
}

/// Messages that JSON writes in a way of their own; null for others.
json::value WellKnown(const Descriptor& message) {
  const std::string& name = message.full_name();
  if (name == "google.protobuf.Timestamp") return {{"type", "string"}, {"format", "date-time"}};
  if (name == "google.protobuf.Duration") {
    return {{"type", "string"}, {"pattern", "^-?[0-9]+(\\.[0-9]{1,9})?s$"}, {"example", "1.5s"}};
  }
  if (name == "google.protobuf.Any") {
    return {{"type", "object"},
            {"properties", {{"@type", {{"type", "string"}}}}},
            {"additionalProperties", true}};
  }
  return nullptr;
}

json::object SchemaOfEnum(const EnumDescriptor& type) {
  json::array names;
  for (int i = 0; i < type.value_count(); ++i) names.emplace_back(type.value(i)->name());
  return {{"type", "string"}, {"enum", std::move(names)}};
}

json::object SchemaOfOne(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return {{"type", "integer"}, {"format", "int32"}};
    case FieldDescriptor::CPPTYPE_UINT32:
      return {{"type", "integer"}, {"format", "int64"}, {"minimum", 0}};
    case FieldDescriptor::CPPTYPE_INT64:
      return {{"type", "string"}, {"format", "int64"}};
    case FieldDescriptor::CPPTYPE_UINT64:
      return {{"type", "string"}, {"format", "uint64"}};
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return {{"type", "number"}};
    case FieldDescriptor::CPPTYPE_BOOL:
      return {{"type", "boolean"}};
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.type() == FieldDescriptor::TYPE_BYTES) {
        return {{"type", "string"}, {"format", "byte"}};
      }
      return {{"type", "string"}};
    case FieldDescriptor::CPPTYPE_ENUM:
      return Ref(SchemaName(field.enum_type()->full_name()));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
  const json::value known = WellKnown(*field.message_type());
  return known.is_object() ? known.get_object()
                           : Ref(SchemaName(field.message_type()->full_name()));
}

json::object SchemaOfField(const FieldDescriptor& field) {
  if (field.is_map()) {
    return {{"type", "object"},
            {"additionalProperties", SchemaOfOne(*field.message_type()->map_value())}};
  }
  if (field.is_repeated()) return {{"type", "array"}, {"items", SchemaOfOne(field)}};
  return SchemaOfOne(field);
}

/// The messages and enums that are spoken of, by name.
class Schemas {
 public:
  void Add(const Descriptor& message) {
    if (WellKnown(message).is_object()) return;
    const std::string name = SchemaName(message.full_name());
    if (!message.options().map_entry()) {
      if (schemas_.contains(name)) return;
      schemas_[name] = {};
    }
    json::object properties;
    for (int i = 0; i < message.field_count(); ++i) {
      const FieldDescriptor& field = *message.field(i);
      properties[field.json_name()] = SchemaOfField(field);
      if (field.message_type() != nullptr) Add(*field.message_type());
      if (field.enum_type() != nullptr) {
        Add(*field.enum_type());
      }
    }
    if (message.options().map_entry()) return;
    schemas_[name] = {{"type", "object"}, {"properties", std::move(properties)}};
  }

  void Add(const EnumDescriptor& type) {
    schemas_[SchemaName(type.full_name())] = SchemaOfEnum(type);
  }

  json::object Take() {
    json::object out;
    for (auto& [name, schema] : schemas_) out[name] = std::move(schema);
    return out;
  }

 private:
  std::map<std::string, json::object> schemas_;
};

/// The fields of a request that has no body: "filter.states".
void AddParameters(const Descriptor& message, const std::string& prefix, bool names_resource,
                   json::array& parameters, Schemas& schemas) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    if (prefix.empty() && names_resource && field.name() == "name") continue;
    std::string name = prefix + field.json_name();
    const bool is_message = field.message_type() != nullptr && !field.is_map();
    if (is_message && !WellKnown(*field.message_type()).is_object()) {
      AddParameters(*field.message_type(), name + '.', names_resource, parameters, schemas);
      continue;
    }
    if (field.enum_type() != nullptr) schemas.Add(*field.enum_type());
    // The key is part of the parameter's name.
    const bool is_map = field.is_map();
    parameters.push_back({{"name", is_map ? name + ".{key}" : name},
                          {"in", "query"},
                          {"schema", is_map ? SchemaOfOne(*field.message_type()->map_value())
                                            : SchemaOfField(field)}});
  }
}

const MethodRule& RuleOf(const JsonRoute& route) {
  return *std::ranges::find(kMethodRules, route.method(), &MethodRule::method);
}

json::object Content(const char* type, json::object schema) {
  return {{"content", {{type, {{"schema", std::move(schema)}}}}}};
}

json::object Operation(const JsonRoute& route, Schemas& schemas) {
  const MethodDescriptor& method = MethodOf(route);
  json::object operation{{"operationId", method.name()},
                         {"tags", json::array{json::value(route.service())}},
                         {"description", Concat("fetchd.v1.", route.service(), '.', route.method(),
                                                ". Role: ", RoleName(RuleOf(route).role), '.')}};
  json::array parameters;
  if (route.names_resource()) {
    parameters.push_back(
        {{"name", "id"}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  }
  if (!route.has_body()) {
    AddParameters(*method.input_type(), "", route.names_resource(), parameters, schemas);
  }
  if (method.server_streaming()) {
    parameters.push_back({{"name", "Last-Event-ID"},
                          {"in", "header"},
                          {"description", "Goes on behind this event."},
                          {"schema", {{"type", "string"}}}});
  }
  if (!parameters.empty()) operation["parameters"] = std::move(parameters);
  if (route.has_body()) {
    operation["requestBody"] =
        Content("application/json", Ref(SchemaName(method.input_type()->full_name())));
  }
  json::object answer =
      Content(method.server_streaming() ? "text/event-stream" : "application/json",
              Ref(SchemaName(method.output_type()->full_name())));
  answer["description"] = method.server_streaming() ? "Server-Sent Events" : "OK";
  json::object responses{{"200", std::move(answer)}};
  if (method.input_type()->FindFieldByName("resume_token") != nullptr) {
    responses["204"] = json::object{
        {"description", "Goes on with a token, and nothing is left to tell: do not come back."}};
  }
  responses["default"] = json::object{{"$ref", "#/components/responses/Error"}};
  operation["responses"] = std::move(responses);
  return operation;
}

json::object ErrorSchema() {
  return {{"type", "object"},
          {"properties",
           {{"error",
             {{"type", "object"},
              {"properties",
               {{"code", {{"type", "integer"}, {"description", "The status of HTTP."}}},
                {"status", {{"type", "string"}, {"description", "A google.rpc.Code."}}},
                {"message", {{"type", "string"}}},
                {"details",
                 {{"type", "array"},
                  {"items", WellKnown(*google::protobuf::Any::descriptor())}}}}}}}}}};
}

/// With two spaces for each level: what is compared is read by people, too.
void WritePretty(const json::value& value, const std::string& indent, std::string& out) {
  const bool is_object = value.is_object() && !value.get_object().empty();
  const bool is_array = value.is_array() && !value.get_array().empty();
  if (!is_object && !is_array) {
    out += json::serialize(value);
    return;
  }
  const std::string deeper = indent + "  ";
  const char* separator = "\n";
  out += is_object ? '{' : '[';
  const auto begin_entry = [&] {
    out += Concat(separator, deeper);
    separator = ",\n";
  };
  if (is_object) {
    for (const auto& [key, child] : value.get_object()) {
      begin_entry();
      out += Concat(json::serialize(json::string(key)), ": ");
      WritePretty(child, deeper, out);
    }
  } else {
    for (const json::value& child : value.get_array()) {
      begin_entry();
      WritePretty(child, deeper, out);
    }
  }
  out += Concat('\n', indent, is_object ? '}' : ']');
}

}  // namespace

std::string OpenApiDocument(std::string_view version) {
  json::object paths;
  Schemas schemas;
  for (const JsonRoute& route : JsonRoutes()) {
    std::string path(route.path);
    if (const auto star = path.find('*'); star != std::string::npos) path.replace(star, 1, "{id}");
    json::value& of_path = paths[path];
    if (!of_path.is_object()) of_path.emplace_object();
    of_path.get_object()[AsciiLower(route.verb)] = Operation(route, schemas);
    if (route.has_body()) schemas.Add(*MethodOf(route).input_type());
    schemas.Add(*MethodOf(route).output_type());
  }
  json::object of_schemas = schemas.Take();
  of_schemas["Error"] = ErrorSchema();
  json::object error = Content("application/json", Ref("Error"));
  error["description"] = "What is wrong, as google.rpc.Status; Retry-After where it says when.";
  json::object document{
      {"openapi", "3.0.3"},
      {"info",
       {{"title", "fetchd"},
        {"version", version},
        {"description",
         "The API of fetchd over HTTP/JSON: docs/json-api.md. Messages are those of "
         "proto/fetchd/v1 in protobuf's own JSON mapping; 64-bit numbers are strings."}}},
      {"security", json::array{json::object{{"token", json::array()}}, json::object()}},
      {"paths", std::move(paths)},
      {"components",
       {{"securitySchemes", {{"token", {{"type", "http"}, {"scheme", "bearer"}}}}},
        {"responses", {{"Error", std::move(error)}}},
        {"schemas", std::move(of_schemas)}}}};
  std::string out;
  WritePretty(document, "", out);
  return out + '\n';
}

}  // namespace fetchd::rpc
