// Content digests: what a caller expects and what was received.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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
  /// In the order given; may be called once, and is the last call.
  std::vector<Digest> Finish();

  std::vector<DigestAlgorithm> algorithms() const;
  std::uint64_t size_bytes() const { return size_bytes_; }  ///< That were hashed.

  /// What Load() goes on from, here or on another machine. It holds up to 127 of the bytes that
  /// were hashed last: as secret as those.
  std::string Save() const;
  /// nullopt: not what Save() made, or damaged since, or of a version or an algorithm that is not
  /// known here. Whoever has the bytes hashes them again then.
  static std::optional<Digester> Load(std::string_view saved);

 private:
  struct Running;
  std::vector<Running> running_;
  std::uint64_t size_bytes_ = 0;
  bool finished_ = false;
};

}  // namespace fetchd
