#include "base/byte_range.h"

#include <gtest/gtest.h>

#include <limits>

namespace fetchd {
namespace {

TEST(ByteRangeTest, HeaderNamesLastOnlyWhenKnown) {
  EXPECT_EQ((ByteRange{5, std::nullopt}.ToHeader()), "bytes=5-");
  EXPECT_EQ((ByteRange{5, 9}.ToHeader()), "bytes=5-9");
}

TEST(ContentRangeTest, ReadsAllThreeForms) {
  const auto full = ParseContentRange("bytes 0-4/5");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->range, (ByteRange{0, 4}));
  EXPECT_EQ(full->complete_length, 5);

  const auto unknown_length = ParseContentRange("Bytes 7-9/*");
  ASSERT_TRUE(unknown_length);
  EXPECT_EQ(unknown_length->range, (ByteRange{7, 9}));
  EXPECT_FALSE(unknown_length->complete_length);

  const auto unsatisfied = ParseContentRange("bytes */1234");
  ASSERT_TRUE(unsatisfied);
  EXPECT_FALSE(unsatisfied->range);
  EXPECT_EQ(unsatisfied->complete_length, 1234);
}

TEST(ContentRangeTest, ReadsTheLargestNumber) {
  const auto parsed = ParseContentRange("bytes 0-18446744073709551614/18446744073709551615");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->complete_length, std::numeric_limits<std::uint64_t>::max());
}

class BadContentRangeTest : public ::testing::TestWithParam<const char*> {};

TEST_P(BadContentRangeTest, IsRefused) { EXPECT_FALSE(ParseContentRange(GetParam())); }

INSTANTIATE_TEST_SUITE_P(All, BadContentRangeTest,
                         ::testing::Values("", "bytes", "bytes ", "bytes=0-4/5", "items 0-4/5",
                                           "bytes 0-4", "bytes 4-0/5", "bytes 0-5/5", "bytes */*",
                                           "bytes -4/5", "bytes 0-/5", "bytes +0-4/5",
                                           "bytes 0 -4/5", "bytes  0-4/5", "bytes 0-4/5 ",
                                           "bytes 0-4/", "bytes 0-4/-5", "bytes 0x0-4/5",
                                           "bytes 0-18446744073709551616/*",
                                           "bytes 0-4/5, bytes 5-9/10"));

}  // namespace
}  // namespace fetchd
