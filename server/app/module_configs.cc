#include "app/module_configs.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "app/callers_file.h"
#include "app/credential_files.h"
#include "app/fd_limits.h"
#include "app/named_secret_files.h"
#include "app/sealing_keys.h"
#include "app/store_policy.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

absl::Status CheckCallersFile(const CallersConfig& callers) {
  const absl::StatusOr<std::string> text = ReadGuardedFile(callers.file);
  const absl::Status read = text.ok() ? ParseCallers(*text, callers.file).status() : text.status();
  return WithPrefix(read, "callers.file");
}

absl::Status CheckKeyFile(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadGuardedFile(path);
  const absl::Status read = text.ok() ? rpc::ParseJwks(*text).status() : text.status();
  return WithPrefix(read, "callers.jwt.keys");
}

}  // namespace

std::size_t AllConnections(const Config& config) {
  return config.client.max_connections + ConnectionsFor(config.stores);
}

absl::StatusOr<http::ClientConfig> ClientConfigOf(const Config& config) {
  constexpr std::uint64_t kSmallest = 64 << 10;  // About what HTTP/2 starts with (RFC 9113 6.9.2).
  constexpr std::uint64_t kLargest = 16 << 20;
  http::ClientConfig client = config.client;
  client.max_connections = AllConnections(config);
  client.resolver.timeout = config.engine.timeouts.dial.dns;
  std::vector<std::string> errors;
  auto routes = MakeProxyRoutes(config.proxy, config.tls_profiles, errors);
  if (!errors.empty()) return absl::InvalidArgumentError(errors.front());
  std::ranges::move(MetadataAddressesOf(config.stores), std::back_inserter(routes.no_proxy));
  ASSIGN_OR_RETURN(client.proxy_routes, http::ProxyRoutes::Create(std::move(routes)));
  ASSIGN_OR_RETURN(client.origin_rules, ReadOriginRules(config));
  ASSIGN_OR_RETURN(client.netrc, ReadNetrc(config.netrc_file));
  const std::uint64_t share = config.buffer_bytes / config.engine.max_transfers;
  client.http2_connection.stream_window_bytes =
      static_cast<std::uint32_t>(std::clamp(share, kSmallest, kLargest));
  return client;
}

std::map<std::string, net::TlsProfile> AllProfiles(const Config& config) {
  std::map<std::string, net::TlsProfile> profiles = config.tls_profiles;
  profiles[""] = config.tls;
  return profiles;
}

absl::StatusOr<std::uint64_t> FileLimitFor(const Config& config) {
  ASSIGN_OR_RETURN(const std::uint64_t limit, RaiseFileLimit());
  const Connections connections{config.client.max_connections, ConnectionsFor(config.stores)};
  RETURN_IF_ERROR(CheckFileLimit(limit, connections, config.engine.max_transfers));
  return limit;
}

rpc::ConnectionLimits CallerConnectionsOf(const Config& config, std::uint64_t file_limit) {
  rpc::ConnectionLimits limits = config.grpc_connections;
  limits.connections = CallerConnectionsFor(
      limits.connections, file_limit,
      {config.client.max_connections, ConnectionsFor(config.stores)}, config.engine.max_transfers);
  return limits;
}

fetch::EngineConfig EngineConfigOf(const Config& config, http::OriginRules rules) {
  fetch::EngineConfig engine = config.engine;
  engine.pacer.max_cool_down = engine.retry.max_retry_after;
  engine.pacer.limits_of = [rules = std::move(rules)](const Origin& origin) {
    const http::OriginRule rule = rules.For(origin);
    return fetch::OriginLimits{rule.max_transfers, rule.requests_per_sec, rule.bytes_per_sec};
  };
  for (const auto& [name, profile] : config.tls_profiles) {
    if (!profile.certificate_file.empty()) engine.redirects.identifying_profiles.push_back(name);
  }
  return engine;
}

egress::TenantEgressRules TenantEgressOf(const Config& config) {
  egress::TenantEgressRules rules;
  for (const auto& [tenant, rule] : config.engine.tenants) rules[tenant] = rule.egress;
  return rules;
}

absl::Status CheckServerTls(const rpc::ServerTls& tls) {
  if (!tls.enabled()) return absl::OkStatus();
  const std::map<std::string, net::TlsProfile> as_profile = {
      {"", {.certificate_file = tls.certificate_file, .key_file = tls.key_file}}};
  const absl::Status own = net::TlsContexts::Create(as_profile).status();
  if (!own.ok()) return absl::FailedPreconditionError(Concat("grpc.tls: ", MessageOf(own)));
  const std::map<std::string, net::TlsProfile> callers = {{"", {.ca_file = tls.client_ca_file}}};
  const absl::Status theirs = net::TlsContexts::Create(callers).status();
  if (theirs.ok()) return absl::OkStatus();
  return absl::FailedPreconditionError(Concat("grpc.tls.client_ca_file: ", MessageOf(theirs)));
}

std::vector<std::string> CheckMachine(const Config& config) {
  std::vector<absl::Status> checks = {FileLimitFor(config).status()};
  for (const auto& profile : AllProfiles(config)) {
    checks.push_back(net::TlsContexts::Create({profile}).status());
  }
  checks.push_back(CheckServerTls(config.grpc_tls));
  if (config.admin_tls.enabled()) checks.push_back(admin::LoadTls(config.admin_tls).status());
  if (!config.callers.file.empty()) checks.push_back(CheckCallersFile(config.callers));
  if (config.callers.jwt.enabled() && !config.callers.jwt.from_url()) {
    checks.push_back(CheckKeyFile(config.callers.jwt.keys));
  }
  checks.push_back(ReadOriginRules(config).status());
  checks.push_back(ReadNetrc(config.netrc_file).status());
  checks.push_back(CheckSealingKeys(config));
  checks.push_back(ReadNamedSecrets(config.secrets).status());
  for (const auto& [name, store] : config.stores) {
    if (store.credentials != StoreCredentials::kStatic) continue;
    checks.push_back(ReadStoreKeys(name, store).status());
  }
  std::vector<std::string> errors;
  for (const absl::Status& status : checks) {
    if (!status.ok()) errors.push_back(MessageOf(status));
  }
  return errors;
}

}  // namespace fetchd::app
