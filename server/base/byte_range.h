// Byte ranges and Content-Range (RFC 9110 14).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fetchd {

/// Bytes first..last of a body, both inclusive; last absent = to the end.
struct ByteRange {
  std::uint64_t first = 0;
  std::optional<std::uint64_t> last;
  std::string ToHeader() const;  ///< "bytes=5-" or "bytes=5-9".
  /// How many bytes that are; nullopt while it is open.
  std::optional<std::uint64_t> size() const {
    return last ? std::optional(*last - first + 1) : std::nullopt;
  }
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

/// A parsed Content-Range. `range` is absent for "bytes */N" (416); `complete_length` for "bytes
/// a-b/*".
struct ContentRange {
  std::optional<ByteRange> range;
  std::optional<std::uint64_t> complete_length;
};

/// nullopt for any other unit, last < first, last >= complete length, signs, spaces or overflow.
std::optional<ContentRange> ParseContentRange(std::string_view value);

}  // namespace fetchd
