#include "app/config_schema.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <numeric>

#include "app/config_callers_keys.h"
#include "app/config_grpc_keys.h"
#include "app/config_origin_keys.h"
#include "app/config_proxy_keys.h"
#include "app/config_rows.h"
#include "app/config_secret_keys.h"
#include "app/config_store_keys.h"
#include "app/config_tenant_keys.h"
#include "app/config_tls_keys.h"
#include "app/config_values.h"
#include "base/strings.h"
#include "store/postgres_url.h"

namespace fetchd::app {
namespace {

constexpr std::string_view kChosen = "<name>";

using Written = WrittenValues;

ConfigKey RulesKey(const char* name, std::vector<std::string> egress::PolicyConfig::* rules,
                   const char* help) {
  return {
      name,
      "list of address and host rules",
      help,
      false,
      [rules](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
        ASSIGN_OR_RETURN(config.egress.*rules, ReadTextList(node));
        egress::PolicyConfig alone;
        alone.*rules = config.egress.*rules;
        return egress::Policy::Create(std::move(alone)).status();
      },
      [rules](const Config& config) { return Written{{"", WriteTextList(config.egress.*rules)}}; }};
}

ConfigKey PortsKey() {
  return {"egress.ports",
          "list of ports",
          "Ports that may be contacted on public addresses.",
          false,
          [](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
            if (!node.IsSequence()) {
              return absl::InvalidArgumentError("expects a list of ports, such as [80, 443]");
            }
            std::vector<std::uint16_t> ports;
            for (const YAML::Node& item : node) {
              ASSIGN_OR_RETURN(const std::uint64_t port, ReadNumber(item, 1, 65535));
              ports.push_back(static_cast<std::uint16_t>(port));
            }
            config.egress.ports = std::move(ports);
            return absl::OkStatus();
          },
          [](const Config& config) {
            std::string out;
            for (const std::uint16_t port : config.egress.ports) {
              out += Concat(out.empty() ? "" : ", ", port);
            }
            return Written{{"", Concat('[', out, ']')}};
          }};
}

ConfigKey H2cOriginsKey() {
  return {"http.h2c_origins",
          "list of http origins",
          "Spoken to in HTTP/2 without TLS (prior knowledge): [\"http://internal:8080\"].",
          false,
          [](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(const std::vector<std::string> texts, ReadTextList(node));
            std::vector<Origin> origins;
            for (const std::string& text : texts) {
              const absl::StatusOr<Url> url = Url::Parse(text);
              if (!url.ok() || url->is_https() || url->target() != "/") {
                return absl::InvalidArgumentError(
                    Concat("\"", text, "\" is no http origin, such as http://internal:8080"));
              }
              origins.push_back(url->origin());
            }
            config.client.http2_origins = std::move(origins);
            return absl::OkStatus();
          },
          [](const Config& config) {
            std::vector<std::string> texts;
            for (const Origin& origin : config.client.http2_origins) {
              texts.push_back(origin.ToString());
            }
            return Written{{"", WriteTextList(texts)}};
          }};
}

ConfigKey DnsServersKey() {
  return {"dns.servers",
          "list of servers in one text",
          "DNS servers, \"10.0.0.2:53,[2001:db8::1]:53,10.0.0.3\". Empty: the system's, after "
          "/etc/hosts.",
          true,
          [](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string servers, ReadText(node));
            ASSIGN_OR_RETURN(config.client.resolver.servers, net::ParseDnsServers(servers));
            return absl::OkStatus();
          },
          [](const Config& config) {
            const net::DnsServers& servers = config.client.resolver.servers;
            return Written{{"", WriteText(net::FormatDnsServers(servers))}};
          }};
}

ConfigKey StoreUrlKey() {
  ConfigKey key = TextKey(
      "store.url", FETCHD_AT(store_url),
      "Where jobs are stored: sqlite:PATH; or postgres://USER@HOST:PORT/DATABASE, which any number "
      "of processes share. Empty: sqlite:<data_dir>/fetchd.db.");
  key.write = [](const Config& config) {
    return Written{{"", WriteText(store::WithoutPassword(config.store_url))}};
  };
  return key;
}

std::vector<ConfigKey> StorageKeys() {
  return {
      TextKey("data_dir", FETCHD_AT(data_dir), "Where the jobs, their own key and the files live."),
      StoreUrlKey(),
      TextKey(
          "store.password_file", FETCHD_AT(store_password_file),
          "A file with the password for PostgreSQL in its only line, instead of one in store.url "
          "or in libpq's own places (PGPASSFILE)."),
      DurationKey(
          "store.lease", FETCHD_AT(store_lease),
          "On PostgreSQL: others take over the jobs of a process that is not heard of for so "
          "long."),
      TextKey("files.root", FETCHD_AT(files_root),
              "Where file: destinations are. Empty: <data_dir>/files."),
  };
}

std::vector<ConfigKey> EdgeKeys() {
  return {
      TextKey(
          "admin.listen", FETCHD_AT(admin_listen),
          "Address of /livez, /readyz, /metrics and the JSON API over HTTP; port 0 takes a free "
          "one, off is none."),
      ChoiceKey<bool>("admin.api", FETCHD_AT(admin_api), {{"on", true}, {"off", false}},
                      "The JSON API over HTTP, and the dashboard, which asks it. off: "
                      "admin.listen has /livez, /readyz and /metrics alone, and anything else is "
                      "404."),
      BoolKey("admin.insecure", FETCHD_AT(admin_insecure),
              "Tell metrics to everybody on an address that other machines reach. The JSON API is "
              "served there with callers.file and admin.tls alone: tokens are not for plain text."),
      TextKey("admin.tls.certificate_file", FETCHD_AT(admin_tls.certificate_file),
              "The certificate of the admin listener (PEM, its intermediates after it), for HTTPS. "
              "Empty: plain text."),
      TextKey("admin.tls.key_file", FETCHD_AT(admin_tls.key_file),
              "Its private key (PEM, without passphrase)."),
      TextKey(
          "admin.tls.client_ca_file", FETCHD_AT(admin_tls.client_ca_file),
          "Authorities (PEM) of clients' certificates: /metrics is then for those who show one, "
          "/livez and /readyz for all. Empty: none is asked for."),
      RulesKey("egress.allow", &egress::PolicyConfig::allow,
               "Exceptions to the default-deny: 10.0.0.0/8, 127.0.0.1/32:8080, "
               "\"*.corp.example\"."),
      RulesKey("egress.deny", &egress::PolicyConfig::deny,
               "What callers' URLs never reach, whatever egress.allow says; any block may stand "
               "here. Stores of objects and proxies are the operator's own, and not meant. Of what "
               "a proxy resolves, names alone are judged."),
      PortsKey(),
      ChoiceKey<Ipv4Forms>("egress.ipv4_literals", FETCHD_AT(engine.url.ipv4_forms),
                           {{"canonical", Ipv4Forms::kCanonical}, {"whatwg", Ipv4Forms::kWhatwg}},
                           "How IPv4 literals in URLs may be written: dotted quads only, or as in "
                           "browsers."),
  };
}

std::vector<ConfigKey> DnsKeys() {
  return {
      DnsServersKey(),
      DurationKey("dns.min_ttl", FETCHD_AT(client.resolver.min_ttl),
                  "Answers are kept at least this long, whatever their TTL.", true),
      DurationKey("dns.max_ttl", FETCHD_AT(client.resolver.max_ttl),
                  "Answers are kept at most this long, whatever their TTL; 0: none is kept.", true),
      DurationKey("dns.negative_ttl", FETCHD_AT(client.resolver.negative_ttl),
                  "How long it is believed that a name does not exist.", true),
      DurationKey("dns.stale_if_error", FETCHD_AT(client.resolver.stale_if_error),
                  "How long after its time an answer serves while the servers fail or are silent; "
                  "0: not at all.",
                  true),
      NumberKey("dns.cache_entries", FETCHD_AT(client.resolver.max_entries), 1, kMany,
                "Names that are kept on each of runtime.shards."),
  };
}

std::vector<ConfigKey> AuthKeys() {
  return {
      TextKey("auth.netrc_file", FETCHD_AT(netrc_file),
              "Logins by host (.netrc) for jobs to which nothing else gives any; not readable by "
              "others. Empty: none."),
  };
}

ConfigKey BandwidthKey() {
  return {"limits.bandwidth",
          "bytes a second, by time of day",
          "Bytes a second of all bodies together: 10MiB, off, or from times (UTC) on: "
          "08:00=2MiB 18:30=off.",
          true,
          [](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(const std::string text, ReadText(node));
            ASSIGN_OR_RETURN(config.engine.bandwidth, fetch::BandwidthSchedule::Parse(text));
            return absl::OkStatus();
          },
          [](const Config& config) {
            return Written{{"", WriteText(config.engine.bandwidth.ToString())}};
          }};
}

std::vector<ConfigKey> LimitKeys() {
  return {
      NumberKey("limits.connections", FETCHD_AT(client.max_connections), 1, kMany,
                "Open connections to origins, idle ones included."),
      NumberKey("limits.per_host", FETCHD_AT(client.max_per_host), 1, kMany,
                "Of these, to one host and port."),
      NumberKey("limits.transfers", FETCHD_AT(engine.max_transfers), 1, kMany,
                "Jobs and Fetch streams that run at once; at most limits.connections."),
      SizeKey("limits.buffer_bytes", FETCHD_AT(buffer_bytes),
              "Memory for body bytes of all transfers together; streams to callers may hold half. "
              "Reads "
              "that several share hold up to an eighth of it besides."),
      BandwidthKey(),
      SizeKey("fetch.max_body_bytes", FETCHD_AT(engine.max_body_bytes),
              "Longer bodies are refused."),
      BoolKey("fetch.verify_declared", FETCHD_AT(engine.verify_declared),
              "Refuse bodies that are not what their origin declares: Repr-Digest, Content-Digest, "
              "Content-MD5, x-amz-checksum-sha256 and -crc32c."),
      SizeKey(
          "limits.decode_bytes", FETCHD_AT(client.decode_bytes),
          "Memory of the decoders of content codings, besides limits.buffer_bytes; a body takes "
          "64KiB for gzip and deflate, 9MiB for zstd, 20MiB for br, or waits."),
      NumberKey(
          "limits.decode_ratio", FETCHD_AT(engine.decode.max_ratio), 1, kMany,
          "Bodies over 1MiB that grow more often than this when they are decoded are refused."),
      NumberKey("segments.max_connections", FETCHD_AT(engine.segments.max_connections), 1, 32,
                "Over how many connections at once the body of one job is read when each of them "
                "makes it faster; 1: over one."),
      SizeKey("segments.min_bytes", FETCHD_AT(engine.segments.min_bytes),
              "So much of a body must be left before one more connection is tried."),
      DurationKey("shutdown.grace", FETCHD_AT(shutdown_grace),
                  "How long transfers may go on after SIGTERM.", true),
  };
}

std::vector<ConfigKey> TimeoutKeys() {
  return {
      DurationKey("timeouts.dns", FETCHD_AT(engine.timeouts.dial.dns), "Resolving a name."),
      DurationKey("timeouts.connect", FETCHD_AT(engine.timeouts.dial.connect),
                  "Connecting, all addresses together."),
      DurationKey("timeouts.proxy", FETCHD_AT(engine.timeouts.dial.proxy),
                  "From a proxy reached to its way open, all addresses together."),
      DurationKey("timeouts.tls", FETCHD_AT(engine.timeouts.dial.tls), "The TLS handshake."),
      DurationKey("timeouts.first_byte", FETCHD_AT(engine.timeouts.first_byte),
                  "From the request to the response's head."),
      DurationKey("timeouts.read_idle", FETCHD_AT(engine.timeouts.read_idle),
                  "Between two reads that bring bytes."),
      DurationKey("timeouts.caller_idle", FETCHD_AT(caller_idle),
                  "How long a caller of Fetch, ReadBody, WatchJobs or WatchBatches may leave a "
                  "message untaken before it is cut off."),
      SizeKey("timeouts.min_speed_bytes_per_sec",
              FETCHD_AT(engine.timeouts.min_speed_bytes_per_sec),
              "Slower bodies are given up; 0: none is."),
      DurationKey("timeouts.min_speed_window", FETCHD_AT(engine.timeouts.min_speed_window),
                  "Over which the speed is averaged."),
      NumberKey("retry.max_attempts", FETCHD_AT(engine.retry.max_attempts), 1, 100,
                "Attempts of a job, the first included."),
      DurationKey("retry.base_delay", FETCHD_AT(engine.retry.base_delay),
                  "Delay before the second attempt; doubles with each."),
      DurationKey("retry.max_delay", FETCHD_AT(engine.retry.max_delay), "Longest delay."),
      DurationKey("retry.max_retry_after", FETCHD_AT(engine.retry.max_retry_after),
                  "Longest pause that an origin is granted which asks for one."),
      NumberKey("retry.budget_percent", FETCHD_AT(engine.pacer.retry_percent), 1, 100,
                "Of an origin's jobs at work so many may be retries; three may in any case."),
      NumberKey("breaker.failures", FETCHD_AT(engine.pacer.breaker_failures), 0, kMany,
                "So many failures of an origin in a row hold its jobs back; 0: none do."),
      DurationKey("breaker.pause", FETCHD_AT(engine.pacer.breaker_pause),
                  "Until one of them is let through to try; doubles while that fails, up to ten "
                  "times."),
  };
}

std::vector<ConfigKey> ProcessKeys() {
  return {
      DurationKey("http.idle_ttl", FETCHD_AT(client.idle_ttl),
                  "How long an unused connection is kept."),
      DurationKey("http.max_lifetime", FETCHD_AT(client.max_lifetime),
                  "Age at which a connection is not used again."),
      BoolKey("http.http2", FETCHD_AT(client.http2),
              "Offer HTTP/2 to https origins; HTTP/1.1 is used where they decline."),
      H2cOriginsKey(),
      NumberKey("http.max_redirects", FETCHD_AT(engine.redirects.max_redirects), 0, 30,
                "Redirects followed when the job does not say."),
      TextKey("http.user_agent", FETCHD_AT(client.user_agent), "The User-Agent of requests."),
      ChoiceKey<fetch::TraceTo>("http.propagate_trace", FETCHD_AT(engine.trace_to),
                                {{"off", fetch::TraceTo::kNobody},
                                 {"origin", fetch::TraceTo::kOrigin},
                                 {"redirects", fetch::TraceTo::kRedirects}},
                                "Who is told the trace of a caller (traceparent, tracestate): "
                                "nobody, the origins of URLs, "
                                "or also those that redirects lead to."),
      ChoiceKey<telemetry::LogLevel>("log.level", FETCHD_AT(log.level),
                                     {{"debug", telemetry::LogLevel::kDebug},
                                      {"info", telemetry::LogLevel::kInfo},
                                      {"warning", telemetry::LogLevel::kWarning},
                                      {"error", telemetry::LogLevel::kError}},
                                     "Lines below this level are dropped."),
      ChoiceKey<telemetry::LogFormat>(
          "log.format", FETCHD_AT(log.format),
          {{"logfmt", telemetry::LogFormat::kLogfmt}, {"json", telemetry::LogFormat::kJson}},
          "How log lines on stderr are written."),
      NumberKey("runtime.shards", FETCHD_AT(runtime.shards), 0, 1024,
                "Threads that do network I/O; 0: one a core."),
      NumberKey(
          "runtime.blocking_threads", FETCHD_AT(runtime.blocking_threads), 2, 1024,
          "Threads for file system and database calls; the sweep of old files holds one while "
          "it asks the database."),
  };
}

std::vector<ConfigKey> AllKeys() {
  std::vector<ConfigKey> keys;
  for (auto* group : {&StorageKeys, &SecretKeys, &GrpcKeys, &CallersKeys, &EdgeKeys, &TlsKeys,
                      &DnsKeys, &OriginKeys, &TenantKeys, &AuthKeys, &ProxyKeys, &StoreKeys,
                      &LimitKeys, &TimeoutKeys, &ProcessKeys}) {
    for (ConfigKey& key : group()) keys.push_back(std::move(key));
  }
  return keys;
}

std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j + 1] + 1, row[j] + 1, change});
    }
  }
  return row[b.size()];
}

/// Matches `text` against a pattern with at most one <name>; the name has none of `separator`.
std::optional<std::string> MatchChosen(std::string_view pattern, std::string_view text) {
  const std::size_t at = pattern.find(kChosen);
  if (at == std::string_view::npos)
    return pattern == text ? std::optional(std::string()) : std::nullopt;
  const std::string_view before = pattern.substr(0, at);
  const std::string_view after = pattern.substr(at + kChosen.size());
  if (text.size() <= before.size() + after.size()) return std::nullopt;
  if (!text.starts_with(before) || !text.ends_with(after)) return std::nullopt;
  return std::string(text.substr(before.size(), text.size() - before.size() - after.size()));
}

std::string ToEnvironment(std::string_view name) {
  std::string out = "FETCHD_";
  for (const char c : name) {
    out += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return out;
}

}  // namespace

const std::vector<ConfigKey>& ConfigKeys() {
  static const auto* keys = new std::vector<ConfigKey>(AllKeys());  // Never destroyed.
  return *keys;
}

KeyMatch FindKey(std::string_view path) {
  for (const ConfigKey& key : ConfigKeys()) {
    if (auto chosen = MatchChosen(key.name, path)) return {&key, *std::move(chosen)};
  }
  return {};
}

bool IsSection(std::string_view path) {
  const std::string prefix = Concat(path, '.');
  return std::ranges::any_of(
      ConfigKeys(), [&prefix](const ConfigKey& key) { return key.name.starts_with(prefix); });
}

std::string NearestKey(std::string_view path) {
  std::string nearest;
  std::size_t best = std::max<std::size_t>(3, path.size() / 3) + 1;
  for (const ConfigKey& key : ConfigKeys()) {
    const bool same_end = key.name.ends_with(Concat('.', path));
    const std::size_t distance = same_end ? 0 : EditDistance(path, key.name);
    if (distance >= best) continue;
    best = distance;
    nearest = key.name;
  }
  return nearest;
}

std::string EnvironmentName(const ConfigKey& key) { return ToEnvironment(key.name); }

KeyMatch FindEnvironmentKey(std::string_view variable) {
  for (const ConfigKey& key : ConfigKeys()) {
    std::string pattern = EnvironmentName(key);
    if (const auto at = pattern.find("<NAME>"); at != std::string::npos) {
      pattern.replace(at, kChosen.size(), kChosen);
    }
    if (const auto chosen = MatchChosen(pattern, variable)) return {&key, AsciiLower(*chosen)};
  }
  return {};
}

}  // namespace fetchd::app
