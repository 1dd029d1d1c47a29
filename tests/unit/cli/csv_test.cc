#include "cli/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace fetchd::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Good {
  const char* name;
  const char* text;
  std::vector<std::vector<std::string>> records;
};
void PrintTo(const Good& good, std::ostream* out) { *out << good.name; }

class CsvTest : public ::testing::TestWithParam<Good> {};

TEST_P(CsvTest, Reads) {
  CsvReader reader(GetParam().text);
  std::vector<std::vector<std::string>> records;
  while (true) {
    const auto record = reader.Next();
    ASSERT_TRUE(record.ok()) << record.status();
    if (!record->has_value()) break;
    records.push_back((*record)->fields);
  }

  EXPECT_EQ(records, GetParam().records);
}

INSTANTIATE_TEST_SUITE_P(
    All, CsvTest,
    ::testing::Values(Good{"Nothing", "", {}}, Good{"EmptyLines", "\n\r\n\n", {}},
                      Good{"LineFeeds", "a,b\nc,d\n", {{"a", "b"}, {"c", "d"}}},
                      Good{"CarriageReturns", "a,b\r\nc,d", {{"a", "b"}, {"c", "d"}}},
                      Good{"EmptyFields", ",\n,,", {{"", ""}, {"", "", ""}}},
                      Good{"Quotes", "\"a,\"\"b\"\"\",c", {{"a,\"b\"", "c"}}},
                      Good{"LineEndInQuotes", "\"a\r\nb\",\"\"\nc,d", {{"a\r\nb", ""}, {"c", "d"}}},
                      Good{"SpacesStay", " a , b", {{" a ", " b"}}}),
    [](const auto& info) { return info.param.name; });

struct Bad {
  const char* name;
  const char* text;
  std::size_t line;
  const char* message;
};
void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.name; }

class BadCsvTest : public ::testing::TestWithParam<Bad> {};

TEST_P(BadCsvTest, SaysWhereAndReadsNoFurther) {
  CsvReader reader(GetParam().text);
  auto record = reader.Next();
  while (record.ok() && record->has_value()) record = reader.Next();

  ASSERT_FALSE(record.ok());
  EXPECT_EQ(reader.line(), GetParam().line);
  EXPECT_THAT(MessageOf(record.status()), HasSubstr(GetParam().message));
  const auto after = reader.Next();
  EXPECT_TRUE(after.ok() && !after->has_value());
}

INSTANTIATE_TEST_SUITE_P(
    All, BadCsvTest,
    ::testing::Values(Bad{"QuoteInside", "a\nb\"c,d", 2, "a quote within a field"},
                      Bad{"TextBehindQuote", "\"a\"b", 1, "behind the closing quote"},
                      Bad{"OpenQuote", "a\n\"b\nc", 2, "does not end"},
                      Bad{"QuoteAfterQuotedLines", "\"a\nb\"\nc\"", 3, "a quote within a field"},
                      Bad{"LoneCarriageReturn", "a\rb", 1, "carriage return"}),
    [](const auto& info) { return info.param.name; });

TEST(CsvFieldTest, ReadsBackWhatItIs) {
  for (const std::string text : {"", "a", "a,b", "\"", "a\r\nb", " x "}) {
    const std::string line = Concat("x,", CsvField(text));
    const auto record = CsvReader(line).Next();
    ASSERT_TRUE(record.ok() && record->has_value()) << record.status();
    EXPECT_THAT((*record)->fields, ElementsAre("x", text));
  }
}

}  // namespace
}  // namespace fetchd::cli
