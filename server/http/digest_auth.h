// Digest authentication (RFC 7616), from values alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/credentials.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/url.h"
#include "http/auth_challenge.h"

namespace fetchd::http {

/// A challenge that can be answered.
struct DigestChallenge {
  HashAlgorithm algorithm = HashAlgorithm::kMd5;
  bool session = false;        ///< "-sess": the password's hash is mixed with the session's nonces.
  std::string algorithm_text;  ///< As the server wrote it; empty = it did not.
  std::string realm;
  std::string nonce;
  std::optional<std::string> opaque;
  bool qop_auth = true;  ///< false: no qop at all, as in RFC 2069.
  bool stale = false;    ///< Only the nonce was too old.
  bool userhash = false;
  std::vector<std::string> domain;  ///< URIs that the nonce is good for; empty = the whole origin.
  friend bool operator==(const DigestChallenge&, const DigestChallenge&) = default;
};

/// The strongest Digest challenge that can be answered: SHA-512-256 before SHA-256 before MD5,
/// among equals the server's first. FAILED_PRECONDITION, reason AUTH_NOT_SUPPORTED, saying what is
/// offered instead: other schemes (credentials for Digest are sent in no other way), qop=auth-int
/// alone, another algorithm.
absl::StatusOr<DigestChallenge> ChooseDigest(std::span<const AuthChallenge> challenges);

/// What is kept between the requests that one challenge, and the nonces that follow it, are good
/// for. Holds no secret.
struct DigestSession {
  DigestSession(DigestChallenge made_for, std::string client_nonce)
      : challenge(std::move(made_for)),
        first_nonce(challenge.nonce),
        cnonce(std::move(client_nonce)) {}

  DigestChallenge challenge;
  std::string first_nonce;  ///< Stays when the nonce changes: "-sess" hashes are made with it.
  /// The same for the whole session, so that servers that hash "-sess" anew with each request agree
  /// with those that do it once.
  std::string cnonce;
  std::uint32_t requests = 0;  ///< Made with the present nonce.

  /// Authentication-Info's nextnonce.
  void UseNonce(std::string nonce);
  /// Whether `url`, of the challenge's origin, is in the protection space (RFC 7616 3.3).
  bool Covers(const Url& url) const;
};

/// The value of the Authorization field of the session's next request, and counts it. `target` is
/// the request-target as sent.
std::string AnswerDigest(const DigestCredentials& credentials, std::string_view method,
                         std::string_view target, DigestSession& session);

}  // namespace fetchd::http
