// Numbers as bytes, the highest first, whatever the machine's order is.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace fetchd {

template <std::unsigned_integral T>
void PutBigEndian(T value, std::string& to) {
  for (int shift = 8 * static_cast<int>(sizeof value) - 8; shift >= 0; shift -= 8) {
    to.push_back(static_cast<char>(value >> shift & 255));
  }
}

/// Takes the number that `from` begins with; false when that is too short.
template <std::unsigned_integral T>
[[nodiscard]] bool TakeBigEndian(std::string_view& from, T& value) {
  if (from.size() < sizeof value) return false;
  value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) {
    value = static_cast<T>(value << 7 << 1 | static_cast<unsigned char>(from[i]));
  }
  from.remove_prefix(sizeof value);
  return true;
}

}  // namespace fetchd
