// Character classes of HTTP field lines (RFC 9110 5).
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace fetchd::http {

namespace internal {
enum : unsigned char { kTokenBit = 1, kTextBit = 2 };

inline constexpr auto kCharClasses = [] {
  std::array<unsigned char, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    const bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool token = alnum || (c != 0 && c < 128 &&
                                 std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) !=
                                     std::string_view::npos);
    const bool text = c == '\t' || (c >= 0x20 && c != 0x7f);
    classes[static_cast<std::size_t>(c)] =
        static_cast<unsigned char>((token ? kTokenBit : 0) | (text ? kTextBit : 0));
  }
  return classes;
}();
}  // namespace internal

constexpr bool IsTokenChar(char c) {
  return (internal::kCharClasses[static_cast<unsigned char>(c)] & internal::kTokenBit) != 0;
}
/// HTAB, SP, VCHAR and obs-text: what a value or a reason phrase may hold.
constexpr bool IsTextChar(char c) {
  return (internal::kCharClasses[static_cast<unsigned char>(c)] & internal::kTextBit) != 0;
}
constexpr bool IsToken(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, IsTokenChar);
}
constexpr bool IsFieldValue(std::string_view text) { return std::ranges::all_of(text, IsTextChar); }

}  // namespace fetchd::http
