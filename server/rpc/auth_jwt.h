// JSON Web Tokens of an identity provider: what they say, once they are verified.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/time.h"
#include "rpc/auth_callers.h"
#include "rpc/auth_jwks.h"

namespace fetchd::rpc {

struct JwtRules {
  std::string issuer;    ///< What `iss` must be.
  std::string audience;  ///< What `aud` must be, or hold.
  /// How far the issuer's clock and ours may be apart, for `exp` and `nbf`.
  Duration clock_skew = std::chrono::minutes(1);
  std::string principal_claim = "sub";
  std::string tenant_claim = "tenant";
  /// A list of texts, or one with spaces between them (RFC 8693 4.2).
  std::string roles_claim = "roles";
  /// What its values give; others give nothing. Empty: submit, read and admin stand for themselves.
  std::map<std::string, Roles> roles;

  friend bool operator==(const JwtRules&, const JwtRules&) = default;
};

/// Compact JWS (RFC 7515) with RS256 or ES256 and nothing else: `alg` chooses among the keys of the
/// set that are for it, never how a key is used. Refused besides: none and HS*, `crit`, `b64`, a
/// `typ` that is no JWT's, tokens without `exp`. Keys that a token brings or points to (`jwk`,
/// `jku`, `x5c`, `x5u`) are never looked at. Thread-safe; does not block.
class JwtReader final : public TokenReader {
 public:
  /// `on_unknown_key` is called, from any thread, when a token names a key that is not there: the
  /// set may have changed. The clock outlives it.
  JwtReader(JwtRules rules, const Clock& clock, std::function<void()> on_unknown_key);

  /// The set for tokens that come from now on. INVALID_ARGUMENT (ParseJwks) leaves the one before.
  absl::Status ReplaceKeys(std::string_view jwks);
  /// UNAUTHENTICATED, reason TOKEN_INVALID or TOKEN_EXPIRED; UNAVAILABLE, reason KEYS_MISSING,
  /// before there were any keys. Never quotes the token.
  absl::StatusOr<Principal> Read(const Secret& token) const override;

 private:
  using Keys = std::vector<VerificationKey>;
  std::shared_ptr<const Keys> CurrentKeys() const;
  absl::Status VerifySignature(const std::string& token) const;

  const JwtRules rules_;
  const Clock& clock_;
  const std::function<void()> on_unknown_key_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Keys> keys_;  ///< Guarded by mutex_; null at first.
};

}  // namespace fetchd::rpc
