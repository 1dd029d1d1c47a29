#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

namespace fetchd {
namespace {

std::span<const std::byte> BytesOf(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// RFC 3720 B.4.
TEST(Crc32cTest, MatchesPublishedVectors) {
  std::vector<std::byte> bytes(32);
  EXPECT_EQ(ExtendCrc32c(0, bytes), 0x8a9136aaU);
  std::ranges::fill(bytes, std::byte{0xff});
  EXPECT_EQ(ExtendCrc32c(0, bytes), 0x62a8ab43U);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  EXPECT_EQ(ExtendCrc32c(0, bytes), 0x46dd794eU);
  EXPECT_EQ(ExtendCrc32c(0, BytesOf("123456789")), 0xe3069283U);
  EXPECT_EQ(ExtendCrc32c(0, {}), 0U);
}

TEST(Crc32cTest, InstructionAndTablesAgreeAtEveryLengthAndSplit) {
  std::mt19937_64 random(1);
  std::vector<std::byte> bytes(67);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const std::span<const std::byte> whole = std::span(bytes).first(size);
    const std::uint32_t expected = ExtendCrc32cPortable(0, whole);
    for (std::size_t split = 0; split <= size; ++split) {
      const std::uint32_t head = ExtendCrc32c(0, whole.first(split));
      EXPECT_EQ(ExtendCrc32c(head, whole.subspan(split)), expected);
    }
  }
}

}  // namespace
}  // namespace fetchd
