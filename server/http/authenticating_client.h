// Proves to origins who asks (RFC 9110 11, 7616, 7617, 6750), over another client.
#pragma once

#include "http/client.h"
#include "http/credential_rules.h"
#include "http/digest_sessions.h"

namespace fetchd::http {

/// Decorates `inner` on its shard; what it is made of outlives it.
///  * Basic and Bearer go with the request. Digest answers a 401, and then goes with all requests
///  to the same protection space for as long as the server takes the nonce.
///  * A 401 that is left says that the credentials were refused: it is returned as it is.
/// Errors besides inner's: FAILED_PRECONDITION, reason AUTH_NOT_SUPPORTED, when the credentials are
/// for Digest and the server asks for something else.
class AuthenticatingClient final : public Client {
 public:
  AuthenticatingClient(Client& inner, const CredentialRules& rules,
                       std::function<std::string()> new_cnonce = RandomCnonce)
      : inner_(inner), rules_(rules), sessions_(std::move(new_cnonce)) {}

  Task<absl::StatusOr<Response>> Send(Request request, Call call) override;

 private:
  Task<absl::StatusOr<Response>> SendWithDigest(Request request, Call call,
                                                DigestCredentials credentials);
  void LearnNonce(const Response& response, const std::string& username);

  Client& inner_;
  const CredentialRules& rules_;
  DigestSessions sessions_;
};

}  // namespace fetchd::http
