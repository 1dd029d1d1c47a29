#include "base/signed_url.h"

#include <gtest/gtest.h>

#include "base/url.h"

namespace fetchd {
namespace {

struct Case {
  std::string_view url, hidden;
};

class SignedUrlTest : public ::testing::TestWithParam<Case> {};

TEST_P(SignedUrlTest, HidesWhatIsSecretAndNothingElse) {
  const Case& c = GetParam();

  EXPECT_EQ(HideSignatures(c.url), c.hidden);
  EXPECT_EQ(HasSignature(c.url), c.url != c.hidden);
  EXPECT_FALSE(HasHiddenSignature(c.url));
  EXPECT_EQ(HideSignatures(c.hidden), c.hidden) << "once is enough";
  EXPECT_FALSE(HasSignature(c.hidden));
  EXPECT_EQ(HasHiddenSignature(c.hidden), c.url != c.hidden);
}

INSTANTIATE_TEST_SUITE_P(
    Urls, SignedUrlTest,
    ::testing::Values(
        Case{"https://h/p", "https://h/p"}, Case{"https://h/p?", "https://h/p?"},
        Case{"https://h/p?page=2&token_type=x", "https://h/p?page=2&token_type=x"},
        Case{"https://h/p?a=1&X-Amz-Signature=beef&b=2",
             "https://h/p?a=1&X-Amz-Signature=[redacted]&b=2"},
        Case{"https://h/p?x-amz-signature=beef", "https://h/p?x-amz-signature=[redacted]"},
        Case{"https://h/p?sv=1&sig=a%2Bb%3D", "https://h/p?sv=1&sig=[redacted]"},
        Case{"https://h/p?sig=a=b==", "https://h/p?sig=[redacted]"},
        Case{"https://h/p?token=a;password=b", "https://h/p?token=[redacted]"},
        Case{"https://h/p?password=a;b&c=d", "https://h/p?password=[redacted]&c=d"},
        Case{"https://h/p?token=a?b#sig=c", "https://h/p?token=[redacted]#sig=[redacted]"},
        Case{"https://h/p?a=b;sig=c", "https://h/p?a=b;sig=[redacted]"},
        Case{"https://h/p?to=https://i/?sig=c", "https://h/p?to=https://i/?sig=[redacted]"},
        Case{"https://h/p?&&=x&sig=c&", "https://h/p?&&=x&sig=[redacted]&"},
        Case{"https://h/p?%73ig=hidden-name", "https://h/p?%73ig=[redacted]"},
        Case{"https://h/p?token=", "https://h/p?token="},
        Case{"https://h/p?token", "https://h/p?token"},
        Case{"https://h/sig=path?a", "https://h/sig=path?a"},
        Case{"https://h/p?a?sig=b", "https://h/p?a?sig=[redacted]"},
        Case{"https://h/p#access_token=x", "https://h/p#access_token=[redacted]"},
        Case{"not a url", "not a url"}, Case{"", ""}, Case{"?sig=x", "?sig=[redacted]"}));

TEST(SignedUrlTest, ManyParametersTakeNoLongerThanTheyAreLong) {
  std::string url = "https://h/?", hidden = url;
  for (int i = 0; i < 500'000; ++i) {
    url += "sig=x&";
    hidden += "sig=[redacted]&";
  }

  EXPECT_EQ(HideSignatures(url), hidden) << "what is quadratic does not end";
}

TEST(WithoutUserinfoTest, KeepsPasswordsOutOfWhatIsShown) {
  for (const auto& [text, shown] :
       {Case{"https://user:secret@h.test/a@b", "https://h.test/a@b"},
        Case{"https://h.test/a@b", "https://h.test/a@b"},
        Case{"s3://bucket/a@b", "s3://bucket/a@b"}, Case{"user:secret@h.test", "h.test"},
        Case{"https://u:a@b@h.test/", "https://h.test/"},
        Case{"https://u:a/b@h.test/c", "https://h.test/c"},
        Case{"https://u:a?b@h.test/c", "https://h.test/c"}, Case{"no secret", "no secret"},
        Case{"", ""}}) {
    EXPECT_EQ(WithoutUserinfo(text), shown);
  }
}

TEST(SignedUrlTest, WhatIsHiddenIsAUrlStill) {
  const auto url = Url::Parse(HideSignatures("https://h/p?sig=x&a=b"));

  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(url->ToString(), "https://h/p?sig=[redacted]&a=b");
}

}  // namespace
}  // namespace fetchd
