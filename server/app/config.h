// What can be configured: the modules' own settings, with their defaults, and what only the process
// knows.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "admin/tls.h"
#include "app/callers.h"
#include "app/proxy_config.h"
#include "app/secrets_config.h"
#include "app/store_config.h"
#include "egress/policy.h"
#include "fetch/engine.h"
#include "http/shared_client.h"
#include "net/tls.h"
#include "rpc/caller_connections.h"
#include "rpc/server_tls.h"
#include "runtime/runtime.h"
#include "telemetry/log.h"

namespace fetchd::app {

/// What is said of the origins that match a pattern, and where its secrets are.
struct OriginConfig : http::OriginRule {
  std::optional<std::string> username;
  std::optional<std::string> password_file;
  std::optional<std::string> bearer_token_file;
};

/// docs and `fetchd --print-config` describe each key; config_schema.cc is the table.
struct Config {
  std::string data_dir = "./fetchd-data";
  std::string grpc_listen = "127.0.0.1:7070";
  bool grpc_insecure = false;
  rpc::ConnectionLimits grpc_connections;
  std::size_t grpc_max_watches = 1000;
  std::uint64_t grpc_call_memory_bytes = std::uint64_t{256} << 20;
  rpc::ServerTls grpc_tls;
  CallersConfig callers;
  std::string admin_listen = "127.0.0.1:7071";  ///< Or "off".
  bool admin_api = true;                        ///< And the dashboard, which is made of it.
  bool admin_insecure = false;
  admin::ServerTls admin_tls;  ///< Without reload_interval: that of grpc_tls.
  std::string store_url;       ///< Empty = sqlite:<data_dir>/fetchd.db. May hold a password.
  std::string store_password_file;
  Duration store_lease = std::chrono::seconds(30);
  std::string files_root;  ///< Empty = <data_dir>/files.
  SecretsConfig secrets;
  std::uint64_t buffer_bytes = std::uint64_t{256} << 20;
  Duration shutdown_grace = std::chrono::seconds(25);
  /// Longer than any pause of a program that works, shorter than what others should wait for its
  /// buffer. Dead peers are found by keepalive, sooner.
  Duration caller_idle = std::chrono::minutes(5);
  net::TlsProfile tls{.min_version = net::TlsVersion::k12};  ///< For jobs that name no profile.
  std::map<std::string, net::TlsProfile> tls_profiles;
  egress::PolicyConfig egress;
  ProxyConfig proxy;
  StoreConfigs stores;
  http::ClientConfig client;
  std::map<std::string, OriginConfig> origins;  ///< By pattern.
  std::string netrc_file;                       ///< Empty = none.
  fetch::EngineConfig engine;
  runtime::RuntimeConfig runtime;
  telemetry::LogConfig log;

  bool UsesPostgres() const;
  /// With defaults filled in. For SQLite, and of a URL that has been checked.
  std::filesystem::path DatabasePath() const;
  /// The database as it may be shown: a path, or a URL without its password.
  std::string DatabaseName() const;
  std::filesystem::path FilesRoot() const;
  std::filesystem::path OwnKeyFile() const;  ///< Where no other source of keys is named.
};

}  // namespace fetchd::app
