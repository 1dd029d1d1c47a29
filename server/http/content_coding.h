// Content codings (RFC 9110 8.4): gzip, deflate, br and zstd undone, from bytes alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "http/message.h"

namespace fetchd::http {

enum class ContentCoding { kGzip, kDeflate, kBrotli, kZstd };
std::string_view CodingName(ContentCoding coding);  ///< "gzip"

/// What Accept-Encoding asks for.
inline constexpr std::string_view kDecodedCodings = "gzip, deflate, br, zstd";
/// A server that stacks more makes us work for nobody's good.
inline constexpr std::size_t kMaxCodings = 2;

/// The Content-Encoding fields, in the order in which the codings were applied; `identity` is none.
/// FAILED_PRECONDITION, reason CONTENT_CODING_NOT_SUPPORTED, for another coding and for more than
/// kMaxCodings.
absl::StatusOr<std::vector<ContentCoding>> CodingsOf(const Headers& headers);

/// Undoes one coding.
class ContentDecoder {
 public:
  using Error = std::string_view;  ///< Completes "content that ..."; static lifetime.

  struct Progress {
    std::size_t consumed = 0;  ///< Of `in`.
    std::size_t produced = 0;  ///< Into `out`.
  };

  virtual ~ContentDecoder() = default;
  /// Decodes until `in` is used up or `out` is full. A full `out` may leave more to come without
  /// any input. `out` is not empty.
  virtual std::expected<Progress, Error> Decode(std::span<const std::byte> in,
                                                std::span<std::byte> out) = 0;
  /// The input may end here: all that it began is complete.
  virtual bool at_boundary() const = 0;
};

/// Several gzip members and zstd frames are one body (RFC 1952 2.2, RFC 8878 3.1); deflate is
/// zlib's format or, as some servers send it, raw. Windows: 32 KiB; br up to 16 MiB; zstd up to 8
/// MiB (RFC 9659).
std::unique_ptr<ContentDecoder> MakeDecoder(ContentCoding coding);

/// An upper bound of what one decoder holds.
std::uint64_t MemoryOf(ContentCoding coding);

}  // namespace fetchd::http
