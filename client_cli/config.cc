#include "cli/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/strings.h"

namespace fetchd::cli {
namespace {

constexpr char kDefaultServer[] = "127.0.0.1:7070";

absl::Status ErrorAt(const std::string& path, const YAML::Mark& mark, const std::string& message) {
  return absl::InvalidArgumentError(Concat(path, ":", mark.line + 1, ": ", message));
}

absl::Status ReadEntry(const YAML::Node& node, const std::string& path, ContextEntry& entry) {
  if (!node.IsMap()) return ErrorAt(path, node.Mark(), "a context is a map");
  const std::pair<const char*, std::string*> texts[] = {{"name", &entry.name},
                                                        {"server", &entry.server},
                                                        {"ca_file", &entry.ca_file},
                                                        {"cert_file", &entry.cert_file},
                                                        {"key_file", &entry.key_file},
                                                        {"token_file", &entry.token_file},
                                                        {"server_name", &entry.server_name}};
  for (const auto& item : node) {
    const auto key = item.first.as<std::string>();
    if (key == "insecure") {
      entry.insecure = item.second.as<bool>();
      continue;
    }
    const auto* const text = std::find_if(std::begin(texts), std::end(texts),
                                          [&key](const auto& known) { return known.first == key; });
    if (text == std::end(texts)) {
      return ErrorAt(path, item.first.Mark(), Concat("unknown key \"", key, "\""));
    }
    *text->second = item.second.as<std::string>();
  }
  if (entry.name.empty()) return ErrorAt(path, node.Mark(), "a context needs a name");
  if (entry.server.empty()) return ErrorAt(path, node.Mark(), "a context needs a server");
  return absl::OkStatus();
}

absl::Status ReadContexts(const YAML::Node& node, const std::string& path, ConfigFile& config) {
  if (!node.IsSequence()) return ErrorAt(path, node.Mark(), "contexts is a list");
  for (const auto& item : node) {
    ContextEntry entry;
    RETURN_IF_ERROR(ReadEntry(item, path, entry));
    const bool twice =
        std::any_of(config.contexts.begin(), config.contexts.end(),
                    [&entry](const ContextEntry& other) { return other.name == entry.name; });
    if (twice) {
      return ErrorAt(path, item.Mark(), Concat("context \"", entry.name, "\" is there twice"));
    }
    config.contexts.push_back(std::move(entry));
  }
  return absl::OkStatus();
}

absl::StatusOr<ConfigFile> ParseRoot(const YAML::Node& root, const std::string& path) {
  ConfigFile config;
  if (root.IsNull()) return config;
  if (!root.IsMap()) return ErrorAt(path, root.Mark(), "the file is a map");
  for (const auto& item : root) {
    const auto key = item.first.as<std::string>();
    if (key == "current_context") {
      config.current_context = item.second.as<std::string>();
    } else if (key == "contexts") {
      RETURN_IF_ERROR(ReadContexts(item.second, path, config));
    } else {
      return ErrorAt(path, item.first.Mark(), Concat("unknown key \"", key, "\""));
    }
  }
  return config;
}

std::string ExpandHome(const std::string& path, const Getenv& getenv) {
  const auto home = getenv("HOME");
  return path.starts_with("~/") && home ? Concat(*home, path.substr(1)) : path;
}

/// Without a file at the default place there are no contexts; a file that was named must be there.
absl::StatusOr<ConfigFile> LoadConfig(const GlobalOptions& options, const Getenv& getenv) {
  std::string path =
      options.config_file.empty() ? getenv("FETCHCTL_CONFIG").value_or("") : options.config_file;
  if (path.empty()) {
    path = ExpandHome("~/.config/fetchctl/config.yaml", getenv);
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) return ConfigFile();
  }
  ASSIGN_OR_RETURN(const std::string yaml, ReadFile(path));
  return ParseConfig(yaml, path);
}

/// The context named by --context or current_context; an empty one when none is.
absl::StatusOr<ContextEntry> ChooseContext(const GlobalOptions& options, const Getenv& getenv) {
  ASSIGN_OR_RETURN(const ConfigFile config, LoadConfig(options, getenv));
  const std::string& name = options.context.empty() ? config.current_context : options.context;
  if (name.empty()) return ContextEntry();
  for (const ContextEntry& entry : config.contexts) {
    if (entry.name == name) return entry;
  }
  return absl::InvalidArgumentError(Concat("no context \"", name, "\" in the configuration"));
}

bool IsLoopback(const std::string& server) {
  std::string host = server.substr(0, server.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return host == "localhost" || (!error && address.is_loopback());
}

bool IsHostPort(const std::string& server) {
  const std::size_t colon = server.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const auto port = ParseDecimal<std::uint16_t>(std::string_view(server).substr(colon + 1));
  return port.has_value() && *port != 0;
}

absl::Status LoadTlsFiles(const GlobalOptions& options, const ContextEntry& context,
                          const Getenv& getenv, Endpoint& endpoint) {
  const auto load = [&](const std::string& flag, const char* variable, const std::string& entry,
                        std::string& pem) -> absl::Status {
    const std::string path =
        flag.empty() ? getenv(variable).value_or(ExpandHome(entry, getenv)) : flag;
    if (path.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(pem, ReadFile(path));
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(load(options.ca_file, "FETCHCTL_CA_FILE", context.ca_file, endpoint.ca_pem));
  RETURN_IF_ERROR(
      load(options.cert_file, "FETCHCTL_CERT_FILE", context.cert_file, endpoint.cert_pem));
  RETURN_IF_ERROR(load(options.key_file, "FETCHCTL_KEY_FILE", context.key_file, endpoint.key_pem));
  if (endpoint.cert_pem.empty() != endpoint.key_pem.empty()) {
    return absl::InvalidArgumentError("a client certificate and its key go together");
  }
  return absl::OkStatus();
}

absl::Status LoadToken(const GlobalOptions& options, const ContextEntry& context,
                       const Getenv& getenv, Endpoint& endpoint) {
  const auto from_env = getenv("FETCHCTL_TOKEN");
  if (!options.token_file.empty()) {
    ASSIGN_OR_RETURN(endpoint.token, ReadSecret(options.token_file));
  } else if (from_env) {
    endpoint.token = Secret(*from_env);
  } else if (!context.token_file.empty()) {
    ASSIGN_OR_RETURN(endpoint.token, ReadSecret(ExpandHome(context.token_file, getenv)));
  }
  if (!endpoint.token.empty() && !endpoint.tls && !IsLoopback(endpoint.server)) {
    return absl::InvalidArgumentError(
        Concat("a token is not sent in plain text to ", endpoint.server, "; use --tls"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ConfigFile> ParseConfig(const std::string& yaml, const std::string& path) {
  try {
    return ParseRoot(YAML::Load(yaml), path);
  } catch (const YAML::Exception& error) {
    return ErrorAt(path, error.mark, error.msg);
  }
}

absl::StatusOr<Endpoint> ResolveEndpoint(const GlobalOptions& options, const Getenv& getenv) {
  Endpoint endpoint;
  ContextEntry context;
  endpoint.server =
      options.server.empty() ? getenv("FETCHCTL_SERVER").value_or("") : options.server;
  // A server given outright is not the context's: neither are its credentials. --context says
  // otherwise.
  if (endpoint.server.empty() || !options.context.empty()) {
    ASSIGN_OR_RETURN(context, ChooseContext(options, getenv));
  }
  const bool of_context = endpoint.server.empty() && !context.server.empty();
  if (endpoint.server.empty()) {
    endpoint.server = context.server.empty() ? kDefaultServer : context.server;
  }
  if (!IsHostPort(endpoint.server)) {
    return absl::InvalidArgumentError(
        Concat("\"", endpoint.server, "\" is not HOST:PORT, for example 127.0.0.1:7070"));
  }
  RETURN_IF_ERROR(LoadTlsFiles(options, context, getenv, endpoint));
  endpoint.server_name = options.server_name.empty()
                             ? getenv("FETCHCTL_SERVER_NAME").value_or(context.server_name)
                             : options.server_name;
  endpoint.tls = options.tls || !endpoint.ca_pem.empty() || !endpoint.cert_pem.empty() ||
                 (of_context && !context.insecure && !IsLoopback(endpoint.server));
  RETURN_IF_ERROR(LoadToken(options, context, getenv, endpoint));
  return endpoint;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file) {
    const int error = errno;
    const std::string message =
        Concat("cannot read ", path, ": ", std::string_view(strerror(error)));
    return absl::InvalidArgumentError(message);
  }
  return std::move(text).str();
}

absl::StatusOr<Secret> ReadSecret(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  if (text.ends_with('\n')) text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return absl::InvalidArgumentError(Concat(path, " is empty"));
  return Secret(std::move(text));
}

}  // namespace fetchd::cli
