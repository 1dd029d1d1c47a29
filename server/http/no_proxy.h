// Hosts that are contacted without a proxy.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "base/url.h"
#include "egress/target_rule.h"

namespace fetchd::http {

/// Immutable. Entries have the forms of `egress.allow`, each optionally with a port:
///  * "example.org" is that host, "*.example.org" the names under it, "*" every host;
///  * "10.0.0.0/8", "192.0.2.7", "fd00::/8", "[::1]:8080" match hosts written as addresses, IPv4 in
///    its mapped form included. A name is never resolved for it: what DNS says is the origin's to
///    choose, and the way to it is not.
/// Hosts are compared in the canonical form of Origin: no case, trailing dot, bracket or zone.
class NoProxyList {
 public:
  NoProxyList() = default;
  /// INVALID_ARGUMENT naming the entry that does not parse.
  static absl::StatusOr<NoProxyList> Create(const std::vector<std::string>& entries);

  bool Matches(const Origin& origin) const;

 private:
  bool everything_ = false;
  std::vector<egress::TargetRule> rules_;
};

}  // namespace fetchd::http
