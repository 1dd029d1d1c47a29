// Secrets at rest: AES-256-GCM with the key from the key file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fetchd::store {

/// Immutable, thread-safe. Different keys for sealing and for fingerprints are derived from the one
/// in the file.
class Sealer {
 public:
  static constexpr std::size_t kKeyBytes = 32;

  /// `key` has kKeyBytes.
  explicit Sealer(std::string_view key);
  Sealer(const Sealer&) = default;
  Sealer& operator=(const Sealer&) = default;
  ~Sealer();

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
  std::string sealing_key_;
  std::string fingerprint_key_;
  std::string key_id_;
};

/// Reads the key file. NOT_FOUND when it does not exist; FAILED_PRECONDITION when it is not a key.
absl::StatusOr<Sealer> ReadKeyFile(const std::filesystem::path& path);
/// Makes a random key and its file, mode 0600, durable.
absl::StatusOr<Sealer> CreateKeyFile(const std::filesystem::path& path);

}  // namespace fetchd::store
