#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>

#include "sink/destinations.h"

namespace fetchd::sink {
namespace {

constexpr WallTime kCreated{std::chrono::sys_days{std::chrono::year{2026} / 1 / 31}};

struct Case {
  const char* name;
  std::string uri;
  std::string url = "https://example.org/pub/a%20b/file.tar.gz?x=1";
  std::string path = "";  ///< Empty = refused.
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.uri; }

class ParseDestinationTest : public ::testing::TestWithParam<Case> {};

TEST_P(ParseDestinationTest, AcceptsOrRefuses) {
  const Case& c = GetParam();
  std::mt19937_64 random(1);
  const JobId job = JobId::Generate(kCreated, random);
  const absl::StatusOr<Url> url = Url::Parse(c.url);
  ASSERT_TRUE(url.ok()) << url.status();

  const absl::StatusOr<Destination> destination = ParseDestination(c.uri, *url, job, kCreated);

  if (c.path.empty()) {
    ASSERT_FALSE(destination.ok()) << destination->path;
    EXPECT_TRUE(absl::IsInvalidArgument(destination.status()));
    EXPECT_EQ(GetField(destination.status())->field, "destination");
    return;
  }
  ASSERT_TRUE(destination.ok()) << destination.status();
  std::string path = destination->path;
  if (const auto at = path.find(job.str()); at != std::string::npos) path.replace(at, 26, "JOB");
  EXPECT_EQ(path, c.path);
}

INSTANTIATE_TEST_SUITE_P(
    All, ParseDestinationTest,
    ::testing::Values(
        Case{"Plain", "file:a/b.txt", "http://h.org/", "a/b.txt"},
        Case{"Default", kDefaultDestination, "http://h.org/x.bin", "JOB/x.bin"},
        Case{"DefaultWithoutName", kDefaultDestination, "http://h.org/", "JOB/index"},
        Case{.name = "AllPlaceholders",
             .uri = "file:{host}/{date}/{path}",
             .path = "example.org/2026-01-31/pub/a b/file.tar.gz"},
        Case{"EncodedTraversalStaysOneName", "file:{basename}", "http://h.org/..%2f..%2fetc",
             ".._.._etc"},
        Case{"EncodedSlashInPath", "file:{path}", "http://h.org/a%2f..%2fb/c", "a_.._b/c"},
        Case{"UnknownPlaceholder", "file:{user}"}, Case{"UnmatchedOpen", "file:{host"},
        Case{"UnmatchedClose", "file:host}"}, Case{"Absolute", "file:/etc/passwd"},
        Case{"AbsoluteUri", "file:///etc/passwd"}, Case{"DotDot", "file:a/../b"},
        Case{"Dot", "file:./a"}, Case{"EmptySegment", "file:a//b"}, Case{"Trailing", "file:a/"},
        Case{"Empty", "file:"}, Case{"Nul", std::string("file:a\0b", 8)},
        Case{"Newline", "file:a\nb"}, Case{"LongSegment", "file:" + std::string(256, 'a')},
        Case{"NoScheme", "a/b"}, Case{"OtherScheme", "ftp://host/key"},
        Case{"DiscardWithPath", "discard:x"}, Case{"TemporaryName", "file:.x.{job}.fetchd-part"}),
    [](const auto& info) { return info.param.name; });

struct ObjectCase {
  const char* name;
  std::string uri;
  std::optional<ObjectUri> object = std::nullopt;  ///< nullopt = refused.
};

void PrintTo(const ObjectCase& c, std::ostream* out) { *out << c.uri; }

class ObjectDestinationTest : public ::testing::TestWithParam<ObjectCase> {};

TEST_P(ObjectDestinationTest, AcceptsOrRefuses) {
  const ObjectCase& c = GetParam();
  const absl::StatusOr<Url> url = Url::Parse("https://example.org/pub/a%20b/file.tar.gz?x=1");

  const auto destination = ParseDestination(c.uri, *url, JobId(), kCreated);

  if (!c.object) {
    ASSERT_TRUE(absl::IsInvalidArgument(destination.status())) << destination.status();
    EXPECT_EQ(GetField(destination.status())->field, "destination");
    return;
  }
  ASSERT_TRUE(destination.ok()) << destination.status();
  EXPECT_EQ(destination->kind, Destination::Kind::kObject);
  EXPECT_EQ(destination->object, *c.object);
  EXPECT_EQ(ParseResolvedDestination(destination->ToString())->object, *c.object);
}

INSTANTIATE_TEST_SUITE_P(
    All, ObjectDestinationTest,
    ::testing::Values(
        ObjectCase{"Plain", "s3://bucket/a/b.txt", ObjectUri{"s3", "", "bucket", "a/b.txt"}},
        ObjectCase{"Placeholders", "gs://bucket/{host}/{path}",
                   ObjectUri{"gs", "", "bucket", "example.org/pub/a b/file.tar.gz"}},
        ObjectCase{"NamedStore", "s3+ceph-1://bucket/k", ObjectUri{"s3", "ceph-1", "bucket", "k"}},
        ObjectCase{"Azure", "azblob://container/k", ObjectUri{"azblob", "", "container", "k"}},
        ObjectCase{"KeyAsItIs", "s3://bucket/a//../%41?x#y",
                   ObjectUri{"s3", "", "bucket", "a//../%41?x#y"}},
        ObjectCase{"NoKey", "s3://bucket"}, ObjectCase{"EmptyKey", "s3://bucket/"},
        ObjectCase{"Folder", "s3://bucket/a/"}, ObjectCase{"NoBucket", "s3:///a"},
        ObjectCase{"ShortBucket", "s3://ab/a"}, ObjectCase{"DotsInBucket", "s3://a..b/a"},
        ObjectCase{"Host", "s3://user@bucket/a"}, ObjectCase{"NoSlashes", "s3:bucket/a"},
        ObjectCase{"EmptyStore", "s3+://bucket/a"}, ObjectCase{"StoreName", "s3+A://bucket/a"},
        ObjectCase{"Control", "s3://bucket/a\nb"}, ObjectCase{"NotUtf8", "s3://bucket/\xff"},
        ObjectCase{"LongKey", "s3://bucket/" + std::string(1025, 'a')}),
    [](const auto& info) { return info.param.name; });

TEST(DestinationTest, DiscardHasNoPath) {
  const absl::StatusOr<Url> url = Url::Parse("http://h.org/");

  const auto destination = ParseDestination("discard:", *url, JobId(), kCreated);

  ASSERT_TRUE(destination.ok());
  EXPECT_EQ(destination->kind, Destination::Kind::kDiscard);
  EXPECT_EQ(destination->ToString(), "discard:");
}

Destination FileAt(std::string path) { return {Destination::Kind::kFile, std::move(path)}; }

TEST(DestinationTest, OneJobWritesToDifferentFiles) {
  const std::string longest(255, 'a');
  const std::string like_it = std::string(195, 'a') + "b";
  const std::string other = std::string(194, 'a') + "bb";
  const auto together = [](std::vector<Destination> destinations) {
    return CheckTogether(destinations);
  };

  EXPECT_TRUE(together({Destination()}).ok());
  EXPECT_TRUE(together({FileAt("a"), FileAt("b"), FileAt("c/a")}).ok());
  EXPECT_TRUE(together({FileAt(longest), FileAt(other), FileAt("c/" + like_it)}).ok());
  EXPECT_EQ(GetField(together({FileAt("c/a"), FileAt("b"), FileAt("c/a")}))->field, "destination");
  EXPECT_TRUE(absl::IsInvalidArgument(together({FileAt(longest), FileAt(like_it)})));
  EXPECT_TRUE(absl::IsInvalidArgument(together({FileAt("a"), Destination()})));
  const Destination object = *ParseResolvedDestination("s3://bucket/a");
  EXPECT_TRUE(together({FileAt("a"), object}).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(
      together({object, *ParseResolvedDestination("s3+other://bucket/b")})));
}

}  // namespace
}  // namespace fetchd::sink
