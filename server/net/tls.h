// TLS client contexts, one a trust profile, with a session cache each.
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/time.h"

namespace fetchd::net {

enum class TlsVersion { k12, k13 };

/// Whom a connection trusts, and who it says we are. Verification cannot be turned off.
struct TlsProfile {
  std::string
      ca_file;  ///< PEM bundle added to the system's trust store; empty = the system's alone.
  std::string certificate_file{};  ///< PEM, ours first, then its intermediates; empty = none.
  std::string key_file{};          ///< PEM, not encrypted; with certificate_file, never without.
  /// Base64 of the SHA-256 of a public key (SubjectPublicKeyInfo, RFC 7469 2.4). A certificate of
  /// the verified chain must have one of these keys. Empty = whatever verifies.
  std::vector<std::string> pins{};
  std::optional<TlsVersion> min_version{};  ///< Absent = the default profile's; there TLS 1.2.
};

/// INVALID_ARGUMENT saying what a pin looks like.
absl::Status CheckPin(std::string_view pin);

struct SslDeleter {
  void operator()(SSL* ssl) const noexcept;
};
using SslPtr = std::unique_ptr<SSL, SslDeleter>;

/// What a client SSL is for.
struct TlsTarget {
  std::string profile;
  std::string host;  ///< Name or IP literal: whom the certificate must name.
  std::uint16_t port = 0;
  /// The address connected to; through a proxy, the proxy and what it was asked for. A session is
  /// resumed on its own route alone: a server that moves its name elsewhere cannot send its
  /// ticket's bytes there.
  std::string route;
  bool offer_http2 = false;
};

/// Immutable set of profiles; thread-safe. The profile "" is the default and always there: it
/// trusts the system store unless given otherwise.
class TlsContexts {
 public:
  /// INVALID_ARGUMENT naming the profile and what is wrong with it: a file that cannot be read, a
  /// key that is encrypted or belongs to another certificate, a pin that is none.
  static absl::StatusOr<std::shared_ptr<TlsContexts>> Create(
      std::map<std::string, TlsProfile> profiles);
  ~TlsContexts();

  bool Has(std::string_view profile) const;
  /// A client SSL for `target`: SNI for names, RFC 6125 host check, TLS >= 1.2, ALPN http/1.1, with
  /// `offer_http2` h2 before it, and a session to resume when one is cached for (profile, host,
  /// port, route). `now` dates what is verified in this handshake.
  /// INVALID_ARGUMENT for a profile that does not exist.
  absl::StatusOr<SslPtr> NewClient(const TlsTarget& target, SteadyTime now) const;

 private:
  struct Context;
  TlsContexts();
  std::map<std::string, std::unique_ptr<Context>, std::less<>> contexts_;
};

}  // namespace fetchd::net
