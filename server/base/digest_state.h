// One running hash whose state can be kept and gone on with. A part of digest.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.h"

namespace fetchd {

/// Wiped when it is destroyed: it holds the last bytes of what was hashed. A saved state is the
/// chaining value, big-endian word by word, and then the bytes since the last whole block: its
/// length follows from the algorithm and from how much was hashed. That is no part of it.
class DigestState {
 public:
  virtual ~DigestState() = default;
  virtual void Update(std::span<const std::byte> bytes) = 0;
  /// The digest. Once, and the last call.
  virtual std::string Finish() = 0;
  virtual std::string Save(std::uint64_t size_bytes) const = 0;
  /// False, and nothing is changed, when `saved` has not the length of a state after `size_bytes`.
  virtual bool Load(std::string_view saved, std::uint64_t size_bytes) = 0;
};

std::unique_ptr<DigestState> MakeDigestState(DigestAlgorithm algorithm);

}  // namespace fetchd
