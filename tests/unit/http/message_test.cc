#include "http/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status.h"

namespace fetchd::http {
namespace {

TEST(HeadersTest, NamesCompareWithoutCaseAndKeepTheirOrder) {
  Headers headers;
  headers.Add("Set-Cookie", "a");
  headers.Add("X", "");
  headers.Add("set-cookie", "b");

  EXPECT_EQ(headers.size(), 3U);
  EXPECT_EQ(headers.Get("SET-COOKIE"), "a");
  EXPECT_EQ(headers.Count("set-cookie"), 2U);
  EXPECT_TRUE(headers.Has("x"));
  EXPECT_FALSE(headers.Has("y"));
  EXPECT_EQ(headers.at(2).second, "b");
}

TEST(ValidateHeaderTest, AcceptsOrdinaryHeaders) {
  EXPECT_TRUE(ValidateHeader("Authorization", "Bearer x").ok());
  EXPECT_TRUE(ValidateHeader("X-Custom_1", "").ok());
  EXPECT_TRUE(ValidateHeader("User-Agent", "a\tb \xc3\xa9").ok());
}

TEST(ValidateHeaderTest, RefusesWhatCouldBreakOutOfItsLine) {
  for (const char* name : {"", "a b", "a:", "a\r\n", "\xc3\xa9"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ValidateHeader(name, "x"))) << name;
  }
  for (const char* value : {"a\r\nb: c", "a\nb", "a\x01", "\x7f", " a", "a\t"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ValidateHeader("X", value))) << value;
  }
  EXPECT_FALSE(ValidateHeader("X", std::string_view("a\0b", 3)).ok());
}

TEST(ValidateHeaderTest, RefusesWhatTheClientOwnsAndSaysWhy) {
  for (const char* name :
       {"Host", "content-length", "Transfer-Encoding", "TE", "Trailer", "Connection", "Keep-Alive",
        "Upgrade", "Proxy-Authorization", "Proxy-Connection", "Expect", "Range", "If-Range",
        "Accept-Encoding", "Metadata", "Metadata-Flavor", "X-aws-ec2-metadata-token",
        "x-aws-ec2-metadata-token-ttl-seconds"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ValidateHeader(name, "x"))) << name;
  }
  EXPECT_THAT(MessageOf(ValidateHeader("Range", "bytes=0-1")),
              ::testing::HasSubstr("byte range field"));
}

TEST(ValidateHeaderTest, ConditionsHaveFieldsOfTheirOwn) {
  EXPECT_THAT(MessageOf(ValidateHeader("If-None-Match", "\"v1\"")),
              ::testing::HasSubstr("if_none_match field"));
  EXPECT_THAT(MessageOf(ValidateHeader("if-modified-since", "x")),
              ::testing::HasSubstr("if_modified_since field"));
}

}  // namespace
}  // namespace fetchd::http
