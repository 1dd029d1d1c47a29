// Limits of tenants that several processes keep together: transfers, and bytes a second.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "fetch/allotments.h"
#include "fetch/promised_slots.h"

namespace fetchd::fetch {

/// What a tenant has at work here.
struct TenantUse {
  std::string tenant;
  std::size_t transfers = 0;
  std::size_t max_transfers = 0;  ///< Of all processes; 0: it has no limit of its own.
  bool has_rate = false;          ///< It has a limit on bytes a second.
};

/// What tenants are allotted. Thread-safe.
class SharedTenants final : public AllotmentUser {
 public:
  SharedTenants(Allotments& allotments, PromisedSlots& promised)
      : allotments_(allotments), promised_(promised) {}
  /// Who says what they have at work. Before Allotments::Run(), and valid as long as that runs.
  void Serve(std::function<std::vector<TenantUse>()> uses) { uses_ = std::move(uses); }

  /// Of its `limit` on transfers, what may be at work here; `used` of them are, and a job waits.
  std::size_t TransfersOf(const std::string& tenant, std::size_t limit, std::size_t used);
  /// Of its limit on bytes a second, the part that is this process's.
  double RateOf(const std::string& tenant);

  void AddUses(std::vector<SharedUse>& uses) override;
  void Reconsider(const std::string&) override {}  // The engine asks each time.

 private:
  Allotments& allotments_;
  PromisedSlots& promised_;
  std::function<std::vector<TenantUse>()> uses_;
};

}  // namespace fetchd::fetch
