#include "app/config_secret_keys.h"

#include <algorithm>

#include "app/config_kinds.h"
#include "app/config_rows.h"
#include "http/origin_rules.h"
#include "jobs/job.h"

namespace fetchd::app {
namespace {

constexpr std::size_t kMaxSecretNameSize = 63;

absl::Status CheckSecretName(const std::string& name) {
  const bool good =
      name.size() <= kMaxSecretNameSize && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
      });
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the name of a secret is 1 to 63 of a-z, 0-9, '-', '_' and '.'");
}

absl::StatusOr<std::vector<std::string>> ReadHosts(const YAML::Node& node) {
  ASSIGN_OR_RETURN(std::vector<std::string> hosts, ReadTextList(node));
  for (const std::string& host : hosts) {
    const absl::StatusOr<http::HostPattern> pattern = http::HostPattern::Parse(host);
    if (!pattern.ok()) return WithPrefix(pattern.status(), Concat('"', host, '"'));
    if (!pattern->names_host()) {
      return absl::InvalidArgumentError(
          "\"*\": would be told to every host: name the hosts that may see it");
    }
  }
  return hosts;
}

absl::StatusOr<std::vector<std::string>> ReadTenants(const YAML::Node& node) {
  ASSIGN_OR_RETURN(std::vector<std::string> tenants, ReadTextList(node));
  for (const std::string& tenant : tenants) {
    if (tenant == "*" || jobs::IsTenantName(tenant)) continue;
    return absl::InvalidArgumentError(
        Concat('"', tenant, "\" is no tenant: 1 to 63 of a-z, 0-9, '.', '_' and '-'; \"*\": all"));
  }
  return tenants;
}

absl::StatusOr<std::vector<std::string>> ReadCommand(const YAML::Node& node) {
  if (!node.IsSequence()) {
    return absl::InvalidArgumentError(
        "expects a list, the program and its arguments: there is no shell; such as "
        "[\"/usr/local/bin/fetchd-keys\", \"--region\", \"eu-central-1\"]");
  }
  return ReadTextList(node);
}

Kind<std::vector<std::string>> ListKind(const char* type, absl::StatusOr<std::vector<std::string>> (
                                                              *read_list)(const YAML::Node& node)) {
  return {type, false, read_list, WriteTextList};
}

template <typename T>
ConfigKey SecretKey(const char* key, Kind<T> kind, T NamedSecretConfig::* field, const char* help) {
  const auto named = [](auto& config) -> auto& { return config.secrets.named; };
  return NamedKey("secrets.named", named, key, std::move(kind), field, help, &CheckSecretName);
}

ConfigKey CommandKey() {
  return {"secrets.key_command",
          "list: a program and its arguments",
          "Instead of the file: run once at the start, without a shell; its output is the keys. "
          "Fails the start when it does, with what it wrote to stderr.",
          false,
          [](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(config.secrets.key_command, ReadCommand(node));
            return absl::OkStatus();
          },
          [](const Config& config) {
            return WrittenValues{{"", WriteTextList(config.secrets.key_command)}};
          }};
}

}  // namespace

std::vector<ConfigKey> SecretKeys() {
  return {
      TextKey("secrets.key_file", FETCHD_AT(secrets.key_file),
              "Keys that seal credentials in the database: 32 random bytes, or one key a line in "
              "hexadecimal or Base64, of which the first seals and the others still open. Empty: "
              "<data_dir>/fetchd.key, which is made."),
      CommandKey(),
      DurationKey("secrets.key_command_timeout", FETCHD_AT(secrets.key_command_timeout),
                  "How long that may take."),
      SecretKey("file", TextKind("path"), &NamedSecretConfig::file,
                "A file with a secret in its only line, which jobs name instead of sending it; "
                "read again every grpc.reload_interval."),
      SecretKey("hosts", ListKind("list of hosts", ReadHosts), &NamedSecretConfig::hosts,
                "Where it may be sent: example.org, \"*.example.org\" (the names under it), each "
                "optionally with :port; over plain http only with one."),
      SecretKey("tenants", ListKind("list of tenants", ReadTenants), &NamedSecretConfig::tenants,
                "Whose jobs may name it; \"*\": those of all."),
  };
}

void CheckSecrets(const SecretsConfig& secrets, std::vector<std::string>& errors) {
  if (!secrets.key_file.empty() && !secrets.key_command.empty()) {
    errors.push_back("secrets.key_command: give either this or secrets.key_file");
  }
  for (const auto& [name, secret] : secrets.named) {
    const auto missing = [&](const char* key, const char* why) {
      errors.push_back(Concat("secrets.named.", name, '.', key, ": is missing; ", why));
    };
    if (secret.file.empty()) missing("file", "name the file that holds it");
    if (secret.hosts.empty()) missing("hosts", "name the hosts that may see it");
    if (secret.tenants.empty()) missing("tenants", "name those who may use it; [\"*\"]: all");
  }
}

}  // namespace fetchd::app
