// The policy of each tenant.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "egress/policy.h"

namespace fetchd::egress {

/// What the configuration says of a tenant; absent: what it says of "*", then the default.
struct TenantEgress {
  std::optional<Mode> mode;
  std::optional<std::vector<std::string>> allow, deny;
  bool empty() const { return !mode && !allow && !deny; }
};
/// By name; "*" is for those that are not named.
using TenantEgressRules = std::map<std::string, TenantEgress>;

/// What becomes of the service's policy by what is said of `tenant`.
PolicyConfig PolicyConfigOf(PolicyConfig service, const TenantEgressRules& rules,
                            const std::string& tenant);

/// Tenants without rules of their own, or with those of "*", and of the same mode have the same
/// object: they may use one another's connections. Immutable, cheap to copy.
class TenantPolicies {
 public:
  /// One for all. Not explicit: where tenants are no matter, a policy stands for its own kind.
  // NOLINTNEXTLINE(google-explicit-constructor)
  TenantPolicies(std::shared_ptr<const Policy> service) : service_(std::move(service)) {}

  /// INVALID_ARGUMENT as Policy::Create.
  static absl::StatusOr<TenantPolicies> Create(const PolicyConfig& service,
                                               const TenantEgressRules& rules);

  const std::shared_ptr<const Policy>& service() const { return service_; }
  const std::shared_ptr<const Policy>& For(std::string_view tenant) const;

 private:
  using ByName = std::map<std::string, std::shared_ptr<const Policy>, std::less<>>;

  std::shared_ptr<const Policy> service_;
  std::shared_ptr<const ByName> by_tenant_;  ///< Null: none is named.
};

}  // namespace fetchd::egress
