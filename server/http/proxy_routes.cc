#include "http/proxy_routes.h"

#include <utility>

#include "base/strings.h"
#include "net/error.h"

namespace fetchd::http {

absl::StatusOr<ProxyRoutes> ProxyRoutes::Create(ProxyRoutesConfig config) {
  ProxyRoutes routes;
  ASSIGN_OR_RETURN(routes.no_proxy_, NoProxyList::Create(config.no_proxy));
  routes.config_ = std::move(config);
  return routes;
}

absl::StatusOr<net::ProxyPtr> ProxyRoutes::Choose(const Origin& origin, std::string_view asked,
                                                  const OriginRule& rule) const {
  if (asked.empty()) return Configured(origin, rule);
  if (asked != kDirect) {
    ASSIGN_OR_RETURN(const ProxyRoutesConfig::Named* named, Find(asked));
    if (named->jobs_may_name) return named->proxy;
    return WithReason(absl::PermissionDeniedError(Concat("jobs may not name the proxy \"", asked,
                                                         "\" (proxies.", asked, ".job_choice)")),
                      {"PROXY_NOT_FOR_JOBS", {{"proxy", std::string(asked)}}});
  }
  if (config_.allow_direct) return nullptr;
  ASSIGN_OR_RETURN(const net::ProxyPtr configured, Configured(origin, rule));
  if (configured == nullptr) return nullptr;
  return WithReason(absl::PermissionDeniedError(Concat(net::PeerName(origin),
                                                       " is reached through ", configured->Title(),
                                                       "; \"direct\" takes proxy.allow_direct")),
                    {"PROXY_REQUIRED", {{"proxy", configured->name}, {"host", origin.host}}});
}

absl::StatusOr<net::ProxyPtr> ProxyRoutes::Configured(const Origin& origin,
                                                      const OriginRule& rule) const {
  if (rule.proxy == kDirect) return nullptr;
  if (rule.proxy) {
    ASSIGN_OR_RETURN(const ProxyRoutesConfig::Named* named, Find(*rule.proxy));
    return named->proxy;
  }
  const net::ProxyPtr& by_default =
      origin.scheme == "https" ? config_.default_https : config_.default_http;
  return by_default == nullptr || no_proxy_.Matches(origin) ? nullptr : by_default;
}

absl::StatusOr<const ProxyRoutesConfig::Named*> ProxyRoutes::Find(std::string_view name) const {
  const auto found = config_.named.find(name);
  if (found != config_.named.end()) return &found->second;
  return absl::InvalidArgumentError(Concat("no proxy is called \"", name, '"'));
}

}  // namespace fetchd::http
