#include <algorithm>
#include <chrono>
#include <filesystem>
#include <system_error>

#include "admin/listen_address.h"
#include "app/config_loader.h"
#include "app/config_secret_keys.h"
#include "base/byte_size.h"
#include "base/strings.h"
#include "rpc/server.h"
#include "store/postgres_url.h"

namespace fetchd::app {
namespace {

constexpr std::string_view kSqlite = "sqlite:";
constexpr Duration kShortestLease = std::chrono::seconds(1);
constexpr Duration kLongestLease = std::chrono::minutes(10);
constexpr Duration kMaxGrace = std::chrono::hours(24);
constexpr Duration kMaxClockSkew = std::chrono::minutes(10);
/// Two of the largest buffers: one for the jobs and one for the streams.
constexpr std::uint64_t kMinBufferBytes = std::uint64_t{2} << 20;
/// Two decoders of the largest window, for one body.
constexpr std::uint64_t kMinDecodeBytes = std::uint64_t{40} << 20;

void CheckStore(const Config& config, std::vector<std::string>& errors) {
  const std::string& url = config.store_url;
  if (config.store_lease < kShortestLease || config.store_lease > kLongestLease) {
    errors.push_back("store.lease: from 1s to 10m");
  }
  if (config.UsesPostgres()) {
    const absl::Status usable = store::CheckPostgresUrl(url);
    if (!usable.ok()) errors.push_back(Concat("store.url: ", MessageOf(usable)));
    if (config.secrets.key_file.empty() && config.secrets.key_command.empty()) {
      errors.push_back(
          "secrets.key_file: is missing; processes that share a database need the same keys: give "
          "them here or by secrets.key_command");
    }
    return;
  }
  if (!url.empty() && (!url.starts_with(kSqlite) || url.size() == kSqlite.size())) {
    errors.push_back(
        "store.url: expects sqlite:PATH, such as sqlite:/var/lib/fetchd/fetchd.db, or "
        "postgres://USER@HOST/DATABASE");
  }
  if (!config.store_password_file.empty()) {
    errors.push_back("store.password_file: is of no use without a store.url of PostgreSQL");
  }
}

void CheckLimits(const Config& config, std::vector<std::string>& errors) {
  if (config.engine.max_transfers > config.client.max_connections) {
    errors.push_back(Concat("limits.transfers: ", config.engine.max_transfers,
                            " is more than limits.connections (", config.client.max_connections,
                            "): a transfer needs a connection; raise that one or lower this one"));
  }
  if (config.shutdown_grace > kMaxGrace) {
    errors.push_back("shutdown.grace: at most 24h");
  }
  if (config.buffer_bytes < kMinBufferBytes) {
    errors.push_back(Concat("limits.buffer_bytes: ", config.buffer_bytes,
                            " is too little; at least ", kMinBufferBytes, " (2MiB)"));
  }
  if (config.client.decode_bytes < kMinDecodeBytes) {
    errors.push_back(Concat("limits.decode_bytes: ", config.client.decode_bytes,
                            " is too little; at least ", kMinDecodeBytes, " (40MiB)"));
  }
  if (config.engine.retry.base_delay > config.engine.retry.max_delay) {
    errors.push_back("retry.base_delay: is longer than retry.max_delay");
  }
}

// A transfer that waits for the memory of a part holds a buffer meanwhile: those who fill parts
// must find theirs all the same (sink/buffer.h).
void CheckReadingMemory(const Config& config, std::vector<std::string>& errors) {
  constexpr std::uint64_t kBuffer = 256 << 10;
  const std::uint64_t wanted = 4 * kBuffer * config.engine.max_transfers;
  if (config.stores.empty() || config.buffer_bytes >= wanted) return;
  errors.push_back(Concat("limits.buffer_bytes: with stores.<name> each of limits.transfers (",
                          config.engine.max_transfers, ") takes 1MiB of it: raise it to ",
                          FormatByteSize(wanted), ", or lower limits.transfers"));
}

void CheckListeners(const Config& config, std::vector<std::string>& errors) {
  const absl::Status grpc = rpc::CheckListenAddress(
      config.grpc_listen,
      {config.grpc_tls.enabled(), config.callers.enabled(), config.grpc_insecure});
  if (!grpc.ok()) errors.push_back(MessageOf(grpc));
  if (config.admin_listen == admin::kOff) return;
  const auto admin = admin::ParseListenAddress(config.admin_listen);
  const absl::Status reached =
      admin.ok() ? admin::CheckReach(*admin, config.admin_tls.asks_for_certificates(),
                                     config.admin_insecure)
                 : admin.status();
  if (!reached.ok()) errors.push_back(MessageOf(reached));
}

void CheckFilesTogether(const std::string& prefix, const std::string& certificate_file,
                        const std::string& key_file, const std::string& client_ca_file,
                        std::vector<std::string>& errors) {
  if (certificate_file.empty() != key_file.empty()) {
    errors.push_back(Concat(prefix, key_file.empty() ? "key_file" : "certificate_file",
                            ": is missing; certificate_file and key_file are given together"));
  }
  if (!client_ca_file.empty() && certificate_file.empty()) {
    errors.push_back(Concat(prefix,
                            "client_ca_file: needs certificate_file: without TLS no caller "
                            "shows a certificate"));
  }
}

void CheckServerTls(const rpc::ServerTls& tls, std::vector<std::string>& errors) {
  CheckFilesTogether("grpc.tls.", tls.certificate_file, tls.key_file, tls.client_ca_file, errors);
  if (tls.client_certificate_required && tls.client_ca_file.empty()) {
    errors.push_back(
        "grpc.tls.client_certificates: needs client_ca_file: without it no certificate is asked "
        "for");
  }
  if (tls.connection_age < std::chrono::seconds(1) || tls.connection_age > std::chrono::hours(24)) {
    errors.push_back("grpc.tls.connection_age: expects 1s to 24h");
  }
  if (tls.reload_interval < std::chrono::seconds(1) ||
      tls.reload_interval % std::chrono::seconds(1) != Duration::zero()) {
    errors.push_back("grpc.reload_interval: expects whole seconds, at least 1s");
  }
}

void CheckJwt(const JwtConfig& jwt, const std::map<std::string, net::TlsProfile>& profiles,
              std::vector<std::string>& errors) {
  if (!jwt.enabled()) {
    if (jwt == JwtConfig()) return;
    errors.push_back(
        "callers.jwt.keys: is missing; without it no JWT is taken, and the other settings of "
        "callers.jwt do nothing");
    return;
  }
  if (jwt.rules.issuer.empty()) errors.push_back("callers.jwt.issuer: is missing");
  if (jwt.rules.audience.empty()) errors.push_back("callers.jwt.audience: is missing");
  if (jwt.rules.clock_skew > kMaxClockSkew) {
    errors.push_back("callers.jwt.clock_skew: at most 10m: so long does a token outlive its exp");
  }
  const absl::Status url = jwt.from_url() ? jwt.KeysUrl().status() : absl::OkStatus();
  if (!url.ok()) errors.push_back(Concat("callers.jwt.keys: ", MessageOf(url)));
  if (!jwt.tls_profile.empty() && !profiles.contains(jwt.tls_profile)) {
    errors.push_back(Concat("callers.jwt.tls_profile: there is no tls.profiles.", jwt.tls_profile));
  }
}

void CheckCallers(const Config& config, std::vector<std::string>& errors) {
  CheckJwt(config.callers.jwt, config.tls_profiles, errors);
  if (config.grpc_tls.client_ca_file.empty() || config.callers.enabled()) return;
  errors.push_back(
      "grpc.tls.client_ca_file: needs callers.file, which says who it is that shows a "
      "certificate");
}

void CheckPrewarm(const std::string& pattern, const OriginConfig& rule, const Config& config,
                  std::vector<std::string>& errors) {
  const std::string key = Concat("origins.", pattern, ".prewarm");
  if (rule.prewarm_scheme && !rule.prewarm) {
    errors.push_back(Concat(key, "_scheme: there is no prewarm with it"));
  }
  if (!rule.prewarm) return;
  const absl::StatusOr<http::HostPattern> host = http::HostPattern::Parse(pattern);
  const auto url = host.ok() ? host->ToUrl(rule.prewarm_scheme.value_or("https")) : std::nullopt;
  if (!url) {
    errors.push_back(Concat(key, ": needs one host, such as example.org or [::1]:8443"));
    return;
  }
  const std::map<std::string, http::OriginRule> plain(config.origins.begin(), config.origins.end());
  const absl::StatusOr<http::OriginRules> rules = http::OriginRules::Create(plain);
  if (!rules.ok()) return;  // For another pattern, which has its own error.
  const std::size_t most =
      rules->For(url->origin()).max_connections.value_or(config.client.max_per_host);
  if (*rule.prewarm > most) {
    errors.push_back(Concat(key, ": ", *rule.prewarm, " is more than the host may have (", most,
                            "): raise origins.", pattern, ".connections or lower this one"));
  }
}

void CheckCredentials(const std::string& pattern, const OriginConfig& origin,
                      std::vector<std::string>& errors) {
  const auto wrong = [&](const char* key, const char* what) {
    errors.push_back(Concat("origins.", pattern, '.', key, ": ", what));
  };
  if (origin.username.has_value() != origin.password_file.has_value()) {
    wrong(origin.username ? "username" : "password_file",
          "username and password_file are given together or not at all");
  }
  if (origin.username && origin.username->contains(':')) {
    wrong("username", "a user name cannot hold a colon");
  }
  if (origin.username && origin.bearer_token_file) {
    wrong("bearer_token_file", "give either this or a username");
  }
  const absl::StatusOr<http::HostPattern> parsed = http::HostPattern::Parse(pattern);
  const bool any_host = parsed.ok() && !parsed->names_host();
  if (any_host && (origin.username || origin.bearer_token_file)) {
    wrong(origin.username ? "username" : "bearer_token_file",
          "would be told to every host: name the hosts that may see it");
  }
}

void CheckOrigins(const Config& config, std::vector<std::string>& errors) {
  for (const auto& [pattern, rule] : config.origins) {
    CheckPrewarm(pattern, rule, config, errors);
    CheckCredentials(pattern, rule, errors);
    if (rule.tls_profile && !config.tls_profiles.contains(*rule.tls_profile)) {
      errors.push_back(Concat("origins.", pattern, ".tls_profile: there is no tls.profiles.",
                              *rule.tls_profile));
    }
    if (rule.proxy && *rule.proxy != http::kDirect && !config.proxy.named.contains(*rule.proxy)) {
      errors.push_back(Concat("origins.", pattern, ".proxy: there is no proxies.", *rule.proxy));
    }
  }
}

void CheckDns(const Config& config, std::vector<std::string>& errors) {
  if (config.client.resolver.min_ttl > config.client.resolver.max_ttl) {
    errors.push_back("dns.min_ttl: is longer than dns.max_ttl");
  }
}

/// Callers choose paths below the root: neither the jobs nor the key may be among them.
void CheckFilesRoot(const Config& config, std::vector<std::string>& errors) {
  std::error_code ignored;  // Then the path is taken as it is written.
  const auto root = std::filesystem::weakly_canonical(config.FilesRoot(), ignored);
  std::vector<std::filesystem::path> all = {config.data_dir};
  if (!config.UsesPostgres()) all.push_back(config.DatabasePath());
  for (const std::filesystem::path& ours : all) {
    const auto path = std::filesystem::weakly_canonical(ours, ignored);
    const auto [root_end, path_end] = std::ranges::mismatch(root, path);
    // A trailing slash is an empty last element.
    if (root_end != root.end() && !root_end->empty()) continue;
    errors.push_back(Concat("files.root: ", root.string(), " contains ", path.string(),
                            ", where the jobs and the key are: choose a directory of its own"));
    return;
  }
}

void RemarkOnTenants(const Config& config, std::vector<std::string>& remarks) {
  for (const auto& [tenant, rule] : config.engine.tenants) {
    egress::PolicyConfig own;
    if (rule.egress.allow)
      own.own_allow = {Concat("tenants.", tenant, ".egress.allow"), *rule.egress.allow};
    for (std::string& remark : egress::Policy::Remarks(own)) remarks.push_back(std::move(remark));
    if (rule.egress.mode.value_or(egress::Mode::kEnforce) == egress::Mode::kEnforce) continue;
    remarks.push_back(Concat("tenants.", tenant,
                             ".egress.mode: ", egress::ModeName(*rule.egress.mode),
                             " lets URLs of this tenant reach private networks; enforce does not"));
  }
}

}  // namespace

bool Config::UsesPostgres() const { return store::IsPostgresUrl(store_url); }

std::string Config::DatabaseName() const {
  return UsesPostgres() ? store::WithoutPassword(store_url) : DatabasePath().string();
}

std::filesystem::path Config::DatabasePath() const {
  if (store_url.empty()) return std::filesystem::path(data_dir) / "fetchd.db";
  return store_url.substr(kSqlite.size());
}

std::filesystem::path Config::FilesRoot() const {
  return files_root.empty() ? std::filesystem::path(data_dir) / "files"
                            : std::filesystem::path(files_root);
}

std::filesystem::path Config::OwnKeyFile() const {
  return std::filesystem::path(data_dir) / "fetchd.key";
}

std::vector<std::string> CheckConfig(const Config& config) {
  std::vector<std::string> errors;
  if (config.data_dir.empty()) errors.push_back("data_dir: must not be empty");
  CheckStore(config, errors);
  CheckLimits(config, errors);
  CheckOrigins(config, errors);
  MakeProxyRoutes(config.proxy, config.tls_profiles, errors);
  CheckStores(config.stores, config.tls_profiles, config.buffer_bytes, errors);
  CheckReadingMemory(config, errors);
  CheckDns(config, errors);
  CheckListeners(config, errors);
  CheckServerTls(config.grpc_tls, errors);
  CheckFilesTogether("admin.tls.", config.admin_tls.certificate_file, config.admin_tls.key_file,
                     config.admin_tls.client_ca_file, errors);
  CheckCallers(config, errors);
  CheckFilesRoot(config, errors);
  CheckSecrets(config.secrets, errors);
  return errors;
}

std::vector<std::string> WarningsAbout(const Config& config) {
  std::vector<std::string> remarks = egress::Policy::Remarks(config.egress);
  RemarkOnTenants(config, remarks);
  RemarkOnStores(config.stores, remarks);
  return remarks;
}

}  // namespace fetchd::app
