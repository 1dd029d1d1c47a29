#include "net/proxy.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/strings.h"
#include "net/error.h"

namespace fetchd::net {

namespace {

absl::Status BadUrl(std::string_view why) {
  return absl::InvalidArgumentError(
      Concat(why, "; write http://host:port, https://host:port or socks5://host:port"));
}

absl::StatusOr<ProxyKind> ParseKind(std::string_view scheme) {
  constexpr std::array<std::pair<std::string_view, ProxyKind>, 3> kKinds{
      {{"http", ProxyKind::kHttp}, {"https", ProxyKind::kHttps}, {"socks5", ProxyKind::kSocks5}}};
  for (const auto& [name, kind] : kKinds) {
    if (EqualsIgnoreCase(name, scheme)) return kind;
  }
  return BadUrl("not a kind of proxy");
}

bool NamesPort(std::string_view authority) {
  const std::size_t host_end = authority.starts_with('[') ? authority.find(']') : 0;
  const std::size_t colon = authority.find(':', std::min(host_end, authority.size()));
  return colon != std::string_view::npos && colon + 1 < authority.size();
}

}  // namespace

std::string Proxy::Title() const { return Concat("proxy ", name); }

Secret Proxy::Authorization() const {
  if (!has_credentials()) return Secret();
  return Secret("Basic " + Base64Encode(Concat(username, ':', password.Reveal())));
}

std::string PeerName(const Origin& origin, const Proxy* proxy) {
  std::string peer = PeerName(origin);
  return proxy == nullptr ? peer : Concat(peer, " through ", proxy->Title());
}

absl::Status CheckCredentials(const Proxy& proxy) {
  const std::string& password = proxy.password.Reveal();
  if (proxy.username.empty() && !password.empty()) {
    return absl::InvalidArgumentError("there is a password and no user name");
  }
  if (proxy.username.empty()) return absl::OkStatus();
  if (HasControl(proxy.username) || HasControl(password)) {
    return absl::InvalidArgumentError("a control character in user name or password");
  }
  if (proxy.kind != ProxyKind::kSocks5) {
    // RFC 7617 2: the first colon ends the user name.
    if (!proxy.username.contains(':')) return absl::OkStatus();
    return absl::InvalidArgumentError("a user name cannot hold a colon");
  }
  constexpr std::size_t kMaxSize = 255;  // RFC 1929 2.
  if (!password.empty() && proxy.username.size() <= kMaxSize && password.size() <= kMaxSize) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("SOCKS5 takes a user name and a password of 1 to 255 bytes");
}

absl::StatusOr<ProxyAddress> ParseProxyUrl(std::string_view url) {
  const std::size_t mark = url.find("://");
  if (mark == std::string_view::npos) return BadUrl("no scheme");
  ProxyAddress address;
  ASSIGN_OR_RETURN(address.kind, ParseKind(url.substr(0, mark)));
  std::string_view authority = url.substr(mark + 3);
  if (authority.ends_with('/')) authority.remove_suffix(1);
  if (authority.find('@') != std::string_view::npos) {
    return BadUrl("a user name or password in the URL");
  }
  if (authority.find_first_of("/?#") != std::string_view::npos) return BadUrl("more than a host");
  if (!NamesPort(authority)) return BadUrl("no port");
  // The one parser of hosts decides what a host is.
  const absl::StatusOr<Url> parsed = Url::Parse(Concat("http://", authority, "/"));
  if (!parsed.ok()) return BadUrl(MessageOf(parsed.status()));
  address.host = parsed->host();
  address.port = parsed->port();
  return address;
}

}  // namespace fetchd::net
