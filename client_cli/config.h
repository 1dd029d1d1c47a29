// Which server, and how to prove who is who: flags, environment and the contexts of config.yaml.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "base/status.h"

namespace fetchd::cli {

/// The flags that every command has.
struct GlobalOptions {
  std::string server;  ///< HOST:PORT; empty: FETCHCTL_SERVER, then the context.
  std::string context;
  std::string config_file;  ///< Empty: FETCHCTL_CONFIG, then ~/.config/fetchctl/config.yaml.
  bool tls = false;
  std::string ca_file, cert_file, key_file, token_file;
  std::string server_name;
  std::string request_timeout;
  bool quiet = false;
};

/// One entry of `contexts`. Paths may begin with "~/".
struct ContextEntry {
  std::string name, server, ca_file, cert_file, key_file, token_file, server_name;
  bool insecure = false;  ///< Plain text to a server that is not on the loopback.
};

struct ConfigFile {
  std::string current_context;
  std::vector<ContextEntry> contexts;
};

/// INVALID_ARGUMENT "<path>:<line>: ..." for unknown keys, wrong types, names given twice.
absl::StatusOr<ConfigFile> ParseConfig(const std::string& yaml, const std::string& path);

/// Looks a variable of the environment up; nullopt when it is not set or empty.
using Getenv = std::function<std::optional<std::string>(const std::string&)>;

/// What a channel needs; files are read.
struct Endpoint {
  std::string server;
  bool tls = false;
  std::string ca_pem, cert_pem,
      key_pem;              ///< Empty: the system's trust store; no client certificate.
  std::string server_name;  ///< Whom the certificate must name; empty: the host of `server`.
  Secret token;
};

/// --server > FETCHCTL_SERVER > context > 127.0.0.1:7070, and so for files and the name in the
/// certificate: flag, then variable, then context. TLS is on with --tls or any TLS file, and for a
/// context whose server is not on the loopback unless it says `insecure: true`. A token is refused
/// for plain text that leaves this machine.
absl::StatusOr<Endpoint> ResolveEndpoint(const GlobalOptions& options, const Getenv& getenv);

/// INVALID_ARGUMENT naming the path: it was given by the caller.
absl::StatusOr<std::string> ReadFile(const std::string& path);
/// A secret from a file: one line end at the end is no part of it; empty is INVALID_ARGUMENT.
absl::StatusOr<Secret> ReadSecret(const std::string& path);

}  // namespace fetchd::cli
