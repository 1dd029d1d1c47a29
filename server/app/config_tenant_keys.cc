#include "app/config_tenant_keys.h"

#include "app/config_values.h"
#include "base/strings.h"
#include "jobs/job.h"

namespace fetchd::app {
namespace {

constexpr std::uint64_t kMostJobs = 1'000'000'000;

using Written = std::vector<std::pair<std::string, std::string>>;

absl::Status CheckTenant(const std::string& name) {
  if (name == "*" || jobs::IsTenantName(name)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "a tenant is 1 to 63 of a-z, 0-9, '.', '_' and '-', a letter or a digit first; \"*\": all "
      "that are not named");
}

/// A key `tenants.<name>.<key>`. `at` finds the optional field, `read_value` reads it from the
/// node.
template <typename At, typename Read>
ConfigKey TenantKey(const char* key, At at, Read read_value, const char* help) {
  return {Concat("tenants.<name>.", key),
          "number",
          help,
          false,
          [=](const YAML::Node& node, const std::string& tenant, Config& config) -> absl::Status {
            RETURN_IF_ERROR(CheckTenant(tenant));
            ASSIGN_OR_RETURN(at(config.engine.tenants[tenant]), read_value(node));
            return absl::OkStatus();
          },
          [=](const Config& config) {
            Written written;
            for (const auto& [tenant, rule] : config.engine.tenants) {
              if (at(rule)) written.emplace_back(tenant, Concat(*at(rule)));
            }
            return written;
          }};
}

}  // namespace

std::vector<ConfigKey> TenantKeys() {
  return {
      TenantKey(
          "weight", [](auto& rule) -> auto& { return rule.weight; }, &ReadRate,
          "How often the turn of this tenant's jobs comes beside those of others; \"*\": of all "
          "that are not named. Default 1."),
      TenantKey(
          "max_jobs", [](auto& rule) -> auto& { return rule.max_jobs; },
          [](const YAML::Node& node) { return ReadNumber(node, 0, kMostJobs); },
          "Jobs that it may have that have not ended; a further one is RESOURCE_EXHAUSTED. Default "
          "1000000."),
      TenantKey(
          "max_transfers", [](auto& rule) -> auto& { return rule.max_transfers; },
          [](const YAML::Node& node) { return ReadNumber(node, 0, kMany); },
          "Its jobs at work at once; 0: they wait. Default: limits.transfers, less one of eight "
          "while there are other tenants."),
  };
}

}  // namespace fetchd::app
