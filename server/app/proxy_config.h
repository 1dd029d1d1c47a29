// `proxies` and `proxy` of the configuration, and what is made of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "app/proxy_environment.h"
#include "http/proxy_routes.h"
#include "net/tls.h"

namespace fetchd::app {

/// One of `proxies.<name>`, as written.
struct ProxySettings {
  std::string url;
  std::string username;
  std::string password_file;
  std::string tls_profile;
  bool resolves_names = false;
  bool job_choice = true;
};

struct ProxyConfig {
  std::map<std::string, ProxySettings> named;
  std::string default_name;  ///< Empty = none.
  std::vector<std::string> no_proxy;
  bool allow_direct = false;
  bool from_environment = false;
  ProxyEnvironment environment;  ///< Read when from_environment says so.
};

/// Reads the password files. Appends to `errors` whatever is wrong, each beginning with its key;
/// then the result is of no use.
http::ProxyRoutesConfig MakeProxyRoutes(const ProxyConfig& config,
                                        const std::map<std::string, net::TlsProfile>& profiles,
                                        std::vector<std::string>& errors);

}  // namespace fetchd::app
