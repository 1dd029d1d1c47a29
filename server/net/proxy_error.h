// What goes wrong with a proxy, as statuses. Each names the proxy and carries a Reason with
// metadata "phase", "proxy", "peer" and, where the proxy gave one, its "answer".
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "net/proxy.h"

namespace fetchd::net {

/// UNAVAILABLE, PROXY_CONNECT_FAILED: the proxy was not reached, or did not reach the target.
absl::Status ProxyConnectError(const Proxy& proxy, std::string_view what, std::string_view peer,
                               std::string_view answer = {});
/// PERMISSION_DENIED, PROXY_DENIED: the proxy's rules forbid the target.
absl::Status ProxyDeniedError(const Proxy& proxy, std::string_view what, std::string_view peer,
                              std::string_view answer);
/// FAILED_PRECONDITION, PROXY_AUTH_REQUIRED: the proxy asks for credentials when none are
/// configured, or refuses those that are.
absl::Status ProxyAuthError(const Proxy& proxy, std::string_view peer, std::string_view answer);
/// FAILED_PRECONDITION, PROXY_PROTOCOL_ERROR: the proxy does not speak the protocol, or gave an
/// answer that asking again does not change.
absl::Status ProxyProtocolError(const Proxy& proxy, std::string_view what, std::string_view peer,
                                std::string_view answer = {});

}  // namespace fetchd::net
