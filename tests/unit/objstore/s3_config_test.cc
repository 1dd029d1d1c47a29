#include "objstore/s3_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace fetchd::objstore {
namespace {

S3Config At(const char* endpoint, bool path_style) {
  S3Config config;
  if (*endpoint != '\0') config.endpoint = *Url::Parse(endpoint);
  config.path_style = path_style;
  return config;
}

std::string UrlOf(const S3Config& config, const std::string& bucket, const std::string& key,
                  const std::string& query = "") {
  const auto url = UrlFor(config, config.region, bucket, key, query);
  return url.ok() ? url->ToString() : std::string(url.status().message());
}

TEST(UrlForTest, BucketsAreInThePathOrInTheHost) {
  EXPECT_EQ(UrlOf(At("http://h:9000", true), "b", "k"), "http://h:9000/b/k");
  EXPECT_EQ(UrlOf(At("http://h:9000", false), "b", "k"), "http://b.h:9000/k");
  EXPECT_EQ(UrlOf(At("http://h:9000", true), "b", "", "uploads="), "http://h:9000/b?uploads=");
  EXPECT_EQ(UrlOf(At("http://h:9000", false), "b", "", "uploads="), "http://b.h:9000/?uploads=");
  EXPECT_EQ(UrlOf(At("https://h/gate/", true), "b", "k"), "https://h/gate/b/k");
}

TEST(UrlForTest, AwsIsReachedInTheRegion) {
  S3Config config = At("", false);
  EXPECT_EQ(UrlOf(config, "b", "k"), "https://b.s3.us-east-1.amazonaws.com/k");
  EXPECT_EQ(UrlOf(config, "b.c", "k"), "https://s3.us-east-1.amazonaws.com/b.c/k");
  config.region = "cn-north-1";
  EXPECT_EQ(UrlOf(config, "b", "k"), "https://b.s3.cn-north-1.amazonaws.com.cn/k");
}

TEST(UrlForTest, KeysArriveAsTheyAreNamed) {
  const S3Config config = At("http://h", true);
  EXPECT_EQ(UrlOf(config, "b", "a//b"), "http://h/b/a//b");
  EXPECT_EQ(UrlOf(config, "b", "../up"), "http://h/b/../up");
  EXPECT_EQ(UrlOf(config, "b", "dot/./seg"), "http://h/b/dot/./seg");
  EXPECT_EQ(UrlOf(config, "b", "trail/"), "http://h/b/trail/");
  EXPECT_EQ(UrlOf(config, "b", "/lead"), "http://h/b//lead");
  EXPECT_EQ(UrlOf(config, "b", "+ %"), "http://h/b/%2B%20%25");
  EXPECT_EQ(UrlOf(config, "b", "?&#"), "http://h/b/%3F%26%23");
  EXPECT_EQ(UrlOf(config, "b", "\xc3\xbc\n"), "http://h/b/%C3%BC%0A");
}

TEST(UrlForTest, WhatIsNoBucketIsRefused) {
  for (const char* bucket : {"", "a/b", "..", "a b", "b?", "\xc3\xbc"}) {
    for (const bool path_style : {true, false}) {
      EXPECT_TRUE(absl::IsInvalidArgument(
          UrlFor(At("http://h", path_style), "r", bucket, "k", "").status()))
          << bucket;
    }
  }
  EXPECT_TRUE(UrlFor(At("http://h", true), "r", "My_Bucket", "k", "").ok());
  EXPECT_FALSE(UrlFor(At("http://h", false), "r", "My_Bucket", "k", "").ok());
}

TEST(CheckKeyTest, IsUtf8OfALength) {
  EXPECT_TRUE(CheckKey("k").ok());
  EXPECT_TRUE(CheckKey(std::string(1024, 'k')).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(CheckKey("")));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckKey(std::string(1025, 'k'))));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckKey("\xff")));
}

TEST(CheckS3ConfigTest, SaysWhatCannotWork) {
  EXPECT_TRUE(Check(At("", false)).ok());
  EXPECT_TRUE(Check(At("http://127.0.0.1", true)).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Check(At("http://127.0.0.1", false))));
  EXPECT_TRUE(absl::IsInvalidArgument(Check(At("http://h/?a", true))));
  S3Config config = At("", false);
  for (const char* region : {"", "a/b", "a b", "evil.example"}) {
    config.region = region;
    EXPECT_TRUE(absl::IsInvalidArgument(Check(config))) << region;
  }
}

}  // namespace
}  // namespace fetchd::objstore
