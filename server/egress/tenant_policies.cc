#include "egress/tenant_policies.h"

#include "base/strings.h"

namespace fetchd::egress {
namespace {

constexpr char kOthers[] = "*";

NamedRules Named(const std::string& tenant, const char* list,
                 const std::vector<std::string>& texts) {
  return {Concat("tenants.", tenant, ".egress.", list), texts};
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
  TenantPolicies policies(std::move(for_all));
  auto by_tenant = std::make_shared<ByName>();
  for (const auto& [tenant, rule] : rules) {
    if (rule.empty()) continue;
    ASSIGN_OR_RETURN((*by_tenant)[tenant], Policy::Create(PolicyConfigOf(service, rules, tenant)));
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
