// What the HTTP/JSON API is, for programs: an OpenAPI 3 document of the routes and of the messages.
#pragma once

#include <string>
#include <string_view>

namespace fetchd::rpc {

/// JSON with line breaks; the same for the same `version`.
std::string OpenApiDocument(std::string_view version);

}  // namespace fetchd::rpc
