#include "base/utf8.h"

#include <gtest/gtest.h>

namespace fetchd {
namespace {

struct Utf8Case {
  std::string name, text, utf8;
};
class ToUtf8Test : public ::testing::TestWithParam<Utf8Case> {};

TEST_P(ToUtf8Test, IsWhatTheBytesStandFor) { EXPECT_EQ(ToUtf8(GetParam().text), GetParam().utf8); }

INSTANTIATE_TEST_SUITE_P(
    All, ToUtf8Test,
    ::testing::Values(Utf8Case{"Empty", "", ""}, Utf8Case{"Ascii", "plain", "plain"},
                      Utf8Case{"TwoBytes", "caf\xc3\xa9", "caf\xc3\xa9"},
                      Utf8Case{"FourBytes", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
                      Utf8Case{"Latin1", "caf\xe9.txt", "caf\xc3\xa9.txt"},
                      Utf8Case{"HighestByte", "\xff", "\xc3\xbf"},
                      Utf8Case{"LowestHighByte", "\x80", "\xc2\x80"},
                      Utf8Case{"CutShort", "a\xc3", "a\xc3\x83"},
                      Utf8Case{"Overlong", "\xc0\xaf", "\xc3\x80\xc2\xaf"},
                      Utf8Case{"Surrogate", "\xed\xa0\x80", "\xc3\xad\xc2\xa0\xc2\x80"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace fetchd
