#include "app/config_tenant_keys.h"

#include "app/config_kinds.h"
#include "app/config_values.h"
#include "base/strings.h"
#include "jobs/job.h"

namespace fetchd::app {
namespace {

constexpr std::uint64_t kMostJobs = 1'000'000'000;
constexpr std::uint64_t kLeastRate = 1024;

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

absl::StatusOr<std::vector<std::string>> ReadDestinations(const YAML::Node& node) {
  if (!node.IsSequence()) {
    return absl::InvalidArgumentError("expects a list, such as [\"file:{tenant}/\"]");
  }
  ASSIGN_OR_RETURN(std::vector<std::string> beginnings, ReadTextList(node));
  for (const std::string& begins : beginnings) {
    const bool whole = begins.ends_with('/') || begins.ends_with(':');
    if (whole && begins.find(':') != std::string::npos) continue;
    return absl::InvalidArgumentError(
        Concat("\"", begins,
               "\": expects the beginning of a destination up to a '/', such as "
               "file:reports/ or s3://bucket/, or file: for all files"));
  }
  return beginnings;
}

ConfigKey DestinationsKey() {
  return {"tenants.<name>.destinations",
          "list of beginnings",
          "With what its destinations begin, others are refused; {tenant} stands for its name: "
          "[\"file:{tenant}/\", \"s3://bucket/{tenant}/\"]. Default: everywhere.",
          false,
          [](const YAML::Node& node, const std::string& tenant, Config& config) -> absl::Status {
            RETURN_IF_ERROR(CheckTenant(tenant));
            ASSIGN_OR_RETURN(config.engine.tenants[tenant].destinations, ReadDestinations(node));
            return absl::OkStatus();
          },
          [](const Config& config) {
            Written written;
            for (const auto& [tenant, rule] : config.engine.tenants) {
              if (rule.destinations)
                written.emplace_back(tenant, WriteTextList(*rule.destinations));
            }
            return written;
          }};
}

ConfigKey EgressModeKey() {
  const Kind<egress::Mode> kind = ChoiceKind<egress::Mode>({{"enforce", egress::Mode::kEnforce},
                                                            {"report", egress::Mode::kReport},
                                                            {"open", egress::Mode::kOpen}});
  return {
      "tenants.<name>.egress.mode",
      kind.type,
      "What becomes of denials of its URLs. report lets pass, with a warning, and open without "
      "one: private addresses, ports, names that are refused before DNS; report also what its "
      "own egress.deny says. Never: loopback, link-local, metadata, reserved addresses, this "
      "machine's own, egress.deny of the service. Default enforce.",
      kind.is_text,
      [kind](const YAML::Node& node, const std::string& tenant, Config& config) -> absl::Status {
        RETURN_IF_ERROR(CheckTenant(tenant));
        ASSIGN_OR_RETURN(config.engine.tenants[tenant].egress.mode, kind.read(node));
        return absl::OkStatus();
      },
      [kind](const Config& config) {
        Written written;
        for (const auto& [tenant, rule] : config.engine.tenants) {
          if (rule.egress.mode) written.emplace_back(tenant, kind.write(*rule.egress.mode));
        }
        return written;
      }};
}

using EgressRules = std::optional<std::vector<std::string>> egress::TenantEgress::*;

ConfigKey EgressRulesKey(const char* name, EgressRules rules,
                         std::vector<std::string> egress::PolicyConfig::* as, const char* help) {
  return {name,
          "list of address and host rules",
          help,
          false,
          [=](const YAML::Node& node, const std::string& tenant, Config& config) -> absl::Status {
            RETURN_IF_ERROR(CheckTenant(tenant));
            egress::PolicyConfig alone;
            ASSIGN_OR_RETURN(alone.*as, ReadTextList(node));
            config.engine.tenants[tenant].egress.*rules = alone.*as;
            return egress::Policy::Create(std::move(alone)).status();
          },
          [=](const Config& config) {
            Written written;
            for (const auto& [tenant, rule] : config.engine.tenants) {
              const auto& texts = rule.egress.*rules;
              if (texts) written.emplace_back(tenant, WriteTextList(*texts));
            }
            return written;
          }};
}

}  // namespace

std::vector<ConfigKey> TenantKeys() {
  return {
      DestinationsKey(),
      EgressModeKey(),
      EgressRulesKey(
          "tenants.<name>.egress.allow", &egress::TenantEgress::allow, &egress::PolicyConfig::allow,
          "Exceptions to the default-deny for its URLs, besides egress.allow. Deny rules "
          "go before: those of egress.deny, too."),
      EgressRulesKey("tenants.<name>.egress.deny", &egress::TenantEgress::deny,
                     &egress::PolicyConfig::deny,
                     "What its URLs never reach, besides egress.deny and whatever any allow rule "
                     "says; of stores that are sources as well."),
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
      TenantKey(
          "bytes_per_sec", [](auto& rule) -> auto& { return rule.bytes_per_sec; },
          [](const YAML::Node& node) -> absl::StatusOr<std::uint64_t> {
            ASSIGN_OR_RETURN(const std::uint64_t rate, ReadSize(node));
            if (rate < kLeastRate) {
              return absl::InvalidArgumentError(Concat("at least ", kLeastRate));
            }
            return rate;
          },
          "All its bodies together are read no faster, those of Fetch among them; 1KiB at least. "
          "The limits of origins and of limits.bandwidth hold besides. Default: none."),
      TenantKey(
          "max_stored_bytes", [](auto& rule) -> auto& { return rule.max_stored_bytes; }, &ReadSize,
          "Bytes of the bodies that its jobs may have brought to files and objects, until these "
          "jobs "
          "are deleted: jobs are refused, and bodies end, with RESOURCE_EXHAUSTED. A destination "
          "counts once, with its last body. Bodies under way at once may exceed it together: each "
          "is held to what was left when its attempt began. Default: none."),
  };
}

}  // namespace fetchd::app
