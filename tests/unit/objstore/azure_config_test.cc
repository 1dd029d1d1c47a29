#include "objstore/azure_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"

namespace fetchd::objstore {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

AzureConfig ConfigOf(std::optional<std::string> endpoint) {
  AzureConfig config;
  config.account = "acct1";
  if (endpoint) config.endpoint = *Url::Parse(*endpoint);
  return config;
}

std::string UrlOf(const AzureConfig& config, const std::string& key) {
  const auto url = AzureUrlFor(config, "con", key, "comp=block");
  return url.ok() ? url->ToString() : MessageOf(url.status());
}

TEST(AzureUrlTest, TheAccountIsInTheHostUnlessAnEndpointIsGiven) {
  EXPECT_EQ(UrlOf(ConfigOf({}), "k"), "https://acct1.blob.core.windows.net/con/k?comp=block");
  EXPECT_EQ(UrlOf(ConfigOf("http://127.0.0.1:10000/acct1/"), "k"),
            "http://127.0.0.1:10000/acct1/con/k?comp=block");
}

TEST(AzureUrlTest, NamesAreEncodedToTheLetter) {
  EXPECT_EQ(UrlOf(ConfigOf({}), "a//b + %?&=#\xc3\xbc%2e"),
            "https://acct1.blob.core.windows.net/con/a//b%20%2B%20%25%3F%26%3D%23%C3%BC%252e"
            "?comp=block");
}

TEST(AzureUrlTest, WhatTheServiceWouldNotKeepIsRefused) {
  for (const char* key : {"..", "a/../b", "./a", "a/.", "end.", "a./b", "a..."}) {
    EXPECT_THAT(UrlOf(ConfigOf({}), key), HasSubstr("may end in '.'")) << key;
  }
  EXPECT_THAT(UrlOf(ConfigOf({}), "a\\b"), HasSubstr("'\\'"));
  EXPECT_THAT(UrlOf(ConfigOf({}), "a\nb"), HasSubstr("control characters"));
  EXPECT_THAT(UrlOf(ConfigOf({}), ""), HasSubstr("1 to 1024 bytes"));
  std::string deep = "a";
  for (int i = 1; i < 254; ++i) deep += "/a";
  EXPECT_THAT(UrlOf(ConfigOf({}), deep), HasSubstr("?comp=block"));
  EXPECT_THAT(UrlOf(ConfigOf({}), deep + "/a"), HasSubstr("254 parts"));
  EXPECT_THAT(UrlOf(ConfigOf({}), ".hidden/a.b/..c"), HasSubstr("/con/.hidden/a.b/..c"));
}

TEST(AzureUrlTest, ContainersHaveNamesOfTheirOwn) {
  for (const char* name : {"ab", "Upper", "a_b", "-abc", "abc-", "a--b", "a.b", "a/b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(AzureUrlFor(ConfigOf({}), name, "k", "").status())) << name;
  }
  EXPECT_TRUE(AzureUrlFor(ConfigOf({}), "a-1-b", "k", "").ok());
}

TEST(AzureConfigTest, AccountsAndEndpointsAreChecked) {
  EXPECT_TRUE(Check(ConfigOf({})).ok());
  EXPECT_THAT(MessageOf(Check(ConfigOf("https://e.test/?x=1"))), HasSubstr("without a query"));
  for (const char* account : {"", "ab", "Upper1", "with-dash", "evil.test/x"}) {
    AzureConfig config;
    config.account = account;
    EXPECT_THAT(MessageOf(Check(config)), HasSubstr("3 to 24")) << account;
  }
}

TEST(AzureAccessTest, AKeyIsBase64) {
  EXPECT_EQ(AccountKeyAccess(Secret("c2VjcmV0 "))->account_key.Reveal(), "secret");
  for (const char* text : {"", "not base64!", "c2VjcmV"}) {
    const absl::Status wrong = AccountKeyAccess(Secret(text)).status();
    EXPECT_TRUE(absl::IsInvalidArgument(wrong)) << text;
    EXPECT_THAT(MessageOf(wrong), Not(HasSubstr("c2Vj")));
  }
}

TEST(AzureAccessTest, ATokenIsASignedQuery) {
  EXPECT_EQ(SasTokenAccess(Secret("?sv=1&sig=abc%3D"))->sas_token.Reveal(), "sv=1&sig=abc%3D");
  for (const char* text : {"", "sv=1&se=hunter2", "sv=1&sig=hunter2 x", "sig=hunter2#x"}) {
    const absl::Status wrong = SasTokenAccess(Secret(text)).status();
    EXPECT_TRUE(absl::IsInvalidArgument(wrong)) << text;
    EXPECT_THAT(MessageOf(wrong), Not(HasSubstr("hunter2")));
  }
}

}  // namespace
}  // namespace fetchd::objstore
