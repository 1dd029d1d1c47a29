// Writes the head of a request (RFC 9112 3, 5).
#pragma once

#include <string>
#include <string_view>

#include "http/message.h"

namespace fetchd::http {

/// Replaces `out` with the head: Host first, then the client's own fields, then those of the
/// request; a User-Agent or an Accept of the request takes the place of the client's.
/// INVALID_ARGUMENT when a field could break out of its line.
absl::Status ComposeRequestHead(const Request& request, std::string_view user_agent,
                                std::string& out);

}  // namespace fetchd::http
