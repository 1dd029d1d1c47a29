// Which way requests go to their origins.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "http/no_proxy.h"
#include "http/origin_rules.h"
#include "net/proxy.h"

namespace fetchd::http {

/// Stands for no proxy where a proxy's name may stand.
inline constexpr std::string_view kDirect = "direct";

struct ProxyRoutesConfig {
  struct Named {
    net::ProxyPtr proxy;
    bool jobs_may_name = true;
  };
  std::map<std::string, Named, std::less<>> named;
  /// Where nobody says anything else, by the origin's scheme; null = direct.
  net::ProxyPtr default_http, default_https;
  /// Exceptions to these two, and to nothing else: see NoProxyList.
  std::vector<std::string> no_proxy;
  bool allow_direct = false;  ///< Jobs may say "direct" where the configuration names a proxy.
};

/// Immutable; shared by all shards.
class ProxyRoutes {
 public:
  ProxyRoutes() = default;
  /// INVALID_ARGUMENT naming the entry of no_proxy that does not parse.
  static absl::StatusOr<ProxyRoutes> Create(ProxyRoutesConfig config);

  /// Nothing is configured: only a request that asks for a proxy needs a look.
  bool empty() const {
    return config_.named.empty() && !config_.default_http && !config_.default_https;
  }

  /// The proxy for a request to `origin`; null = direct. What the request `asked` for goes first,
  /// then what the origin's `rule` says, then the default unless no_proxy excepts the origin.
  /// INVALID_ARGUMENT: there is no such proxy. PERMISSION_DENIED: PROXY_REQUIRED ("direct" where
  /// the configuration names a proxy), PROXY_NOT_FOR_JOBS.
  absl::StatusOr<net::ProxyPtr> Choose(const Origin& origin, std::string_view asked,
                                       const OriginRule& rule) const;

 private:
  absl::StatusOr<net::ProxyPtr> Configured(const Origin& origin, const OriginRule& rule) const;
  absl::StatusOr<const ProxyRoutesConfig::Named*> Find(std::string_view name) const;

  ProxyRoutesConfig config_;
  NoProxyList no_proxy_;
};

}  // namespace fetchd::http
