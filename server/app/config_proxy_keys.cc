#include "app/config_proxy_keys.h"

#include "app/config_kinds.h"
#include "http/no_proxy.h"

namespace fetchd::app {
namespace {

using Written = std::vector<std::pair<std::string, std::string>>;

/// True = remote.
Kind<bool> ResolveKind() { return ChoiceKind<bool>({{"local", false}, {"remote", true}}); }

absl::StatusOr<std::string> ReadProxyUrl(const YAML::Node& node) {
  ASSIGN_OR_RETURN(std::string url, ReadText(node));
  RETURN_IF_ERROR(net::ParseProxyUrl(url).status());
  return url;
}

absl::StatusOr<std::vector<std::string>> ReadNoProxy(const YAML::Node& node) {
  ASSIGN_OR_RETURN(std::vector<std::string> entries, ReadTextList(node));
  RETURN_IF_ERROR(http::NoProxyList::Create(entries).status());
  return entries;
}

/// A key of the proxy that the user calls <name>; `field` is where its value goes.
template <typename T>
ConfigKey ProxyKey(const char* key, Kind<T> kind, T ProxySettings::* field, const char* help) {
  const auto named = [](auto& config) -> auto& { return config.proxy.named; };
  return NamedKey("proxies", named, key, std::move(kind), field, help);
}

template <typename T>
ConfigKey CommonKey(const char* key, Kind<T> kind, T ProxyConfig::* field, const char* help) {
  return {Concat("proxy.", key),
          kind.type,
          help,
          kind.is_text,
          [=](const YAML::Node& node, const std::string&, Config& config) -> absl::Status {
            ASSIGN_OR_RETURN(config.proxy.*field, kind.read(node));
            return absl::OkStatus();
          },
          [=](const Config& config) { return Written{{"", kind.write(config.proxy.*field)}}; }};
}

}  // namespace

std::vector<ConfigKey> ProxyKeys() {
  const Kind<std::string> name = TextKind("name");
  return {
      ProxyKey("url", TextKind("URL", ReadProxyUrl), &ProxySettings::url,
               "A proxy that jobs, origins and proxy.default may name: http://host:port, "
               "https://host:port or socks5://host:port."),
      ProxyKey("username", TextKind("text"), &ProxySettings::username,
               "Who we are to the proxy: Basic, or the user name of SOCKS5."),
      ProxyKey("password_file", TextKind("path"), &ProxySettings::password_file,
               "A file with the password in its only line."),
      ProxyKey("tls_profile", name, &ProxySettings::tls_profile,
               "The trust profile for TLS to an https:// proxy. Empty: the default's."),
      ProxyKey("resolve", ResolveKind(), &ProxySettings::resolves_names,
               "local: names are resolved and judged here, and the proxy is asked for addresses "
               "(http origins by CONNECT too). remote: the proxy gets the name and has to refuse "
               "addresses that must not be reached; the egress policy judges name and port alone."),
      ProxyKey("job_choice", BoolKind(), &ProxySettings::job_choice,
               "Jobs may name it; false: only origins.<name>.proxy and proxy.default."),
      CommonKey("default", name, &ProxyConfig::default_name,
                "The proxy where neither the job nor its origin's rule names one. Empty: direct."),
      CommonKey("no_proxy",
                Kind<std::vector<std::string>>{"list of hosts and blocks", false, ReadNoProxy,
                                               WriteTextList},
                &ProxyConfig::no_proxy,
                "Where the default is not used: example.org, \"*.example.org\" (the names under "
                "it), 10.0.0.0/8 (hosts written as addresses), each optionally with :port, or "
                "\"*\"."),
      CommonKey("allow_direct", BoolKind(), &ProxyConfig::allow_direct,
                "Jobs may say \"direct\" also where the configuration names a proxy."),
      CommonKey("from_environment", BoolKind(), &ProxyConfig::from_environment,
                "Take the default from HTTP_PROXY, HTTPS_PROXY and ALL_PROXY, with NO_PROXY, where "
                "proxy.default is empty."),
  };
}

}  // namespace fetchd::app
