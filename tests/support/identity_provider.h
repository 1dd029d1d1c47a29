// An OpenID Connect provider on loopback, as Kubernetes and others are one: it says who somebody
// is.
#pragma once

#include <chrono>
#include <string>

#include "support/certificates.h"
#include "support/origin.h"

namespace fetchd::testing {

/// Publishes the one key (RSA) that its tokens are signed with, in the certificate of itself.
class IdentityProvider {
 public:
  IdentityProvider();

  std::string url() const { return origin_.Url(""); }  ///< "http://127.0.0.1:PORT"
  /// SHA-1 of the certificate in hexadecimal, which is what token services trust.
  std::string Thumbprint() const;
  /// A token (RFC 7519, RS256) for `audience` that was made a minute ago.
  std::string Token(const std::string& audience, std::chrono::seconds valid_for) const;

 private:
  std::string CertificateText() const;  ///< Base64 of its DER.

  const Certificate certificate_;
  Origin origin_;
};

}  // namespace fetchd::testing
