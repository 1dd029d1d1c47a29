#include "fetch/shared_tenants.h"

#include "base/strings.h"
#include "fetch/shared_origins.h"

namespace fetchd::fetch {
namespace {

std::string TenantKey(const std::string& tenant) { return Concat("tenant ", tenant); }
std::string TenantRateKey(const std::string& tenant) { return Concat("tenant rate ", tenant); }

}  // namespace

std::size_t SharedTenants::TransfersOf(const std::string& tenant, std::size_t limit,
                                       std::size_t used) {
  const std::string key = TenantKey(tenant);
  const std::size_t slots = promised_.Of(key, limit);
  // How many jobs there are nobody knows.
  if (slots <= used && slots < limit) allotments_.Want(key, limit, limit);
  return slots;
}

double SharedTenants::RateOf(const std::string& tenant) {
  const std::string key = TenantRateKey(tenant);
  WantPartOfRate(allotments_, key);
  return PartOfRate(allotments_, key);
}

void SharedTenants::AddUses(std::vector<SharedUse>& uses) {
  for (const TenantUse& use : uses_()) {
    if (use.max_transfers > 0) {
      uses.push_back({TenantKey(use.tenant), use.max_transfers, use.transfers, use.transfers});
    }
    if (use.has_rate) uses.push_back({TenantRateKey(use.tenant), kPartsOfRate, 0, kPartsOfRate});
  }
}

}  // namespace fetchd::fetch
