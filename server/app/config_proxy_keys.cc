#include "app/config_proxy_keys.h"

#include "app/config_values.h"
#include "base/strings.h"
#include "http/no_proxy.h"

namespace fetchd::app {
namespace {

using Written = std::vector<std::pair<std::string, std::string>>;

// How values of a kind are read and written. `kIsText`: taken as it is given on a command line.

struct TextValue {
  static constexpr bool kIsText = true;
  static absl::StatusOr<std::string> Read(const YAML::Node& node) { return ReadText(node); }
  static std::string Write(const std::string& text) { return WriteText(text); }
};

struct BoolValue {
  static constexpr bool kIsText = false;
  static absl::StatusOr<bool> Read(const YAML::Node& node) { return ReadBool(node); }
  static std::string Write(bool value) { return WriteBool(value); }
};

/// True = remote.
struct ResolveValue {
  static constexpr bool kIsText = true;
  static absl::StatusOr<bool> Read(const YAML::Node& node) {
    if (node.IsScalar() && node.Scalar() == "local") return false;
    if (node.IsScalar() && node.Scalar() == "remote") return true;
    return absl::InvalidArgumentError("expects local | remote");
  }
  static std::string Write(bool remote) { return remote ? "remote" : "local"; }
};

struct UrlValue {
  static constexpr bool kIsText = true;
  static absl::StatusOr<std::string> Read(const YAML::Node& node) {
    ASSIGN_OR_RETURN(std::string url, ReadText(node));
    RETURN_IF_ERROR(net::ParseProxyUrl(url).status());
    return url;
  }
  static std::string Write(const std::string& url) { return WriteText(url); }
};

struct NoProxyValue {
  static constexpr bool kIsText = false;
  static absl::StatusOr<std::vector<std::string>> Read(const YAML::Node& node) {
    ASSIGN_OR_RETURN(std::vector<std::string> entries, ReadTextList(node));
    RETURN_IF_ERROR(http::NoProxyList::Create(entries).status());
    return entries;
  }
  static std::string Write(const std::vector<std::string>& entries) {
    return WriteTextList(entries);
  }
};

/// A key of the proxy that the user calls <name>; `field` is where its value goes.
template <typename Value, typename Field>
ConfigKey NamedKey(const char* name, const char* type, Field field, const char* help) {
  return {
      Concat("proxies.<name>.", name),
      type,
      help,
      Value::kIsText,
      [field](const YAML::Node& node, const std::string& chosen, Config& config) -> absl::Status {
        ASSIGN_OR_RETURN(config.proxy.named[chosen].*field, Value::Read(node));
        return absl::OkStatus();
      },
      [field](const Config& config) {
        Written written;
        for (const auto& [chosen, settings] : config.proxy.named) {
          written.emplace_back(chosen, Value::Write(settings.*field));
        }
        return written;
      }};
}

template <typename Value, typename Field>
ConfigKey CommonKey(const char* name, const char* type, Field field, const char* help) {
  return {
      Concat("proxy.", name),
      type,
      help,
      Value::kIsText,
      [field](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
        ASSIGN_OR_RETURN(config.proxy.*field, Value::Read(node));
        return absl::OkStatus();
      },
      [field](const Config& config) { return Written{{"", Value::Write(config.proxy.*field)}}; }};
}

}  // namespace

std::vector<ConfigKey> ProxyKeys() {
  return {
      NamedKey<UrlValue>("url", "URL", &ProxySettings::url,
                         "A proxy that jobs, origins and proxy.default may name: http://host:port, "
                         "https://host:port or socks5://host:port."),
      NamedKey<TextValue>("username", "text", &ProxySettings::username,
                          "Who we are to the proxy: Basic, or the user name of SOCKS5."),
      NamedKey<TextValue>("password_file", "path", &ProxySettings::password_file,
                          "A file with the password in its only line."),
      NamedKey<TextValue>("tls_profile", "name", &ProxySettings::tls_profile,
                          "The trust profile for TLS to an https:// proxy. Empty: the default's."),
      NamedKey<ResolveValue>(
          "resolve", "local | remote", &ProxySettings::resolves_names,
          "local: names are resolved and judged here, and the proxy is asked for addresses (http "
          "origins by CONNECT too). remote: the proxy gets the name and has to refuse addresses "
          "that must not be reached; the egress policy judges name and port alone."),
      NamedKey<BoolValue>("job_choice", "true or false", &ProxySettings::job_choice,
                          "Jobs may name it; false: only origins.<name>.proxy and proxy.default."),
      CommonKey<TextValue>("default", "name", &ProxyConfig::default_name,
                           "The proxy where neither the job nor its origin's rule names one. "
                           "Empty: direct."),
      CommonKey<NoProxyValue>(
          "no_proxy", "list of hosts and blocks", &ProxyConfig::no_proxy,
          "Where the default is not used: example.org, \"*.example.org\" (the names under it), "
          "10.0.0.0/8 (hosts written as addresses), each optionally with :port, or \"*\"."),
      CommonKey<BoolValue>("allow_direct", "true or false", &ProxyConfig::allow_direct,
                           "Jobs may say \"direct\" also where the configuration names a proxy."),
      CommonKey<BoolValue>("from_environment", "true or false", &ProxyConfig::from_environment,
                           "Take the default from HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, with "
                           "NO_PROXY, where proxy.default is empty."),
  };
}

}  // namespace fetchd::app
