// Secrets at rest: AES-256-GCM.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "base/status.h"

namespace fetchd::store {

/// Immutable, thread-safe. Different keys for sealing and for fingerprints are derived from the one
/// that it is given, of which nothing else is kept; they are overwritten when it goes.
class Sealer {
 public:
  static constexpr std::size_t kKeyBytes = 32;

  /// `key` has kKeyBytes.
  explicit Sealer(std::string_view key);

  /// Which key this is, without telling anything about it: kept with each sealed row.
  const std::string& key_id() const { return key_id_; }

  /// Nonce, ciphertext and tag. `context` is authenticated: what is sealed for one job does not
  /// open for another.
  absl::StatusOr<std::string> Seal(std::string_view plaintext, std::string_view context) const;
  /// DATA_LOSS when it was sealed by another key, for another context, or was changed.
  absl::StatusOr<std::string> Open(std::string_view sealed, std::string_view context) const;
  /// HMAC-SHA-256: compares contents that hold secrets without storing anything from which they
  /// could be guessed.
  std::string Fingerprint(std::string_view content) const;

 private:
  Secret sealing_key_;
  Secret fingerprint_key_;
  std::string key_id_;
};

/// 32 bytes that nobody can guess.
absl::StatusOr<Secret> NewKey();

}  // namespace fetchd::store
