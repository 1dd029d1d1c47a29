#include "app/proxy_environment.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "base/url_text.h"
#include "egress/target_rule.h"
#include "http/no_proxy.h"

namespace fetchd::app {
namespace {

using Variables = std::map<std::string_view, std::string_view>;

constexpr std::string_view kHttpProxyInUpperCase = "HTTP_PROXY";

/// A variable by the name under which it was found; empty when it is in neither case.
struct Found {
  std::string name;
  std::string_view value;
};

std::string AsciiUpper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

Found Find(const Variables& variables, const std::string& lower) {
  for (const std::string& name : {lower, AsciiUpper(lower)}) {
    const auto found = variables.find(name);
    if (found != variables.end() && !found->second.empty()) return {name, found->second};
  }
  return {};
}

/// Takes "user:password@" off `text`.
void TakeUserinfo(std::string& text, net::Proxy& proxy) {
  const std::size_t scheme_end = text.find("://");
  const std::size_t begin = scheme_end == std::string::npos ? 0 : scheme_end + 3;
  const std::size_t end = std::min(text.find_first_of("/?#", begin), text.size());
  const std::string_view authority = std::string_view(text).substr(begin, end - begin);
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return;
  const std::string_view userinfo = authority.substr(0, at);
  const std::size_t colon = userinfo.find(':');
  proxy.username = PercentDecode(userinfo.substr(0, colon));
  if (colon != std::string_view::npos) {
    proxy.password = Secret(PercentDecode(userinfo.substr(colon + 1)));
  }
  text.erase(begin, at + 1);
}

absl::StatusOr<net::ProxyPtr> ParseProxy(const Found& variable) {
  constexpr std::string_view kRemoteSocks = "socks5h://";
  net::Proxy proxy{.name = variable.name};
  std::string text(variable.value);
  TakeUserinfo(text, proxy);
  if (text.find("://") == std::string::npos) text.insert(0, "http://");
  if (EqualsIgnoreCase(text.substr(0, kRemoteSocks.size()), kRemoteSocks)) {
    text.erase(kRemoteSocks.find('h'), 1);
    proxy.resolves_names = true;
  }
  ASSIGN_OR_RETURN(net::ProxyAddress address, net::ParseProxyUrl(text));
  proxy.kind = address.kind;
  proxy.host = std::move(address.host);
  proxy.port = address.port;
  RETURN_IF_ERROR(net::CheckCredentials(proxy));
  return std::make_shared<const net::Proxy>(std::move(proxy));
}

net::ProxyPtr ReadProxy(const Found& variable, ProxyEnvironment& environment) {
  if (variable.name.empty()) return nullptr;
  absl::StatusOr<net::ProxyPtr> proxy = ParseProxy(variable);
  if (proxy.ok()) return *std::move(proxy);
  environment.errors.push_back(
      Concat("environment: ", variable.name, ": ", MessageOf(proxy.status())));
  return nullptr;
}

/// One entry of NO_PROXY in the forms of NoProxyList; empty when it has no meaning.
std::vector<std::string> TranslateEntry(std::string_view entry) {
  if (entry == "*") return {"*"};
  std::string text(entry);
  if (text.starts_with('.')) text.insert(0, 1, '*');
  const absl::StatusOr<egress::TargetRule> rule = egress::ParseAllowRule(text);
  if (!rule.ok()) return {};
  const bool a_host = !rule->host.empty() && !rule->subdomains;
  return a_host ? std::vector{text, Concat("*.", text)} : std::vector{text};
}

void ReadNoProxy(const Found& variable, ProxyEnvironment& environment) {
  std::string_view rest = variable.value;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view entry = TrimWhitespace(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    if (entry.empty()) continue;
    const std::vector<std::string> translated = TranslateEntry(entry);
    if (translated.empty()) {
      environment.warnings.push_back(
          Concat("environment: ", variable.name, ": \"", entry, "\" is no host or block; ignored"));
    }
    environment.no_proxy.insert(environment.no_proxy.end(), translated.begin(), translated.end());
  }
}

}  // namespace

ProxyEnvironment ReadProxyEnvironment(const std::vector<std::string>& variables) {
  Variables by_name;
  for (const std::string_view variable : variables) {
    const std::size_t equals = variable.find('=');
    if (equals == std::string_view::npos) continue;
    by_name.emplace(variable.substr(0, equals), variable.substr(equals + 1));
  }
  ProxyEnvironment environment;
  if (by_name.contains("REQUEST_METHOD") && by_name.erase(kHttpProxyInUpperCase) > 0) {
    environment.warnings.emplace_back(
        "environment: HTTP_PROXY is ignored where REQUEST_METHOD is set; use http_proxy");
  }
  const net::ProxyPtr for_all = ReadProxy(Find(by_name, "all_proxy"), environment);
  environment.for_http = ReadProxy(Find(by_name, "http_proxy"), environment);
  environment.for_https = ReadProxy(Find(by_name, "https_proxy"), environment);
  if (environment.for_http == nullptr) environment.for_http = for_all;
  if (environment.for_https == nullptr) environment.for_https = for_all;
  ReadNoProxy(Find(by_name, "no_proxy"), environment);
  return environment;
}

}  // namespace fetchd::app
