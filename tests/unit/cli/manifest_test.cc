#include "cli/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/manifest_line.h"

namespace fetchd::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kHex[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct BadLine {
  const char* name;
  const char* line;
  const char* message;
};

class BadManifestLineTest : public ::testing::TestWithParam<BadLine> {};

TEST_P(BadManifestLineTest, SaysWhatIsWrong) {
  const auto request = ParseManifestLine(GetParam().line);

  ASSERT_FALSE(request.ok());
  EXPECT_EQ(request.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(request.status()), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadManifestLineTest,
    ::testing::Values(
        BadLine{"SpaceForTab", "http://a/ file:b", "space in the URL"},
        BadLine{"OnlyDestination", "\tfile:b", "without a URL"},
        BadLine{"NothingAfterTab", "http://a/\t", "nothing after the tab"},
        BadLine{"TwoTabs", "http://a/\tfile:b\tc", "more than one tab"},
        BadLine{"BrokenJson", "{\"url\": ", "not JSON"},
        BadLine{"JsonAndMore", "{\"url\": \"http://a/\"} x", "not JSON"},
        BadLine{"UnknownKey", R"({"url": "http://a/", "dest": "x"})", "unknown key \"dest\""},
        BadLine{"NoUrl", R"({"destination": "file:a"})", "\"url\" and \"urls\""},
        BadLine{"UrlAndUrls", R"({"url": "a", "urls": ["b"]})", "\"url\" and \"urls\""},
        BadLine{"NoUrls", R"({"urls": []})", "1 to 16"},
        BadLine{"UrlOfWrongType", R"({"url": 7})", "\"url\" must be a string"},
        BadLine{"ShortSha256", R"({"url": "http://a/", "sha256": "ab"})", "sha256"},
        BadLine{"BadDigest", R"({"url": "http://a/", "digests": ["sha1-abc"]})", "sha1"},
        BadLine{"NegativeSize", R"({"url": "http://a/", "size": -1})", "\"size\" must be"},
        BadLine{"BrokenSize", R"({"url": "http://a/", "size": 1.5})", "\"size\" must be"},
        BadLine{"ObjectOfWrongType", R"({"url": "http://a/", "object": "x"})", "\"object\""},
        BadLine{"ObjectTextOfWrongType", R"({"url": "http://a/", "object": {"content_type": 1}})",
                "\"object.content_type\""},
        BadLine{"ObjectMapOfWrongType", R"({"url": "http://a/", "object": {"tags": {"a": 1}}})",
                "\"object.tags\""},
        BadLine{"ObjectUnknownKey", R"({"url": "http://a/", "object": {"sse": "x"}})",
                "\"object.sse\""},
        BadLine{"LabelOfWrongType", R"({"url": "http://a/", "labels": {"a": 1}})", "\"labels\""},
        BadLine{"PriorityTooHigh", R"({"url": "http://a/", "priority": 101})", "-100 to 100"},
        BadLine{"UnknownOverwrite", R"({"url": "http://a/", "overwrite": "maybe"})", "maybe"},
        BadLine{"BackwardRange", R"({"url": "http://a/", "range": "9-1"})", "FIRST-LAST"},
        BadLine{"RangeOfWrongType", R"({"url": "http://a/", "range": 5})", "\"range\" must be"},
        BadLine{"CompressedOfWrongType", R"({"url": "http://a/", "compressed": "yes"})",
                "true or false"},
        BadLine{"OneEntityTag", R"({"url": "http://a/", "if_none_match": "v1"})",
                "list of strings"},
        BadLine{"NoTime", R"({"url": "http://a/", "if_modified_since": "soon"})", "is no time"},
        BadLine{"EmptyRequestId", R"({"url": "http://a/", "request_id": ""})", "request_id"}),
    [](const auto& info) { return info.param.name; });

TEST(ManifestLineTest, NothingIsNothing) {
  for (const char* const line : {"", "   ", "\t", "# comment", "  # comment"}) {
    const auto request = ParseManifestLine(line);
    ASSERT_TRUE(request.ok()) << line;
    EXPECT_FALSE(request->has_value()) << line;
  }
}

TEST(ManifestLineTest, PlainLineIsUrlAndDestination) {
  const auto request = ParseManifestLine("https://example.org/a\tfile:x y/b");

  ASSERT_TRUE(request.ok() && request->has_value());
  EXPECT_THAT((*request)->job().spec().urls(), ElementsAre("https://example.org/a"));
  EXPECT_EQ((*request)->job().destination(), "file:x y/b");
}

TEST(ManifestLineTest, JsonLineFillsTheRequest) {
  const auto request = ParseManifestLine(
      std::string(R"({"urls": ["http://a/", "http://b/"], "destination": "file:d",)") +
      R"("request_id": "r", "size": 18446744073709551615, "labels": {"k": "v"},)" +
      R"("headers": {"Accept": "x/y"}, "priority": -5, "overwrite": "if-different", "sha256": ")" +
      kHex + "\"}");

  ASSERT_TRUE(request.ok() && request->has_value()) << request.status();
  const v1::Job& job = (*request)->job();
  EXPECT_THAT(job.spec().urls(), ElementsAre("http://a/", "http://b/"));
  EXPECT_EQ(job.destination(), "file:d");
  EXPECT_EQ((*request)->request_id(), "r");
  EXPECT_EQ(job.spec().expected_size(), 18446744073709551615ull);
  EXPECT_EQ(job.labels().at("k"), "v");
  EXPECT_EQ(job.spec().headers(0).name(), "Accept");
  EXPECT_EQ(job.priority(), -5);
  EXPECT_EQ(job.overwrite(), v1::Job::OVERWRITE_IF_DIFFERENT);
  EXPECT_THAT(job.spec().digests(),
              ElementsAre("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="));
}

TEST(ManifestLineTest, JsonLineSaysWhichPartAndHow) {
  const auto request = ParseManifestLine(
      R"({"url": "http://a/", "range": "5-", "compressed": false, "if_none_match": ["v1", "\"v2\""],)"
      R"("if_modified_since": "1994-11-06T08:49:37Z"})");

  ASSERT_TRUE(request.ok() && request->has_value()) << request.status();
  const v1::FetchSpec& spec = (*request)->job().spec();
  EXPECT_EQ(spec.range().first(), 5u);
  EXPECT_EQ(spec.decode(), v1::FetchSpec::DECODE_AS_SENT);
  EXPECT_THAT(spec.if_none_match(), ElementsAre("\"v1\"", "\"v2\""));
  EXPECT_EQ(spec.if_modified_since().seconds(), 784'111'777);
  EXPECT_EQ(
      (*ParseManifestLine(R"({"url": "http://a/", "compressed": true})"))->job().spec().decode(),
      v1::FetchSpec::DECODE_CONTENT);
}

TEST(ManifestTest, ReportsEveryErrorWithItsLine) {
  const Manifest manifest("list", "http://a/\nhttp://b/ c\r\n\n{\"url\": 1}\n");

  EXPECT_THAT(manifest.Check(),
              ElementsAre(HasSubstr("list:2: a space"), HasSubstr("list:4: \"url\"")));
}

TEST(ManifestTest, OneRequestIdMayNotStandForTwoJobs) {
  const Manifest manifest("list",
                          "{\"url\": \"http://a/\", \"request_id\": \"1\"}\n"
                          "{\"request_id\":\"1\", \"url\":\"http://a/\"}\n"
                          "{\"url\": \"http://b/\", \"request_id\": \"1\"}\n");

  EXPECT_THAT(
      manifest.Check(),
      ElementsAre(HasSubstr("list:3: request_id \"1\" stands for a different job in line 1")));
}

TEST(ManifestTest, YieldsJobsInOrderWithTheirPlaces) {
  Manifest manifest("list", "\xef\xbb\xbf# head\r\nhttp://a/\r\n\nhttp://b/");
  ASSERT_THAT(manifest.Check(), IsEmpty());

  const auto first = manifest.Next();
  const auto second = manifest.Next();

  ASSERT_TRUE(first && second);
  EXPECT_THAT(first->request.job().spec().urls(), ElementsAre("http://a/"));
  EXPECT_EQ(first->place, "list:2");
  EXPECT_EQ(second->place, "list:4");
  EXPECT_FALSE(manifest.Next());
}

TEST(UrlOfLineTest, TakesPlainLinesAsTheyStandAndUrlOfObjects) {
  EXPECT_EQ(*UrlOfLine("http://a b/"), "http://a b/");
  EXPECT_EQ(*UrlOfLine(R"({"url": "http://a/", "expect": "deny"})"), "http://a/");
  EXPECT_FALSE(UrlOfLine("{}").ok());
}

}  // namespace
}  // namespace fetchd::cli
