#include "egress/host_names.h"

#include <array>

namespace fetchd::egress {
namespace {

constexpr auto kDeniedNames = std::to_array<std::string_view>(
    {"*.localhost", "*.local", "*.internal", "*.localdomain", "*.home.arpa", "*.svc",
     "*.cluster.local", "*.in-addr.arpa", "*.ip6.arpa", "*.onion"});

}  // namespace

bool IsSubdomain(std::string_view host, std::string_view parent) {
  return host.size() > parent.size() && host.ends_with(parent) &&
         host[host.size() - parent.size() - 1] == '.';
}

bool IsLocalhost(std::string_view host) {
  return host == "localhost" || IsSubdomain(host, "localhost");
}

std::optional<std::string_view> FindDeniedName(std::string_view host) {
  if (host == "localhost") return "localhost";
  for (const std::string_view rule : kDeniedNames) {
    const std::string_view parent = rule.substr(2);
    if (host == parent || IsSubdomain(host, parent)) return rule;
  }
  // A resolver would complete it by its search list, which in a cluster means a service.
  if (host.find('.') == std::string_view::npos) return "single label";
  return std::nullopt;
}

}  // namespace fetchd::egress
