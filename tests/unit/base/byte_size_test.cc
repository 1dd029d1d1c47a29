#include "base/byte_size.h"

#include <gtest/gtest.h>

namespace fetchd {
namespace {

TEST(ByteSizeTest, UnitsArePowersOf1024InAnyCase) {
  EXPECT_EQ(ParseByteSize("0"), 0U);
  EXPECT_EQ(ParseByteSize("1048576"), 1048576U);
  EXPECT_EQ(ParseByteSize("64k"), 65536U);
  EXPECT_EQ(ParseByteSize("256MiB"), 268435456U);
  EXPECT_EQ(ParseByteSize("1gib"), 1073741824U);
  EXPECT_EQ(ParseByteSize("2T"), std::uint64_t{2} << 40);
}

TEST(ByteSizeTest, AnythingElseIsNone) {
  for (const char* const text :
       {"", "k", "1x", "-1", "1.5M", " 1", "1 M", "1MB", "16777216t", "18446744073709551616"}) {
    EXPECT_EQ(ParseByteSize(text), std::nullopt) << text;
  }
}

TEST(ByteSizeTest, WhatIsWrittenReadsBack) {
  for (const std::uint64_t bytes :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1023}, std::uint64_t{1024},
        std::uint64_t{1536}, std::uint64_t{10} << 20, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    EXPECT_EQ(ParseByteSize(FormatByteSize(bytes)), bytes);
  }
  EXPECT_EQ(FormatByteSize(10 << 20), "10MiB");
}

}  // namespace
}  // namespace fetchd
