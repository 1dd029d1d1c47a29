#include "base/strings.h"

#include <gtest/gtest.h>

#include <array>
#include <utility>

namespace fetchd {
namespace {

TEST(StringsTest, ConcatJoinsTextCharsAndIntegers) {
  EXPECT_EQ(Concat("port ", 80, ' ', std::string("x"), std::string_view("y"), -1), "port 80 xy-1");
  EXPECT_EQ(Concat(), "");
}

TEST(StringsTest, ParseDecimalTakesDigitsOnly) {
  EXPECT_EQ(ParseDecimal("0"), 0U);
  EXPECT_EQ(ParseDecimal("007"), 7U);
  EXPECT_EQ(ParseDecimal("18446744073709551615"), 18446744073709551615U);
  EXPECT_EQ(ParseDecimal<std::uint16_t>("65535"), 65535);
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "0x1", "1.0", "18446744073709551616"}) {
    EXPECT_FALSE(ParseDecimal(text)) << text;
  }
  EXPECT_FALSE(ParseDecimal<std::uint16_t>("65536"));
}

TEST(StringsTest, CaseFoldingIsAsciiOnly) {
  EXPECT_EQ(AsciiLower("AZaz@[`{\xc3\x84"), "azaz@[`{\xc3\x84");
  EXPECT_TRUE(EqualsIgnoreCase("ETag", "etag"));
  EXPECT_FALSE(EqualsIgnoreCase("ETag", "etag "));
  EXPECT_FALSE(EqualsIgnoreCase("@", "`"));
}

TEST(StringsTest, TrimsSpacesAndTabsOnly) {
  EXPECT_EQ(TrimWhitespace(" \ta b\t "), "a b");
  EXPECT_EQ(TrimWhitespace(" \t "), "");
  EXPECT_EQ(TrimWhitespace("\ra\n"), "\ra\n");
}

TEST(StringsTest, ControlsAreC0AndDel) {
  for (const char* text : {"a\tb", "a\r", "\n", "\x1f", "a\x7f"}) EXPECT_TRUE(HasControl(text));
  EXPECT_TRUE(HasControl(std::string_view("\0", 1)));
  for (const char* text : {"", " ", "a b~", "\xc2\x80"}) EXPECT_FALSE(HasControl(text));
}

TEST(StringsTest, HexRoundTrips) {
  EXPECT_EQ(HexEncode(std::string_view("\x00\x7f\xff", 3)), "007fff");
  EXPECT_EQ(HexDecode("007FfF"), std::string("\x00\x7f\xff", 3));
  for (const char* text : {"0", "0g", "g0", "0x", " 0"}) EXPECT_FALSE(HexDecode(text)) << text;
}

// RFC 4648 10.
TEST(StringsTest, Base64RoundTrips) {
  constexpr auto kVectors =
      std::to_array<std::pair<const char*, const char*>>({{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"},
                                                          {"\xff\xfe\xfd", "//79"}});
  for (const auto& [bytes, text] : kVectors) {
    EXPECT_EQ(Base64Encode(bytes), text);
    EXPECT_EQ(Base64Decode(text), bytes);
  }
}

TEST(StringsTest, Base64HasOneSpellingOnly) {
  for (const char* text : {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm9 ",
                           "Zm9v\n", "Zm-_", "=Zg="}) {
    EXPECT_FALSE(Base64Decode(text)) << text;
  }
}

}  // namespace
}  // namespace fetchd
