#include "cli/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace fetchd::cli {
namespace {

using std::chrono::milliseconds;

struct DurationCase {
  const char* text;
  std::optional<std::int64_t> ms;
};

class ParseDurationTest : public ::testing::TestWithParam<DurationCase> {};

TEST_P(ParseDurationTest, ReadsWholeUnitsInOrder) {
  const auto parsed = ParseDuration(GetParam().text);

  ASSERT_EQ(parsed.ok(), GetParam().ms.has_value()) << GetParam().text;
  if (parsed.ok()) EXPECT_EQ(parsed->count(), *GetParam().ms) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    All, ParseDurationTest,
    ::testing::Values(DurationCase{"250ms", 250}, DurationCase{"10m", 600'000},
                      DurationCase{"1h30m", 5'400'000}, DurationCase{"2d1s", 172'801'000},
                      DurationCase{"0s", 0}, DurationCase{"90s", 90'000},
                      DurationCase{"", std::nullopt}, DurationCase{"10", std::nullopt},
                      DurationCase{"m", std::nullopt}, DurationCase{"1.5s", std::nullopt},
                      DurationCase{"-1s", std::nullopt}, DurationCase{"1s ", std::nullopt},
                      DurationCase{" 1s", std::nullopt}, DurationCase{"30m1h", std::nullopt},
                      DurationCase{"1s1s", std::nullopt}, DurationCase{"1M", std::nullopt},
                      DurationCase{"99999999999999999999s", std::nullopt},
                      DurationCase{"36501d", std::nullopt}));

struct SizeCase {
  const char* text;
  std::optional<std::uint64_t> bytes;
};

class ParseSizeTest : public ::testing::TestWithParam<SizeCase> {};

TEST_P(ParseSizeTest, ReadsBytesAndUnits) {
  const auto parsed = ParseSize(GetParam().text);

  ASSERT_EQ(parsed.ok(), GetParam().bytes.has_value()) << GetParam().text;
  if (parsed.ok()) EXPECT_EQ(*parsed, *GetParam().bytes) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    All, ParseSizeTest,
    ::testing::Values(SizeCase{"0", 0}, SizeCase{"1048576", 1048576}, SizeCase{"1MiB", 1 << 20},
                      SizeCase{"2GB", 2'000'000'000}, SizeCase{"3B", 3},
                      SizeCase{"18446744073709551615", 18446744073709551615ull},
                      SizeCase{"18446744073709551616", std::nullopt},
                      SizeCase{"16777216TiB", std::nullopt}, SizeCase{"1mib", std::nullopt},
                      SizeCase{"1.5MiB", std::nullopt}, SizeCase{"MiB", std::nullopt},
                      SizeCase{"1 MiB", std::nullopt}, SizeCase{"-1", std::nullopt},
                      SizeCase{"", std::nullopt}));

TEST(FormatTest, BytesHaveOneDecimalBelowAHundred) {
  EXPECT_EQ(FormatBytes(17), "17 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(200ull << 20), "200 MiB");
}

TEST(FormatTest, DurationsShowTheTwoLargestUnits) {
  EXPECT_EQ(FormatDuration(milliseconds(17)), "17ms");
  EXPECT_EQ(FormatDuration(milliseconds(4200)), "4.2s");
  EXPECT_EQ(FormatDuration(milliseconds(200'000)), "3m20s");
  EXPECT_EQ(FormatDuration(milliseconds(7'500'000)), "2h5m");
  EXPECT_EQ(FormatDuration(milliseconds(86'400'000)), "1d");
}

TEST(PrintableTest, TerminalEscapesAreDefused) {
  EXPECT_EQ(Printable("a\x1b[2Jb\nc\x7f"), "a?[2Jb?c?");
}

TEST(ParsePairTest, SplitsAtTheFirstSeparator) {
  EXPECT_EQ(ParsePair("k=a=b", '=')->second, "a=b");
  EXPECT_FALSE(ParsePair("=b", '=').ok());
  EXPECT_FALSE(ParsePair("kb", '=').ok());
}

TEST(ShownUrlTest, KeepsSignaturesOffTheScreen) {
  EXPECT_EQ(ShownUrl("https://user:secret@example.org/a?v=1&sig=s"),
            "https://example.org/a?v=1&sig=[redacted]");
}

}  // namespace
}  // namespace fetchd::cli
