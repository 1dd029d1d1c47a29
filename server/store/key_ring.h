// The keys of a store: the first seals, the others still open what they sealed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "store/sealer.h"

namespace fetchd::store {

/// Immutable, thread-safe.
class KeyRing {
 public:
  static constexpr std::size_t kMaxKeys = 16;
  static constexpr std::size_t kMaxTextBytes = 8192;

  explicit KeyRing(Sealer key) : keys_({std::move(key)}) {}
  /// One key as it is, 32 bytes; or a key a line, in hexadecimal or Base64 (also of URLs, with or
  /// without padding), the one that seals first. Empty lines and those that begin with '#' are
  /// skipped. FAILED_PRECONDITION, with the line that is wrong and never what is in it.
  static absl::StatusOr<KeyRing> Parse(std::string_view text);

  /// Of the one that seals.
  const std::string& key_id() const { return keys_.front().key_id(); }
  bool Has(std::string_view key_id) const { return Find(key_id) != nullptr; }

  absl::StatusOr<std::string> Seal(std::string_view plaintext, std::string_view context) const {
    return keys_.front().Seal(plaintext, context);
  }
  /// What the key with this id sealed. DATA_LOSS when there is none, and as Sealer::Open.
  absl::StatusOr<std::string> Open(std::string_view key_id, std::string_view sealed,
                                   std::string_view context) const;
  std::string Fingerprint(std::string_view content) const {
    return keys_.front().Fingerprint(content);
  }
  /// Made by any of the keys.
  bool IsFingerprintOf(std::string_view fingerprint, std::string_view content) const;

 private:
  explicit KeyRing(std::vector<Sealer> keys) : keys_(std::move(keys)) {}
  const Sealer* Find(std::string_view key_id) const;

  std::vector<Sealer> keys_;  // Never empty.
};

}  // namespace fetchd::store
