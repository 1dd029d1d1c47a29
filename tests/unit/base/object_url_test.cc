// URLs of objects: what a job may be fetched from beside the web.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/object_uri.h"
#include "base/url.h"

namespace fetchd {
namespace {

using ::testing::HasSubstr;

TEST(ObjectUrlTest, SaysTheSameAsItsText) {
  for (const char* text : {"s3://bucket/key", "s3+ceph-1://My_Bucket.1/a//../b?c#d%41 e",
                           "azblob://container/\xc3\xbc", "gs://bucket/a/b"}) {
    const auto url = Url::ParseSource(text);

    ASSERT_TRUE(url.ok()) << url.status();
    EXPECT_TRUE(url->names_object());
    EXPECT_EQ(url->ToString(), text);
    EXPECT_EQ(url->Redacted(), text);
    EXPECT_EQ(url->object(), **ParseObjectUri(text));
    EXPECT_EQ(*Url::ParseSource(url->ToString()), *url);
    EXPECT_EQ(*Origin::Parse(url->origin().ToString()), url->origin());
  }
}

TEST(ObjectUrlTest, HasTheNameOfAFile) {
  EXPECT_EQ(Url::ParseSource("s3://bucket/a/report 1%.csv")->basename(), "report 1%.csv");
  EXPECT_EQ(Url::ParseSource("s3://bucket/a?b")->basename(), "a?b");
}

TEST(ObjectUrlTest, HasTheOriginOfItsBucket) {
  EXPECT_EQ(Url::ParseSource("s3+lab://bucket/a")->origin().ToString(), "s3+lab://bucket");
  EXPECT_EQ(Url::ParseSource("s3://bucket/a")->origin(),
            Url::ParseSource("s3://bucket/b")->origin());
  EXPECT_NE(Url::ParseSource("s3://bucket/a")->origin(),
            Url::ParseSource("s3+lab://bucket/a")->origin());
}

TEST(ObjectUrlTest, IsNoneOfWhatOthersSay) {
  EXPECT_FALSE(Url::Parse("s3://bucket/key").ok());
  const Url web = *Url::Parse("https://example.org/a");
  for (const char* location : {"s3://bucket/key", "s3+lab://bucket/key", "azblob://con/key"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(web.Resolve(location).status())) << location;
  }
}

TEST(ObjectUrlTest, WhatIsNoneIsReadAsTheWebs) {
  const auto url = Url::ParseSource("https://example.org/a?b");
  ASSERT_TRUE(url.ok());
  EXPECT_FALSE(url->names_object());
  EXPECT_FALSE(Url::ParseSource("ftp://example.org/a").ok());
  EXPECT_THAT(Url::ParseSource("s3://bucket").status().message(), HasSubstr("no key"));
}

TEST(OriginTest, IsWithoutPathAndQuery) {
  EXPECT_EQ(Origin::Parse("https://Example.org:443/")->ToString(), "https://example.org");
  EXPECT_EQ(Origin::Parse("s3://bucket/")->ToString(), "s3://bucket");
  for (const char* wrong : {"https://example.org/a", "https://example.org/?a", "s3://bucket/a",
                            "example.org", "", "s3://b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Origin::Parse(wrong).status())) << wrong;
  }
}

}  // namespace
}  // namespace fetchd
