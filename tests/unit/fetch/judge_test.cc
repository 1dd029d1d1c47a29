// What an answer is worth to who asked for a body, a part of it, or the rest of either.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "fetch/resume.h"

namespace fetchd::fetch {
namespace {

struct JudgeCase {
  const char* name;
  Asked asked;
  int status;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::uint64_t> content_length;
  Answer answer;
  std::optional<std::uint64_t> total_bytes = {};
  const char* reason = "";  ///< Of kFailed.
};
void PrintTo(const JudgeCase& c, std::ostream* out) { *out << c.name; }

class JudgeTest : public ::testing::TestWithParam<JudgeCase> {};

TEST_P(JudgeTest, Answers) {
  http::Response response{.url = *Url::Parse("http://example.org/")};
  response.head.status = GetParam().status;
  for (const auto& [name, value] : GetParam().headers) response.head.headers.Add(name, value);
  response.content_length = GetParam().content_length;

  const Judged judged = Judge(response, GetParam().asked);

  EXPECT_EQ(judged.answer, GetParam().answer);
  EXPECT_EQ(judged.total_bytes, GetParam().total_bytes);
  EXPECT_EQ(GetReason(judged.error).value_or(Reason{}).reason, GetParam().reason);
  EXPECT_EQ(judged.error.ok(), judged.answer != Answer::kFailed);
}

Asked AskedFrom(std::uint64_t offset, std::optional<std::uint64_t> total = {}) {
  return {.offset = offset, .validator = {"\"v\"", ""}, .total_bytes = total};
}
Asked Part(std::uint64_t first, std::optional<std::uint64_t> last, std::uint64_t offset = 0,
           std::optional<std::uint64_t> total = {}) {
  Asked asked = AskedFrom(offset, total);
  if (offset == 0) asked.validator = {};
  asked.range = ByteRange{first, last};
  return asked;
}
Asked From(const char* url, Asked asked) {
  asked.source = SourceOf(*Url::Parse(url));
  return asked;
}
constexpr char kElsewhere[] = "http://mirror.example/";

Asked IfChanged() { return {.conditional = true}; }

std::vector<std::pair<std::string, std::string>> Range(const std::string& value,
                                                       const std::string& etag = "\"v\"") {
  return {{"Content-Range", value}, {"ETag", etag}};
}

INSTANTIATE_TEST_SUITE_P(
    AllOfTheBody, JudgeTest,
    ::testing::Values(
        JudgeCase{"Whole", {}, 200, {}, 10, Answer::kBody, 10},
        JudgeCase{"OfUnknownLength", {}, 200, {}, {}, Answer::kBody},
        JudgeCase{"PartThatNobodyAskedFor",
                  {},
                  206,
                  Range("bytes 0-9/10"),
                  10,
                  Answer::kFailed,
                  {},
                  "MALFORMED_RESPONSE"},
        JudgeCase{
            "NotSatisfiableThatNobodyAskedFor", {}, 416, {}, 0, Answer::kFailed, {}, "HTTP_STATUS"},
        JudgeCase{
            "NotModifiedWithoutACondition", {}, 304, {}, 0, Answer::kFailed, {}, "HTTP_STATUS"},
        JudgeCase{"NotModified", IfChanged(), 304, {{"ETag", "\"v\""}}, 0, Answer::kNotModified},
        JudgeCase{"Modified", IfChanged(), 200, {}, 10, Answer::kBody, 10},
        JudgeCase{
            "PreconditionFailed", IfChanged(), 412, {}, 0, Answer::kFailed, {}, "HTTP_STATUS"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    TheRest, JudgeTest,
    ::testing::Values(
        JudgeCase{"Continued", AskedFrom(4), 206, Range("bytes 4-9/10"), 6, Answer::kBody, 10},
        JudgeCase{"OfKnownTotal", AskedFrom(4, 10), 206, Range("bytes 4-9/*"), 6, Answer::kBody,
                  10},
        JudgeCase{"OfUnknownTotal", AskedFrom(4), 206, Range("bytes 4-9/*"), 6, Answer::kAskAgain},
        JudgeCase{"OfAnotherTotal", AskedFrom(4, 11), 206, Range("bytes 4-9/10"), 6,
                  Answer::kAskAgain},
        JudgeCase{"OfAnotherVersion", AskedFrom(4), 206, Range("bytes 4-9/10", "\"w\""), 6,
                  Answer::kAskAgain},
        JudgeCase{"FromThePlaceOfTheRest", From("http://example.org/", AskedFrom(4)), 206,
                  Range("bytes 4-9/10"), 6, Answer::kBody, 10},
        JudgeCase{"FromAnotherPlace", From(kElsewhere, AskedFrom(4)), 206, Range("bytes 4-9/10"), 6,
                  Answer::kAskAgain},
        JudgeCase{"NothingLeftAtAnotherPlace", From(kElsewhere, AskedFrom(10)), 416,
                  Range("bytes */10"), 0, Answer::kAskAgain},
        JudgeCase{"AnotherPart", AskedFrom(4), 206, Range("bytes 5-9/10"), 5, Answer::kAskAgain},
        JudgeCase{"ShorterThanItSays", AskedFrom(4), 206, Range("bytes 4-9/10"), 5,
                  Answer::kAskAgain},
        JudgeCase{"NoContentRange", AskedFrom(4), 206, {}, 6, Answer::kAskAgain},
        JudgeCase{"ManyParts",
                  AskedFrom(4),
                  206,
                  {{"Content-Type", "multipart/byteranges; boundary=x"}},
                  600,
                  Answer::kAskAgain},
        JudgeCase{"FromZero", AskedFrom(4), 200, {}, 10, Answer::kFromZero, 10},
        JudgeCase{"NothingLeft", AskedFrom(10), 416, Range("bytes */10"), 0, Answer::kComplete, 10},
        JudgeCase{"NothingLeftOfAnotherVersion", AskedFrom(10), 416, Range("bytes */10", "\"w\""),
                  0, Answer::kAskAgain},
        JudgeCase{"NothingLeftOfAShorterBody", AskedFrom(10, 12), 416, Range("bytes */10"), 0,
                  Answer::kAskAgain},
        JudgeCase{"BeyondTheEnd", AskedFrom(10), 416, Range("bytes */9"), 0, Answer::kAskAgain},
        JudgeCase{"NoTotal", AskedFrom(10), 416, {}, 0, Answer::kAskAgain}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    ARange, JudgeTest,
    ::testing::Values(
        JudgeCase{"AsAskedFor", Part(2, 5), 206, Range("bytes 2-5/10"), 4, Answer::kBody, 4},
        JudgeCase{"OfUnknownTotal", Part(2, 5), 206, Range("bytes 2-5/*"), 4, Answer::kBody, 4},
        JudgeCase{"CutByTheEndOfTheBody", Part(2, 50), 206, Range("bytes 2-9/10"), 8, Answer::kBody,
                  8},
        JudgeCase{"ToTheEnd", Part(2, {}), 206, Range("bytes 2-9/10"), 8, Answer::kBody, 8},
        JudgeCase{"ToAnEndThatIsNotKnown",
                  Part(2, {}),
                  206,
                  Range("bytes 2-9/*"),
                  8,
                  Answer::kFailed,
                  {},
                  "MALFORMED_RESPONSE"},
        // The rest is asked for when these bytes are here.
        JudgeCase{"LessThanAskedFor", Part(2, 5), 206, Range("bytes 2-3/10"), 2, Answer::kBody, 4},
        JudgeCase{"LessOfUnknownTotal",
                  Part(2, 5),
                  206,
                  Range("bytes 2-3/*"),
                  2,
                  Answer::kFailed,
                  {},
                  "MALFORMED_RESPONSE"},
        JudgeCase{"MoreThanAskedFor",
                  Part(2, 5),
                  206,
                  Range("bytes 2-6/10"),
                  5,
                  Answer::kFailed,
                  {},
                  "MALFORMED_RESPONSE"},
        JudgeCase{"AnotherFirst",
                  Part(2, 5),
                  206,
                  Range("bytes 1-5/10"),
                  5,
                  Answer::kFailed,
                  {},
                  "MALFORMED_RESPONSE"},
        JudgeCase{"AnotherUnit",
                  Part(2, 5),
                  206,
                  Range("items 2-5/10"),
                  4,
                  Answer::kFailed,
                  {},
                  "MALFORMED_RESPONSE"},
        JudgeCase{"ManyParts",
                  Part(2, 5),
                  206,
                  {{"Content-Type", "multipart/byteranges; boundary=x"}},
                  600,
                  Answer::kFailed,
                  {},
                  "MALFORMED_RESPONSE"},
        JudgeCase{"TwoContentRanges",
                  Part(2, 5),
                  206,
                  {{"Content-Range", "bytes 2-5/10"}, {"Content-Range", "bytes 2-5/10"}},
                  4,
                  Answer::kFailed,
                  {},
                  "MALFORMED_RESPONSE"},
        JudgeCase{
            "AllInstead", Part(2, 5), 200, {}, 10, Answer::kFailed, {}, "RANGE_NOT_SUPPORTED"},
        JudgeCase{"AllInsteadOfTheBeginning",
                  Part(0, 5),
                  200,
                  {},
                  10,
                  Answer::kFailed,
                  {},
                  "RANGE_NOT_SUPPORTED"},
        JudgeCase{"AllThatIsThere", Part(0, 9), 200, {}, 10, Answer::kBody, 10},
        JudgeCase{"AllOfUnknownLength",
                  Part(0, 9),
                  200,
                  {},
                  {},
                  Answer::kFailed,
                  {},
                  "RANGE_NOT_SUPPORTED"},
        JudgeCase{"AllThatEndsBeforeIt",
                  Part(10, 20),
                  200,
                  {},
                  10,
                  Answer::kFailed,
                  {},
                  "RANGE_NOT_SATISFIABLE"},
        JudgeCase{
            "NothingAtAll", Part(2, 5), 200, {}, 0, Answer::kFailed, {}, "RANGE_NOT_SATISFIABLE"},
        JudgeCase{"BeyondTheEnd",
                  Part(10, 20),
                  416,
                  Range("bytes */10"),
                  0,
                  Answer::kFailed,
                  {},
                  "RANGE_NOT_SATISFIABLE"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(
    TheRestOfARange, JudgeTest,
    ::testing::Values(JudgeCase{"Continued", Part(2, 7, 3, 6), 206, Range("bytes 5-7/10"), 3,
                                Answer::kBody, 6},
                      JudgeCase{"OfUnknownTotal", Part(2, 7, 3, 6), 206, Range("bytes 5-7/*"), 3,
                                Answer::kBody, 6},
                      JudgeCase{"OfABodyThatGrewShorter", Part(2, 7, 3, 6), 206,
                                Range("bytes 5-6/7"), 2, Answer::kAskAgain},
                      JudgeCase{"NotFromItsOwnBeginning", Part(2, 7, 3, 6), 206,
                                Range("bytes 3-7/10"), 5, Answer::kAskAgain},
                      JudgeCase{"OfAnotherVersion", Part(2, 7, 3, 6), 206,
                                Range("bytes 5-7/10", "\"w\""), 3, Answer::kAskAgain},
                      JudgeCase{"FromAnotherPlace", From(kElsewhere, Part(2, 7, 3, 6)), 206,
                                Range("bytes 5-7/10"), 3, Answer::kAskAgain},
                      JudgeCase{"AllInstead", Part(2, 7, 3, 6), 200, {}, 10, Answer::kAskAgain},
                      JudgeCase{"NothingLeft", Part(2, 20, 8, 8), 416, Range("bytes */10"), 0,
                                Answer::kComplete, 8},
                      JudgeCase{"BeyondTheEnd", Part(2, 20, 8, 8), 416, Range("bytes */8"), 0,
                                Answer::kAskAgain}),
    [](const auto& info) { return info.param.name; });

TEST(AskedTest, MissingIsWhatTheRangeFieldNames) {
  EXPECT_EQ(Asked{}.Missing(), std::nullopt);
  EXPECT_EQ(AskedFrom(4).Missing()->ToHeader(), "bytes=4-");
  EXPECT_EQ(Part(2, 7).Missing()->ToHeader(), "bytes=2-7");
  EXPECT_EQ(Part(2, 7, 3).Missing()->ToHeader(), "bytes=5-7");
  EXPECT_EQ(Part(2, {}, 3).Missing()->ToHeader(), "bytes=5-");
}

TEST(AskedTest, StartingOverKeepsWhatIsWanted) {
  Asked asked = From(kElsewhere, Part(2, 7, 3, 6));
  asked.conditional = true;

  asked.StartOver();

  EXPECT_EQ(asked.Missing()->ToHeader(), "bytes=2-7");
  EXPECT_TRUE(asked.validator.empty());
  EXPECT_EQ(asked.total_bytes, std::nullopt);
  EXPECT_TRUE(asked.source.place.empty());
  EXPECT_TRUE(asked.conditional);
}

TEST(AskedTest, OfABoundedRangeAByteIsLeftToAskFor) {
  EXPECT_EQ(UsableOf(6, std::nullopt), 6u);
  EXPECT_EQ(UsableOf(6, ByteRange{2, std::nullopt}), 6u);
  EXPECT_EQ(UsableOf(3, ByteRange{2, 7}), 3u);
  EXPECT_EQ(UsableOf(6, ByteRange{2, 7}), 5u);
  EXPECT_EQ(UsableOf(1, ByteRange{2, 2}), 0u);
}

}  // namespace
}  // namespace fetchd::fetch
