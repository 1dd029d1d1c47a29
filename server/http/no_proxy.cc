#include "http/no_proxy.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "base/strings.h"
#include "egress/policy.h"

namespace fetchd::http {

absl::StatusOr<NoProxyList> NoProxyList::Create(const std::vector<std::string>& entries) {
  NoProxyList list;
  for (const std::string& entry : entries) {
    if (entry == "*") {
      list.everything_ = true;
      continue;
    }
    absl::StatusOr<egress::TargetRule> rule = egress::ParseAllowRule(entry);
    if (!rule.ok()) return WithPrefix(rule.status(), Concat('"', entry, '"'));
    list.rules_.push_back(*std::move(rule));
  }
  return list;
}

bool NoProxyList::Matches(const Origin& origin) const {
  if (everything_) return true;
  boost::system::error_code a_name;
  const auto address = egress::Unwrap(boost::asio::ip::make_address(origin.host, a_name));
  return std::ranges::any_of(rules_, [&](const egress::TargetRule& rule) {
    const bool admits = a_name ? rule.AdmitsName(origin.host) : rule.AdmitsAddress(address);
    return admits && rule.AdmitsPort(origin.port);
  });
}

}  // namespace fetchd::http
