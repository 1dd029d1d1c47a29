// UTF-8 (RFC 3629), for text that comes from outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fetchd {

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t size = 0;  ///< In bytes; 0 = not UTF-8 (cut short, overlong, a surrogate).
};
/// The first code point of `text`, which is not empty.
CodePoint DecodeUtf8(std::string_view text);

/// `text` itself when it is UTF-8; else each of its bytes as the character of ISO-8859-1, which is
/// what bytes above 0x7F in a field value stood for (RFC 9110 5.5).
std::string ToUtf8(std::string_view text);

}  // namespace fetchd
