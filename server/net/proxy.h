// A proxy, as the operator describes it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "base/status.h"
#include "base/url.h"

namespace fetchd::net {

enum class ProxyKind {
  kHttp,    ///< Plain TCP to the proxy; CONNECT, or requests in absolute-form (RFC 9112 3.2.2).
  kHttps,   ///< The same over TLS to the proxy.
  kSocks5,  ///< RFC 1928, password by RFC 1929.
};

/// Immutable. Whoever holds the same object takes the same way with the same credentials: pools of
/// connections compare its address, nothing else.
struct Proxy {
  std::string name;  ///< For people and records: "corp".
  ProxyKind kind = ProxyKind::kHttp;
  std::string host;  ///< Canonical, as in Origin.
  std::uint16_t port = 0;
  std::string username;  ///< Empty = none is sent.
  Secret password;
  std::string tls_profile;  ///< kHttps: whom to trust when shaking hands with the proxy.
  /// The proxy resolves names, and has to refuse what must not be contacted. Otherwise names are
  /// resolved and judged here, and the proxy is asked for an address.
  bool resolves_names = false;

  bool has_credentials() const { return !username.empty(); }
  /// Takes plain HTTP requests in absolute-form: those carry the name, so it has to resolve names.
  bool forwards_requests() const { return kind != ProxyKind::kSocks5 && resolves_names; }
  /// "proxy corp": how messages name it.
  std::string Title() const;
  /// The value of Proxy-Authorization (RFC 7617); empty without credentials.
  Secret Authorization() const;
};

/// Null stands for a direct connection.
using ProxyPtr = std::shared_ptr<const Proxy>;

/// "example.org:443", "example.org:443 through proxy corp": how messages name the other end.
std::string PeerName(const Origin& origin, const Proxy* proxy);

/// Whether the credentials can be sent the way the proxy's kind wants them. INVALID_ARGUMENT that
/// repeats none of them.
absl::Status CheckCredentials(const Proxy& proxy);

/// What a proxy's URL says.
struct ProxyAddress {
  ProxyKind kind = ProxyKind::kHttp;
  std::string host;
  std::uint16_t port = 0;
};

/// "http://proxy.corp:3128", "https://...", "socks5://...". The port has to be written: tools
/// disagree about what stands for a missing one. INVALID_ARGUMENT that says what to write, and
/// repeats nothing of `url`: a password may be in it.
absl::StatusOr<ProxyAddress> ParseProxyUrl(std::string_view url);

}  // namespace fetchd::net
