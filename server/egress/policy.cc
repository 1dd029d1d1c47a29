#include "egress/policy.h"

#include <absl/functional/function_ref.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "egress/address_ranges.h"
#include "egress/host_names.h"
#include "egress/target_rule.h"

namespace fetchd::egress {
namespace {

namespace ip = boost::asio::ip;

std::string_view AdviceFor(Verdict verdict) {
  if (verdict == Verdict::kDeniedByRule) return "";
  return IsGuarded(verdict)
             ? "; an operator can permit it in egress.allow with a rule for that one "
               "address"
             : "; an operator can permit it in egress.allow";
}

Judgement DeniedPort(std::uint16_t port) { return {Verdict::kPort, Concat("port ", port)}; }

}  // namespace

struct Policy::Rules {
  struct Named {
    TargetRule rule;
    std::string name;  ///< "egress.allow[0] 127.0.0.1/32".
  };

  static absl::StatusOr<std::vector<Named>> Read(
      std::string_view key, const std::vector<std::string>& texts,
      absl::FunctionRef<absl::StatusOr<TargetRule>(std::string_view)> parse) {
    std::vector<Named> rules;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::string name = Concat(key, '[', i, "] ", texts[i]);
      auto rule = parse(texts[i]);
      if (!rule.ok()) return WithPrefix(rule.status(), name);
      rules.push_back({*std::move(rule), std::move(name)});
    }
    return rules;
  }

  template <typename Predicate>
  std::optional<Judgement> FindAllow(Predicate predicate) const {
    const auto found = std::ranges::find_if(allow, predicate, &Named::rule);
    if (found == allow.end()) return std::nullopt;
    return Judgement{Verdict::kAllowedByRule, found->name};
  }

  template <typename Predicate>
  std::optional<Judgement> FindDeny(Predicate predicate) const {
    const auto found = std::ranges::find_if(deny, predicate, &Named::rule);
    if (found == deny.end()) return std::nullopt;
    return Judgement{Verdict::kDeniedByRule, found->name};
  }

  std::optional<Judgement> DenyAddress(const ip::address& address, std::uint16_t port) const {
    return FindDeny([&address, port](const TargetRule& rule) {
      return rule.CoversAddress(address) && rule.AdmitsPort(port);
    });
  }

  std::optional<Judgement> DenyName(std::string_view host, std::uint16_t port) const {
    return FindDeny([host, port](const TargetRule& rule) {
      return rule.AdmitsName(host) && rule.AdmitsPort(port);
    });
  }

  std::optional<Judgement> AllowAddress(const ip::address& address, std::uint16_t port) const {
    return FindAllow([&address, port](const TargetRule& rule) {
      return rule.AdmitsAddress(address) && rule.AdmitsPort(port);
    });
  }

  std::optional<Judgement> AllowName(std::string_view host, std::uint16_t port) const {
    return FindAllow([host, port](const TargetRule& rule) {
      return rule.AdmitsName(host) && rule.AdmitsPort(port);
    });
  }

  bool OpensPort(std::uint16_t port) const { return std::ranges::count(ports, port) != 0; }

  // A name that is not denied, or an allowed address, except for the port.
  Judgement JudgePort(std::uint16_t port, std::string_view host) const {
    if (OpensPort(port)) return {};
    return AllowName(host, port).value_or(DeniedPort(port));
  }

  Judgement JudgeGlobal(const ip::address& address, std::uint16_t port,
                        std::string_view host) const {
    if (std::ranges::find(own_addresses, address) != own_addresses.end()) {
      return {Verdict::kOwnAddress, "own address"};
    }
    return JudgePort(port, host);
  }

  std::vector<Named> allow;
  std::vector<Named> deny;
  std::vector<ip::address> own_addresses;
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
    case Verdict::kOwnAddress:
      return "OWN_ADDRESS";
    case Verdict::kDeniedByRule:
      return "DENIED_BY_RULE";
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
  rules.own_addresses = std::move(config.own_addresses);
  ASSIGN_OR_RETURN(rules.allow, Rules::Read("egress.allow", config.allow, ParseAllowRule));
  ASSIGN_OR_RETURN(rules.deny, Rules::Read("egress.deny", config.deny, ParseTargetRule));
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
  if (auto denied = rules_->DenyName(url.host(), url.port())) return *std::move(denied);
  if (auto allowed = rules_->AllowName(url.host(), url.port())) return *std::move(allowed);
  if (const auto denied = FindDeniedName(url.host())) {
    const auto loopback = rules_->FindAllow([&url](const TargetRule& rule) {
      return rule.CoversLoopback() && rule.AdmitsPort(url.port());
    });
    if (loopback && IsLocalhost(url.host())) return *loopback;
    return {Verdict::kHostName, std::string(*denied)};
  }
  const bool port_may_be_admitted =
      rules_->OpensPort(url.port()) || rules_->FindAllow([&url](const TargetRule& rule) {
        return rule.network.has_value() && rule.AdmitsPort(url.port());
      });
  return port_may_be_admitted ? Judgement() : DeniedPort(url.port());
}

Judgement Policy::JudgeRemoteName(std::string_view host, std::uint16_t port) const {
  if (auto denied = rules_->DenyName(host, port)) return *std::move(denied);
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
  const ip::address target = Unwrap(address);
  if (auto denied = rules_->DenyAddress(target, port)) return *std::move(denied);
  if (address.is_v6() && !address.to_v6().is_v4_mapped()) {
    const ip::address_v6 v6 = address.to_v6();
    if (const auto embedded = FindEmbeddedIpv4(v6)) {
      return {embedded->verdict, std::string(embedded->cidr)};
    }
    const bool nat64 = target.is_v4();
    if (nat64) return rules_->JudgeGlobal(target, port, host);  // What it carries is public.
    if (auto allowed = rules_->AllowAddress(address, port)) return *std::move(allowed);
    if (const auto denied = FindDeniedRange(v6))
      return {denied->verdict, std::string(denied->cidr)};
    return rules_->JudgeGlobal(v6, port, host);
  }
  const ip::address_v4 v4 = target.to_v4();
  if (auto allowed = rules_->AllowAddress(v4, port)) return *std::move(allowed);
  if (const auto denied = FindDeniedRange(v4)) return {denied->verdict, std::string(denied->cidr)};
  return rules_->JudgeGlobal(v4, port, host);
}

absl::Status DeniedError(const Judgement& judgement, const Origin& origin) {
  const std::string verdict = VerdictName(judgement.verdict);
  const std::string port = Concat(origin.port);
  absl::Status status = absl::PermissionDeniedError(
      Concat("egress policy does not allow ", origin.host, " port ", port, ": ", verdict, " (",
             judgement.rule, ")", AdviceFor(judgement.verdict)));
  return WithReason(
      std::move(status),
      {"TARGET_NOT_ALLOWED",
       {{"verdict", verdict}, {"rule", judgement.rule}, {"host", origin.host}, {"port", port}}});
}

}  // namespace fetchd::egress
