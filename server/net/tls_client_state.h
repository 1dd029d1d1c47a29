// What one client SSL carries with it, for OpenSSL's callbacks and for those who read them.
#pragma once

#include <openssl/types.h>

#include <memory>
#include <optional>
#include <string>

#include "net/tls_session_cache.h"
#include "net/tls_verification.h"

namespace fetchd::net {

struct TlsClientState {
  std::string host;  ///< Whom the certificate must name; for messages.
  std::shared_ptr<TlsSessionCache> sessions;
  std::string server;  ///< The key of its sessions there.
  SteadyTime began;    ///< When a full handshake verifies the certificate.
  /// When the certificate behind the session that it offers was verified.
  SteadyTime offered_verified_at;
  std::shared_ptr<const TlsPins> pins;  ///< Null = none.
  std::optional<TlsRefusal> refusal;    ///< Why the server's certificate was refused.
  bool certificate_wanted = false;      ///< The server asked for ours.
};

/// `ssl` owns it from now on.
void AttachClientState(SSL* ssl, std::unique_ptr<TlsClientState> state);
/// `ssl` has one.
TlsClientState& ClientStateOf(const SSL* ssl);

/// Makes the connections of `context` keep their sessions, judge certificates and notice a wish for
/// ours, each in its own state.
void InstallClientCallbacks(SSL_CTX* context);

}  // namespace fetchd::net
