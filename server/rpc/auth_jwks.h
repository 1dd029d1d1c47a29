// The keys that tokens are verified with: a JSON Web Key Set (RFC 7517).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

using cjose_jwk_t = struct _cjose_jwk_int;

namespace fetchd::rpc {

/// What a key signs with, and nothing else.
enum class JwsAlgorithm { kRs256, kEs256 };

struct JwkDeleter {
  void operator()(cjose_jwk_t* key) const noexcept;
};

struct VerificationKey {
  std::string id;  ///< `kid`; empty = none.
  JwsAlgorithm algorithm = JwsAlgorithm::kRs256;
  std::unique_ptr<cjose_jwk_t, JwkDeleter> key;
};

/// Those of a set that can be used: RSA of 2,048 to 8,192 bits, and EC on P-256, for signatures.
/// Others (for encryption, of other kinds, too small) are passed over, as RFC 7517 5 asks.
/// INVALID_ARGUMENT: it is no set, it holds none that can be used, more than 100, or a private or a
/// symmetric one, which should not be told to anybody who verifies.
absl::StatusOr<std::vector<VerificationKey>> ParseJwks(std::string_view text);

}  // namespace fetchd::rpc
