// What each tenant may have of what all share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "egress/tenant_policies.h"
#include "jobs/store.h"

namespace fetchd::fetch {

/// What the configuration says of a tenant; absent: what it says of "*", then the default.
struct TenantRule {
  std::optional<double> weight;
  std::optional<std::uint64_t> max_jobs;
  std::optional<std::size_t> max_transfers;
  std::optional<std::uint64_t> bytes_per_sec;
  std::optional<std::uint64_t> max_stored_bytes;
  /// With what the destinations of its jobs begin, "{tenant}" being its name: "file:{tenant}/".
  std::optional<std::vector<std::string>> destinations;
  egress::TenantEgress egress;  ///< Where its URLs may lead.
};

struct TenantLimits {
  double weight = 1;                         ///< How often its turn comes, beside those of others.
  std::uint64_t max_jobs = 1'000'000;        ///< That have not ended.
  std::optional<std::size_t> max_transfers;  ///< Jobs at work at once; absent: none of its own.
  std::optional<std::uint64_t> bytes_per_sec;  ///< Of all its bodies together, Fetch's too.
  /// Of its bodies at destinations (Store::StoredBytes); absent: none of its own. Each body is held
  /// to what was left when its attempt began: those under way at once may exceed it together, and
  /// what jobs that wait keep of a body is not counted.
  std::optional<std::uint64_t> max_stored_bytes;
};

/// By name; "*" is for those that are not named.
using TenantRules = std::map<std::string, TenantRule>;

/// Does it name any?
bool NamesTenants(const TenantRules& rules);

TenantLimits LimitsOf(const TenantRules& rules, const std::string& tenant);
/// Those of LimitsOf that a store holds submissions to.
jobs::TenantBounds BoundsOf(const TenantRules& rules, const std::string& tenant);

/// Whether its jobs may write there, as the text of a resolved destination. Everywhere, where
/// nothing is said of it; discard: always.
bool MayWriteTo(const TenantRules& rules, const std::string& tenant, std::string_view destination);

/// How many jobs a tenant may have at work of `transfers`: all, or while there are others seven of
/// eight, so that one is free when a job of another comes; and no more than its own limit.
std::size_t MostTransfers(const TenantLimits& limits, std::size_t transfers, bool has_others);

}  // namespace fetchd::fetch
