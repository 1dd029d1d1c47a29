#include "cli/cells.h"

#include <gtest/gtest.h>

#include <clocale>
#include <string>

namespace fetchd::cli {
namespace {

class CellsTest : public ::testing::Test {
 protected:
  CellsTest() { EXPECT_NE(setlocale(LC_CTYPE, "C.UTF-8"), nullptr); }
};

struct CutCase {
  const char* name;
  std::string text;
  std::size_t columns;
  std::string cut;
  std::size_t taken;
};

class CutToCellsTest : public CellsTest, public ::testing::WithParamInterface<CutCase> {};

TEST_P(CutToCellsTest, ShowsWhatIsSafeAndFits) {
  const Cells cells = CutToCells(GetParam().text, GetParam().columns);

  EXPECT_EQ(cells.text, GetParam().cut);
  EXPECT_EQ(cells.columns, GetParam().taken);
}

INSTANTIATE_TEST_SUITE_P(
    All, CutToCellsTest,
    ::testing::Values(
        CutCase{"Ascii", "abc", 5, "abc", 3}, CutCase{"Cut", "abcdef", 3, "abc", 3},
        CutCase{"Nothing", "abc", 0, "", 0}, CutCase{"Escape", "a\x1b[2Jb", 9, "a?[2Jb", 6},
        CutCase{"LineEnds", "a\r\n\tb", 9, "a???b", 5}, CutCase{"Delete", "a\x7f", 9, "a?", 2},
        CutCase{"C1Control", "a\xc2\x9bK", 9, "a?K", 3},
        CutCase{"NotUtf8", "a\xff\xc3", 9, "a??", 3}, CutCase{"Overlong", "\xc0\x9b", 9, "??", 2},
        CutCase{"TurnsText", "a\u202eb\u2066c\u200fd", 9, "a?b?c?d", 7},
        CutCase{"Accent", "caf\u00e9", 9, "caf\u00e9", 4},
        CutCase{"CombiningMark", "e\u0301x", 9, "ex", 2},
        CutCase{"Wide", "\u65e5\u672c", 9, "\u65e5\u672c", 4},
        CutCase{"HalfOfAWideOneIsNone", "\u65e5\u672c", 3, "\u65e5", 2}),
    [](const auto& info) { return info.param.name; });

TEST_F(CellsTest, CellsAreAsWideAsAskedFor) {
  EXPECT_EQ(LeftCell("ab", 4), "ab  ");
  EXPECT_EQ(RightCell("ab", 4), "  ab");
  EXPECT_EQ(LeftCell("abcd", 4), "abcd");
  EXPECT_EQ(LeftCell("abcde", 4), "abc~");
  EXPECT_EQ(RightCell("abcde", 4), "abc~");
  EXPECT_EQ(LeftCell("\u65e5\u672c\u8a9e", 4), "\u65e5~ ");
  EXPECT_EQ(LeftCell("abc", 0), "");
}

TEST(CellsWithoutUtf8Test, WhatIsNotAsciiIsAQuestionMark) {
  ASSERT_NE(setlocale(LC_CTYPE, "C"), nullptr);

  EXPECT_EQ(CutToCells("caf\u00e9", 9).text, "caf?");
}

}  // namespace
}  // namespace fetchd::cli
