#include "egress/policy.h"

#include <absl/functional/function_ref.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "egress/address_ranges.h"
#include "egress/host_names.h"
#include "egress/target_rule.h"

namespace fetchd::egress {
namespace {

namespace ip = boost::asio::ip;

Judgement DeniedPort(std::uint16_t port) { return {Verdict::kPort, Concat("port ", port)}; }

}  // namespace

struct Policy::Rules {
  struct Named {
    TargetRule rule;
    std::string name;  ///< "egress.allow[0] 127.0.0.1/32".
  };
  /// Which deny rules count.
  enum class Deny { kAll, kOfService };

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
  std::optional<Judgement> FindDeny(Deny which, Predicate predicate) const {
    for (const auto* rules : {&deny, &own_deny}) {
      if (rules == &own_deny && which == Deny::kOfService) break;
      const auto found = std::ranges::find_if(*rules, predicate, &Named::rule);
      if (found != rules->end()) return Judgement{Verdict::kDeniedByRule, found->name};
    }
    return std::nullopt;
  }

  std::optional<Judgement> DenyAddress(const ip::address& address, std::uint16_t port,
                                       Deny which) const {
    return FindDeny(which, [&address, port](const TargetRule& rule) {
      return rule.CoversAddress(address) && rule.AdmitsPort(port);
    });
  }

  std::optional<Judgement> DenyName(std::string_view host, std::uint16_t port, Deny which) const {
    return FindDeny(which, [host, port](const TargetRule& rule) {
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
    if (IsOwn(address)) return {Verdict::kOwnAddress, "own address"};
    return JudgePort(port, host);
  }

  bool IsOwn(const ip::address& address) const {
    return std::ranges::find(own_addresses, address) != own_addresses.end();
  }

  // As if every denial held.
  Judgement StrictlyOfName(std::string_view host, std::uint16_t port, Deny which) const;
  Judgement StrictlyOfRemoteName(std::string_view host, std::uint16_t port, Deny which) const;
  Judgement StrictlyOfAddress(const ip::address& address, std::uint16_t port, std::string_view host,
                              Deny which) const;

  /// What the mode makes of it. `strictly` judges by these deny rules, `may_pass` says which
  /// denials are let through.
  Judgement ByMode(absl::FunctionRef<Judgement(Deny)> strictly,
                   absl::FunctionRef<bool(Verdict)> may_pass) const {
    Judgement judgement = strictly(Deny::kAll);
    judgement.mode = mode;
    if (!judgement.denies() || mode == Mode::kEnforce) return judgement;
    const bool by_rule = judgement.verdict == Verdict::kDeniedByRule;
    if (by_rule && mode == Mode::kOpen) return judgement;
    if (!by_rule) {
      judgement.passed = may_pass(judgement.verdict);
      return judgement;
    }
    // A rule that is tried out must not hide what never passes.
    Judgement without = strictly(Deny::kOfService);
    judgement.passed = !without.denies() ||
                       (without.verdict != Verdict::kDeniedByRule && may_pass(without.verdict));
    if (judgement.passed) return judgement;
    without.mode = mode;
    return without;
  }

  std::vector<Named> allow;  ///< The service's, then the tenant's own.
  std::vector<Named> deny;
  std::vector<Named> own_deny;
  std::vector<ip::address> own_addresses;
  std::vector<std::uint16_t> ports;
  Mode mode = Mode::kEnforce;
};

absl::StatusOr<std::shared_ptr<const Policy>> Policy::Create(PolicyConfig config) {
  Rules rules;
  if (std::ranges::count(config.ports, 0) != 0) {
    return absl::InvalidArgumentError("egress.ports: 0 is not a port; write 1 to 65535");
  }
  rules.ports = std::move(config.ports);
  rules.own_addresses = std::move(config.own_addresses);
  ASSIGN_OR_RETURN(rules.allow, Rules::Read("egress.allow", config.allow, ParseAllowRule));
  ASSIGN_OR_RETURN(rules.deny, Rules::Read("egress.deny", config.deny, ParseTargetRule));
  ASSIGN_OR_RETURN(std::vector<Rules::Named> own_allow,
                   Rules::Read(config.own_allow.key, config.own_allow.texts, ParseAllowRule));
  std::ranges::move(own_allow, std::back_inserter(rules.allow));
  ASSIGN_OR_RETURN(rules.own_deny,
                   Rules::Read(config.own_deny.key, config.own_deny.texts, ParseTargetRule));
  rules.mode = config.mode;
  // The constructor is private, which make_shared cannot see past.
  return std::shared_ptr<const Policy>(new Policy(std::make_shared<const Rules>(std::move(rules))));
}

std::vector<std::string> Policy::Remarks(const PolicyConfig& config) {
  std::vector<std::string> remarks;
  const auto remark = [&remarks](const std::string& key, const std::vector<std::string>& allow) {
    for (std::size_t i = 0; i < allow.size(); ++i) {
      const auto rule = ParseAllowRule(allow[i]);
      if (!rule.ok() || !rule->network || !HoldsGuardedBlock(*rule->network, rule->prefix)) {
        continue;
      }
      remarks.push_back(Concat(key, '[', i, "] ", allow[i],
                               ": does not open the link-local, metadata and unspecified addresses "
                               "in it; a rule for one address alone does"));
    }
  };
  remark("egress.allow", config.allow);
  remark(config.own_allow.key, config.own_allow.texts);
  return remarks;
}

Mode Policy::mode() const { return rules_->mode; }

Judgement Policy::Rules::StrictlyOfName(std::string_view host, std::uint16_t port,
                                        Deny which) const {
  if (auto denied = DenyName(host, port, which)) return *std::move(denied);
  if (auto allowed = AllowName(host, port)) return *std::move(allowed);
  if (const auto denied = FindDeniedName(host)) {
    const auto loopback = FindAllow(
        [port](const TargetRule& rule) { return rule.CoversLoopback() && rule.AdmitsPort(port); });
    if (loopback && IsLocalhost(host)) return *loopback;
    return {Verdict::kHostName, std::string(*denied)};
  }
  const bool port_may_be_admitted = OpensPort(port) || FindAllow([port](const TargetRule& rule) {
                                      return rule.network.has_value() && rule.AdmitsPort(port);
                                    });
  return port_may_be_admitted ? Judgement() : DeniedPort(port);
}

Judgement Policy::Rules::StrictlyOfRemoteName(std::string_view host, std::uint16_t port,
                                              Deny which) const {
  if (auto denied = DenyName(host, port, which)) return *std::move(denied);
  if (auto allowed = AllowName(host, port)) return *std::move(allowed);
  if (const auto denied = FindDeniedName(host)) return {Verdict::kHostName, std::string(*denied)};
  return JudgePort(port, host);
}

Judgement Policy::Rules::StrictlyOfAddress(const ip::address& address, std::uint16_t port,
                                           std::string_view host, Deny which) const {
  const ip::address target = Unwrap(address);
  if (auto denied = DenyAddress(target, port, which)) return *std::move(denied);
  if (address.is_v6() && !address.to_v6().is_v4_mapped()) {
    const ip::address_v6 v6 = address.to_v6();
    if (const auto embedded = FindEmbeddedIpv4(v6)) {
      return {embedded->verdict, std::string(embedded->cidr)};
    }
    const bool nat64 = target.is_v4();
    if (nat64) return JudgeGlobal(target, port, host);  // What it carries is public.
    if (auto allowed = AllowAddress(address, port)) return *std::move(allowed);
    if (const auto denied = FindDeniedRange(v6))
      return {denied->verdict, std::string(denied->cidr)};
    return JudgeGlobal(v6, port, host);
  }
  const ip::address_v4 v4 = target.to_v4();
  if (auto allowed = AllowAddress(v4, port)) return *std::move(allowed);
  if (const auto denied = FindDeniedRange(v4)) return {denied->verdict, std::string(denied->cidr)};
  return JudgeGlobal(v4, port, host);
}

Judgement Policy::JudgeUrl(const Url& url) const {
  if (url.address()) return JudgeAddress(*url.address(), url.port());
  return rules_->ByMode(
      [&](Rules::Deny which) { return rules_->StrictlyOfName(url.host(), url.port(), which); },
      [&](Verdict verdict) { return verdict != Verdict::kHostName || !IsLocalhost(url.host()); });
}

Judgement Policy::JudgeRemoteName(std::string_view host, std::uint16_t port) const {
  return rules_->ByMode(
      [&](Rules::Deny which) { return rules_->StrictlyOfRemoteName(host, port, which); },
      [](Verdict verdict) { return verdict == Verdict::kPort; });
}

Judgement Policy::JudgeAddresses(std::span<const ip::address> addresses, std::uint16_t port,
                                 std::string_view host, std::vector<ip::address>& admitted) const {
  const Judgement of_name = rules_->ByMode(
      [&](Rules::Deny which) { return rules_->DenyName(host, port, which).value_or(Judgement()); },
      [](Verdict) { return true; });
  if (!of_name.allowed()) return of_name;
  std::optional<Judgement> denied;
  Judgement allowed = of_name;
  for (const ip::address& address : addresses) {
    Judgement judgement = JudgeAddress(address, port, host);
    if (!judgement.allowed()) {
      if (!IsLocalhost(host)) return judgement;
      denied = std::move(judgement);
      continue;
    }
    const ip::address target = Unwrap(address);
    if (!allowed.passed) allowed = std::move(judgement);  // What is let through is to be told.
    if (std::ranges::find(admitted, target) == admitted.end()) admitted.push_back(target);
  }
  return denied && admitted.empty() ? *std::move(denied) : allowed;
}

Judgement Policy::JudgeAddress(const ip::address& address, std::uint16_t port,
                               std::string_view host) const {
  const ip::address target = Unwrap(address);
  Judgement judgement = rules_->ByMode(
      [&](Rules::Deny which) { return rules_->StrictlyOfAddress(address, port, host, which); },
      [&](Verdict verdict) {
        if (verdict == Verdict::kPort) return true;
        const bool private_network =
            verdict == Verdict::kPrivate || verdict == Verdict::kCarrierNat;
        const int bits = target.is_v4() ? 32 : 128;
        return private_network && !FindGuardedBlock(target, bits) && !rules_->IsOwn(target);
      });
  judgement.address = address;
  return judgement;
}

}  // namespace fetchd::egress
