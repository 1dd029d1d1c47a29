// Content digests: what a caller expects and what was received.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace fetchd {

enum class DigestAlgorithm { kSha256, kSha384, kSha512, kMd5, kCrc32c };
const char* DigestName(DigestAlgorithm algorithm);  ///< "sha256", ...

struct Digest {
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  std::string bytes;  ///< Raw, not encoded; crc32c big-endian.

  /// "sha256-<base64>" (SRI, W3C Subresource Integrity) or "sha256:<hex>"; hex and base64 of the
  /// algorithm's exact length. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<Digest> Parse(std::string_view text);
  std::string ToSri() const;  ///< "sha256-<base64>".
  std::string ToHex() const;
  friend bool operator==(const Digest&, const Digest&) = default;
};

/// Several digests over one pass of the bytes. Not thread-safe; a digest object belongs to one
/// transfer.
class Digester {
 public:
  explicit Digester(std::vector<DigestAlgorithm> algorithms);
  Digester(Digester&&) noexcept;
  Digester& operator=(Digester&&) noexcept;
  ~Digester();
  void Update(std::span<const std::byte> bytes);
  /// In the order given; may be called once.
  std::vector<Digest> Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fetchd
