#include "egress/tenant_policies.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace fetchd::egress {
namespace {

constexpr char kOthers[] = "*";

NamedRules Named(const std::string& tenant, const char* list,
                 const std::vector<std::string>& texts) {
  return {Concat("tenants.", tenant, ".egress.", list), texts};
}

/// Of a tenant; all else is the service's.
bool SaysTheSame(const PolicyConfig& a, const PolicyConfig& b) {
  const auto same = [](const NamedRules& one, const NamedRules& other) {
    // Judgements name the rule by where it is written.
    return one.texts == other.texts && (one.texts.empty() || one.key == other.key);
  };
  return a.mode == b.mode && same(a.own_allow, b.own_allow) && same(a.own_deny, b.own_deny);
}

}  // namespace

PolicyConfig PolicyConfigOf(PolicyConfig service, const TenantEgressRules& rules,
                            const std::string& tenant) {
  for (const std::string& name : {std::string(kOthers), tenant}) {
    const auto found = rules.find(name);
    if (found == rules.end()) continue;
    const TenantEgress& rule = found->second;
    if (rule.mode) service.mode = *rule.mode;
    if (rule.allow) service.own_allow = Named(name, "allow", *rule.allow);
    if (rule.deny) service.own_deny = Named(name, "deny", *rule.deny);
  }
  return service;
}

absl::StatusOr<TenantPolicies> TenantPolicies::Create(const PolicyConfig& service,
                                                      const TenantEgressRules& rules) {
  ASSIGN_OR_RETURN(auto for_all, Policy::Create(service));
  // Of each that is said, with the policy that it makes.
  std::vector<std::pair<PolicyConfig, std::shared_ptr<const Policy>>> made = {{service, for_all}};
  TenantPolicies policies(std::move(for_all));
  auto by_tenant = std::make_shared<ByName>();
  for (const auto& [tenant, rule] : rules) {
    if (rule.empty()) continue;
    PolicyConfig config = PolicyConfigOf(service, rules, tenant);
    const auto same = std::ranges::find_if(
        made, [&config](const auto& one) { return SaysTheSame(one.first, config); });
    if (same == made.end()) {
      ASSIGN_OR_RETURN(auto policy, Policy::Create(config));
      (*by_tenant)[tenant] = policy;
      made.emplace_back(std::move(config), std::move(policy));
    } else {
      (*by_tenant)[tenant] = same->second;
    }
  }
  policies.by_tenant_ = std::move(by_tenant);
  return policies;
}

const std::shared_ptr<const Policy>& TenantPolicies::For(std::string_view tenant) const {
  if (by_tenant_ == nullptr) return service_;
  for (const std::string_view name : {tenant, std::string_view(kOthers)}) {
    if (const auto found = by_tenant_->find(name); found != by_tenant_->end()) return found->second;
  }
  return service_;
}

}  // namespace fetchd::egress
