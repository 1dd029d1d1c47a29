#include "egress/policy.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "egress/address_ranges.h"
#include "egress/allow_rule.h"
#include "egress/host_names.h"

namespace fetchd::egress {
namespace {

namespace ip = boost::asio::ip;

Judgement DeniedPort(std::uint16_t port) { return {Verdict::kPort, Concat("port ", port)}; }

}  // namespace

struct Policy::Rules {
  struct Named {
    AllowRule rule;
    std::string name;  ///< "egress.allow[0] 127.0.0.1/32".
  };

  template <typename Predicate>
  std::optional<Judgement> FindAllow(Predicate predicate) const {
    const auto found = std::ranges::find_if(allow, predicate, &Named::rule);
    if (found == allow.end()) return std::nullopt;
    return Judgement{Verdict::kAllowedByRule, found->name};
  }

  std::optional<Judgement> AllowAddress(const ip::address& address, std::uint16_t port) const {
    return FindAllow([&address, port](const AllowRule& rule) {
      return rule.AdmitsAddress(address) && rule.AdmitsPort(port);
    });
  }

  std::optional<Judgement> AllowName(std::string_view host, std::uint16_t port) const {
    return FindAllow([host, port](const AllowRule& rule) {
      return rule.AdmitsName(host) && rule.AdmitsPort(port);
    });
  }

  bool OpensPort(std::uint16_t port) const { return std::ranges::count(ports, port) != 0; }

  // An allowed address, except for its port.
  Judgement JudgePort(std::uint16_t port, std::string_view host) const {
    if (OpensPort(port)) return {};
    return AllowName(host, port).value_or(DeniedPort(port));
  }

  std::vector<Named> allow;
  std::vector<std::uint16_t> ports;
};

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAllowed:
      return "ALLOWED";
    case Verdict::kAllowedByRule:
      return "ALLOWED_BY_RULE";
    case Verdict::kLoopback:
      return "LOOPBACK";
    case Verdict::kLinkLocal:
      return "LINK_LOCAL";
    case Verdict::kPrivate:
      return "PRIVATE";
    case Verdict::kCarrierNat:
      return "CARRIER_NAT";
    case Verdict::kMulticast:
      return "MULTICAST";
    case Verdict::kUnspecified:
      return "UNSPECIFIED";
    case Verdict::kReserved:
      return "RESERVED";
    case Verdict::kEmbedsIpv4:
      return "EMBEDS_IPV4";
    case Verdict::kCloudMetadata:
      return "CLOUD_METADATA";
    case Verdict::kPort:
      return "PORT";
    case Verdict::kHostName:
      return "HOST_NAME";
  }
  return "UNKNOWN";
}

absl::StatusOr<std::shared_ptr<const Policy>> Policy::Create(PolicyConfig config) {
  Rules rules;
  if (std::ranges::count(config.ports, 0) != 0) {
    return absl::InvalidArgumentError("egress.ports: 0 is not a port; write 1 to 65535");
  }
  rules.ports = std::move(config.ports);
  for (std::size_t i = 0; i < config.allow.size(); ++i) {
    const std::string name = Concat("egress.allow[", i, "] ", config.allow[i]);
    auto rule = ParseAllowRule(config.allow[i]);
    if (!rule.ok()) return WithPrefix(rule.status(), name);
    rules.allow.push_back({*std::move(rule), name});
  }
  // The constructor is private, which make_shared cannot see past.
  return std::shared_ptr<const Policy>(new Policy(std::make_shared<const Rules>(std::move(rules))));
}

std::vector<std::string> Policy::Remarks(const PolicyConfig& config) {
  std::vector<std::string> remarks;
  for (std::size_t i = 0; i < config.allow.size(); ++i) {
    const auto rule = ParseAllowRule(config.allow[i]);
    if (!rule.ok() || !rule->network || !HoldsGuardedBlock(*rule->network, rule->prefix)) continue;
    remarks.push_back(Concat("egress.allow[", i, "] ", config.allow[i],
                             ": does not open the link-local, metadata and unspecified addresses "
                             "in it; a rule for one address alone does"));
  }
  return remarks;
}

Judgement Policy::JudgeUrl(const Url& url) const {
  if (url.address()) return JudgeAddress(*url.address(), url.port());
  if (auto allowed = rules_->AllowName(url.host(), url.port())) return *std::move(allowed);
  if (const auto denied = FindDeniedName(url.host())) {
    const auto loopback = rules_->FindAllow([&url](const AllowRule& rule) {
      return rule.CoversLoopback() && rule.AdmitsPort(url.port());
    });
    if (loopback && IsLocalhost(url.host())) return *loopback;
    return {Verdict::kHostName, std::string(*denied)};
  }
  const bool port_may_be_admitted =
      rules_->OpensPort(url.port()) || rules_->FindAllow([&url](const AllowRule& rule) {
        return rule.network.has_value() && rule.AdmitsPort(url.port());
      });
  return port_may_be_admitted ? Judgement() : DeniedPort(url.port());
}

Judgement Policy::JudgeRemoteName(std::string_view host, std::uint16_t port) const {
  if (auto allowed = rules_->AllowName(host, port)) return *std::move(allowed);
  if (const auto denied = FindDeniedName(host)) return {Verdict::kHostName, std::string(*denied)};
  return rules_->JudgePort(port, host);
}

Judgement Policy::JudgeAddresses(std::span<const ip::address> addresses, std::uint16_t port,
                                 std::string_view host, std::vector<ip::address>& admitted) const {
  std::optional<Judgement> denied;
  Judgement allowed;
  for (const ip::address& address : addresses) {
    const Judgement judgement = JudgeAddress(address, port, host);
    if (!judgement.allowed()) {
      if (!IsLocalhost(host)) return judgement;
      denied = judgement;
      continue;
    }
    allowed = judgement;
    const ip::address target = Unwrap(address);
    if (std::ranges::find(admitted, target) == admitted.end()) admitted.push_back(target);
  }
  return denied && admitted.empty() ? *denied : allowed;
}

Judgement Policy::JudgeAddress(const ip::address& address, std::uint16_t port,
                               std::string_view host) const {
  if (address.is_v6() && !address.to_v6().is_v4_mapped()) {
    const ip::address_v6 v6 = address.to_v6();
    if (const auto embedded = FindEmbeddedIpv4(v6)) {
      return {embedded->verdict, std::string(embedded->cidr)};
    }
    const bool nat64 = Unwrap(address).is_v4();
    if (nat64) return rules_->JudgePort(port, host);  // What it carries is public.
    if (auto allowed = rules_->AllowAddress(address, port)) return *std::move(allowed);
    if (const auto denied = FindDeniedRange(v6))
      return {denied->verdict, std::string(denied->cidr)};
    return rules_->JudgePort(port, host);
  }
  const ip::address_v4 v4 = Unwrap(address).to_v4();
  if (auto allowed = rules_->AllowAddress(v4, port)) return *std::move(allowed);
  if (const auto denied = FindDeniedRange(v4)) return {denied->verdict, std::string(denied->cidr)};
  return rules_->JudgePort(port, host);
}

absl::Status DeniedError(const Judgement& judgement, const Origin& origin) {
  const std::string verdict = VerdictName(judgement.verdict);
  const std::string port = Concat(origin.port);
  const std::string_view how =
      IsGuarded(judgement.verdict) ? " with a rule for that one address" : "";
  absl::Status status = absl::PermissionDeniedError(
      Concat("egress policy does not allow ", origin.host, " port ", port, ": ", verdict, " (",
             judgement.rule, "); an operator can permit it in egress.allow", how));
  return WithReason(
      std::move(status),
      {"TARGET_NOT_ALLOWED",
       {{"verdict", verdict}, {"rule", judgement.rule}, {"host", origin.host}, {"port", port}}});
}

}  // namespace fetchd::egress
