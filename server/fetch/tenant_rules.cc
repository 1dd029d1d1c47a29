#include "fetch/tenant_rules.h"

#include <algorithm>

namespace fetchd::fetch {
namespace {

void Override(TenantLimits& limits, const TenantRule& rule) {
  limits.weight = rule.weight.value_or(limits.weight);
  limits.max_jobs = rule.max_jobs.value_or(limits.max_jobs);
  if (rule.max_transfers) limits.max_transfers = rule.max_transfers;
}

}  // namespace

bool NamesTenants(const TenantRules& rules) {
  return std::ranges::any_of(rules, [](const auto& rule) { return rule.first != "*"; });
}

TenantLimits LimitsOf(const TenantRules& rules, const std::string& tenant) {
  TenantLimits limits;
  for (const std::string& name : {std::string("*"), tenant}) {
    if (const auto rule = rules.find(name); rule != rules.end()) Override(limits, rule->second);
  }
  return limits;
}

std::size_t MostTransfers(const TenantLimits& limits, std::size_t transfers, bool has_others) {
  constexpr std::size_t kShares = 8;
  const std::size_t share = transfers - (has_others ? transfers / kShares : 0);
  return std::min(share, limits.max_transfers.value_or(share));
}

}  // namespace fetchd::fetch
