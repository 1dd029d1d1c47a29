// TLS client contexts, one a trust profile, with a session cache each.
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fetchd::net {

/// Whom a connection trusts beyond the system store. Verification cannot be turned off.
struct TlsProfile {
  std::string
      ca_file;  ///< PEM bundle added to the system's trust store; empty = the system's alone.
};

struct SslDeleter {
  void operator()(SSL* ssl) const noexcept;
};
using SslPtr = std::unique_ptr<SSL, SslDeleter>;

/// Immutable set of profiles; thread-safe. The profile "" is the default and always there: it
/// trusts the system store unless given otherwise.
class TlsContexts {
 public:
  /// INVALID_ARGUMENT naming the profile and file that cannot be read.
  static absl::StatusOr<std::shared_ptr<TlsContexts>> Create(
      std::map<std::string, TlsProfile> profiles);
  ~TlsContexts();

  bool Has(std::string_view profile) const;
  /// A client SSL for `host` (name or IP literal): SNI for names, RFC 6125 host check, TLS >= 1.2,
  /// ALPN http/1.1, with `offer_http2` h2 before it, and a session to resume when one is cached for
  /// (profile, host, port, route); `route` names the proxy on the way, empty = none.
  /// INVALID_ARGUMENT for a profile that does not exist.
  absl::StatusOr<SslPtr> NewClient(std::string_view profile, const std::string& host,
                                   std::uint16_t port, bool offer_http2,
                                   std::string_view route = {}) const;

 private:
  struct Context;
  TlsContexts();
  std::map<std::string, std::unique_ptr<Context>, std::less<>> contexts_;
};

}  // namespace fetchd::net
