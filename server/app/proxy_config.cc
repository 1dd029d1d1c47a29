#include "app/proxy_config.h"

#include <algorithm>
#include <utility>

#include "app/credential_files.h"
#include "base/strings.h"

namespace fetchd::app {
namespace {

constexpr std::size_t kMaxNameSize = 64;

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

absl::Status CheckName(const std::string& name) {
  if (name == http::kDirect) {
    return absl::InvalidArgumentError("\"direct\" stands for no proxy; choose another name");
  }
  if (name.size() <= kMaxNameSize && std::ranges::all_of(name, IsNameChar)) return absl::OkStatus();
  return absl::InvalidArgumentError("a name is 1 to 64 letters, digits, '.', '_' and '-'");
}

/// What is wrong with one proxy, by key.
class ProxyMaker {
 public:
  ProxyMaker(const std::string& name, const ProxySettings& settings,
             std::vector<std::string>& errors)
      : settings_(settings), errors_(errors), prefix_(Concat("proxies.", name)) {
    proxy_.name = name;
  }

  net::ProxyPtr Make(const std::map<std::string, net::TlsProfile>& profiles) {
    Note("", CheckName(proxy_.name));
    TakeAddress();
    TakeCredentials();
    TakeTlsProfile(profiles);
    proxy_.resolves_names = settings_.resolves_names;
    return std::make_shared<const net::Proxy>(std::move(proxy_));
  }

 private:
  void Note(std::string_view key, const absl::Status& status) {
    if (!status.ok()) errors_.push_back(Concat(prefix_, key, ": ", MessageOf(status)));
  }

  void TakeAddress() {
    absl::StatusOr<net::ProxyAddress> address = net::ParseProxyUrl(settings_.url);
    if (!address.ok()) return Note(".url", address.status());
    proxy_.kind = address->kind;
    proxy_.host = std::move(address->host);
    proxy_.port = address->port;
  }

  void TakeCredentials() {
    proxy_.username = settings_.username;
    if (!settings_.password_file.empty()) {
      absl::StatusOr<Secret> password = ReadSecretFile(settings_.password_file);
      if (!password.ok()) return Note(".password_file", password.status());
      proxy_.password = *std::move(password);
    }
    Note(".username", net::CheckCredentials(proxy_));
  }

  void TakeTlsProfile(const std::map<std::string, net::TlsProfile>& profiles) {
    proxy_.tls_profile = settings_.tls_profile;
    if (proxy_.tls_profile.empty()) return;
    if (!profiles.contains(proxy_.tls_profile)) {
      Note(".tls_profile",
           absl::InvalidArgumentError(Concat("there is no tls.profiles.", proxy_.tls_profile)));
    } else if (proxy_.kind != net::ProxyKind::kHttps) {
      Note(".tls_profile",
           absl::InvalidArgumentError("only an https:// proxy is spoken to in TLS"));
    }
  }

  const ProxySettings& settings_;
  std::vector<std::string>& errors_;
  const std::string prefix_;
  net::Proxy proxy_;
};

}  // namespace

http::ProxyRoutesConfig MakeProxyRoutes(const ProxyConfig& config,
                                        const std::map<std::string, net::TlsProfile>& profiles,
                                        std::vector<std::string>& errors) {
  http::ProxyRoutesConfig routes{.no_proxy = config.no_proxy, .allow_direct = config.allow_direct};
  for (const auto& [name, settings] : config.named) {
    routes.named[name] = {ProxyMaker(name, settings, errors).Make(profiles), settings.job_choice};
  }
  if (config.from_environment) {
    routes.default_http = config.environment.for_http;
    routes.default_https = config.environment.for_https;
    routes.no_proxy.insert(routes.no_proxy.end(), config.environment.no_proxy.begin(),
                           config.environment.no_proxy.end());
  }
  if (config.default_name.empty()) return routes;
  const auto found = routes.named.find(config.default_name);
  if (found == routes.named.end()) {
    errors.push_back(Concat("proxy.default: there is no proxies.", config.default_name));
    return routes;
  }
  routes.default_http = routes.default_https = found->second.proxy;
  return routes;
}

}  // namespace fetchd::app
