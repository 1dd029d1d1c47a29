// String building for std::string_view (Debian's absl::StrCat takes only absl's own view).
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace fetchd {

namespace internal {
inline void AppendPiece(std::string& out, std::string_view piece) { out.append(piece); }
inline void AppendPiece(std::string& out, char piece) { out.push_back(piece); }
template <typename Number>
  requires(std::floating_point<Number> ||
           (std::integral<Number> && !std::same_as<Number, char> && !std::same_as<Number, bool>))
void AppendPiece(std::string& out, Number piece) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, piece).ptr;
  out.append(buffer, end);
}
}  // namespace internal

/// Joins strings, chars and numbers: Concat("port ", 80). Fractions are as short as they can be.
template <typename... Pieces>
std::string Concat(const Pieces&... pieces) {
  std::string out;
  (internal::AppendPiece(out, pieces), ...);
  return out;
}

/// The whole of `text` as a decimal number without sign or spaces; nullopt when it is not, or
/// overflows.
template <typename UInt = std::uint64_t>
std::optional<UInt> ParseDecimal(std::string_view text) {
  static_assert(std::is_unsigned_v<UInt>);
  UInt value = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (text.empty() || error != std::errc() || end != last) return std::nullopt;
  return value;
}

/// ASCII only: the protocols here are case-insensitive in ASCII and nowhere else.
char AsciiLower(char c);
std::string AsciiLower(std::string_view text);
bool EqualsIgnoreCase(std::string_view a, std::string_view b);
bool HasControl(std::string_view text);  ///< C0 or DEL: nothing that is printed or sent in a line.
std::string_view TrimWhitespace(std::string_view text);  ///< SP and HTAB (RFC 9110 OWS), both ends.

std::string HexEncode(std::string_view bytes);  ///< Lower case.
std::optional<std::string> HexDecode(std::string_view hex);
std::string Base64Encode(std::string_view bytes);                ///< RFC 4648 4, padded.
std::optional<std::string> Base64Decode(std::string_view text);  ///< Strict: padded, no whitespace.

}  // namespace fetchd
