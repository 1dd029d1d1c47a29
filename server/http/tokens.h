// Character classes of HTTP field lines (RFC 9110 5).
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace fetchd::http {

namespace internal {
inline constexpr auto kIsTokenChar = [] {
  std::array<bool, 256> is_token{};
  for (int c = 0; c < 128; ++c) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    is_token[static_cast<std::size_t>(c)] =
        alnum || (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) !=
                                std::string_view::npos);
  }
  return is_token;
}();
}  // namespace internal

constexpr bool IsTokenChar(char c) { return internal::kIsTokenChar[static_cast<unsigned char>(c)]; }
/// HTAB, SP, VCHAR and obs-text: what a value or a reason phrase may hold.
constexpr bool IsTextChar(char c) {
  const auto code = static_cast<unsigned char>(c);
  return ((code >= 0x20) | (code == '\t')) & (code != 0x7f);
}
constexpr bool IsToken(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, IsTokenChar);
}
constexpr bool IsFieldValue(std::string_view text) {
  bool clean = true;  // Looks at every character: without a branch, many are judged at a time.
  for (const char c : text) clean &= IsTextChar(c);
  return clean;
}

}  // namespace fetchd::http
