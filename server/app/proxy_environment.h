// What HTTP_PROXY and its kind say. Read only when `proxy.from_environment` asks for it.
#pragma once

#include <string>
#include <vector>

#include "net/proxy.h"

namespace fetchd::app {

/// Proxies are called by the variable that describes them; jobs cannot name them.
struct ProxyEnvironment {
  net::ProxyPtr for_http, for_https;  ///< Null = none.
  std::vector<std::string> no_proxy;  ///< In the forms of http::NoProxyList.
  std::vector<std::string> errors;    ///< Each names its variable, and nothing of its value.
  std::vector<std::string> warnings;
};

/// `variables` are "NAME=value". http_proxy, https_proxy, all_proxy and no_proxy, each also in
/// upper case; lower case goes first, empty is as good as absent, all_proxy is for what has none of
/// its own.
///  * A proxy is [scheme://][user:password@]host:port; schemes http (when there is none), https,
///    socks5 and socks5h, where the proxy resolves names.
///  * HTTP_PROXY is ignored when REQUEST_METHOD is set: then it may be a client's "Proxy:" header
///    (CVE-2016-5385).
///  * NO_PROXY is a list with commas: "example.org" is that host and the names under it,
///    ".example.org" the names under it, addresses, blocks and "*" as in `proxy.no_proxy`; each may
///    have a port. What is none of these is ignored with a warning: it goes through the proxy.
ProxyEnvironment ReadProxyEnvironment(const std::vector<std::string>& variables);

}  // namespace fetchd::app
