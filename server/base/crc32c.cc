#include "base/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace fetchd {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // Bit-reversed 0x1edc6f41.

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

// tables[k][b]: the remainder of byte b followed by k zero bytes ("slicing by 8").
consteval Tables MakeTables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ kPolynomial : crc >> 1;
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t shorter = tables[k - 1][byte];
      tables[k][byte] = shorter >> 8 ^ tables[0][shorter & 255];
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

static_assert(std::endian::native == std::endian::little);

std::uint64_t Load64(const std::byte* from) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  return word;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t ExtendBySse42(std::uint32_t crc,
                                                              std::span<const std::byte> bytes) {
  std::uint64_t state = ~crc;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    state = _mm_crc32_u64(state, Load64(bytes.data()));
  }
  auto tail = static_cast<std::uint32_t>(state);
  for (const std::byte byte : bytes) tail = _mm_crc32_u8(tail, static_cast<unsigned char>(byte));
  return ~tail;
}
#endif

using Extend = std::uint32_t (*)(std::uint32_t, std::span<const std::byte>);

Extend BestForThisProcessor() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ExtendBySse42;
#endif
  return ExtendCrc32cPortable;
}

}  // namespace

std::uint32_t ExtendCrc32cPortable(std::uint32_t crc, std::span<const std::byte> bytes) {
  std::uint32_t state = ~crc;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    const std::uint64_t word = Load64(bytes.data()) ^ state;
    state = 0;
    for (std::size_t k = 0; k < 8; ++k) state ^= kTables[7 - k][word >> (8 * k) & 255];
  }
  for (const std::byte byte : bytes) {
    state = state >> 8 ^ kTables[0][(state ^ static_cast<std::uint32_t>(byte)) & 255];
  }
  return ~state;
}

std::uint32_t ExtendCrc32c(std::uint32_t crc, std::span<const std::byte> bytes) {
  static const Extend extend = BestForThisProcessor();
  return extend(crc, bytes);
}

}  // namespace fetchd
