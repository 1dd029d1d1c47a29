#include "fetch/tenant_rules.h"

#include <algorithm>

namespace fetchd::fetch {
namespace {

void Override(TenantLimits& limits, const TenantRule& rule) {
  limits.weight = rule.weight.value_or(limits.weight);
  limits.max_jobs = rule.max_jobs.value_or(limits.max_jobs);
  if (rule.max_transfers) limits.max_transfers = rule.max_transfers;
  if (rule.bytes_per_sec) limits.bytes_per_sec = rule.bytes_per_sec;
  if (rule.max_stored_bytes) limits.max_stored_bytes = rule.max_stored_bytes;
}

std::string Filled(std::string text, const std::string& tenant) {
  constexpr std::string_view kName = "{tenant}";
  for (std::size_t at = text.find(kName); at != std::string::npos; at = text.find(kName, at)) {
    text.replace(at, kName.size(), tenant);
    at += tenant.size();
  }
  return text;
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

jobs::TenantBounds BoundsOf(const TenantRules& rules, const std::string& tenant) {
  const TenantLimits limits = LimitsOf(rules, tenant);
  jobs::TenantBounds bounds{.live_jobs = limits.max_jobs};
  bounds.stored_bytes = limits.max_stored_bytes.value_or(bounds.stored_bytes);
  return bounds;
}

bool MayWriteTo(const TenantRules& rules, const std::string& tenant, std::string_view destination) {
  if (destination == "discard:") return true;
  for (const std::string& name : {tenant, std::string("*")}) {
    const auto rule = rules.find(name);
    if (rule == rules.end() || !rule->second.destinations) continue;
    return std::ranges::any_of(*rule->second.destinations, [&](const std::string& begins) {
      return destination.starts_with(Filled(begins, tenant));
    });
  }
  return true;
}

std::size_t MostTransfers(const TenantLimits& limits, std::size_t transfers, bool has_others) {
  constexpr std::size_t kShares = 8;
  const std::size_t share = transfers - (has_others ? transfers / kShares : 0);
  return std::min(share, limits.max_transfers.value_or(share));
}

}  // namespace fetchd::fetch
