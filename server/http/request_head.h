// Writes the head of a request (RFC 9112 3 and 5, RFC 9113 8.3).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "net/proxy.h"

namespace fetchd::http {

/// Replaces `out` with the head: Host first, then the client's own fields, then those of the
/// request; a User-Agent or an Accept of the request takes the place of the client's. For a proxy
/// that forwards it, the target is in absolute-form and the proxy's credentials come along (RFC
/// 9112 3.2.2, RFC 9110 11.7.2). INVALID_ARGUMENT when a field could break out of its line.
absl::Status ComposeRequestHead(const Request& request, std::string_view user_agent,
                                const net::Proxy* forwarding, std::string& out);

/// The same for HTTP/2: pseudo-header fields first, names in lower case.
absl::Status ComposeRequestFields(const Request& request, std::string_view user_agent,
                                  std::vector<Header>& out);

}  // namespace fetchd::http
