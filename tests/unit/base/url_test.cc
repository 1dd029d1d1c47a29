#include "base/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>

#include "base/url_text.h"

namespace fetchd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Accepted {
  std::string_view text;
  std::string_view canonical;
};

class AcceptedUrlTest : public ::testing::TestWithParam<Accepted> {};

TEST_P(AcceptedUrlTest, BecomesCanonicalAndStaysSo) {
  const auto url = Url::Parse(GetParam().text);
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(url->ToString(), GetParam().canonical);
  const auto again = Url::Parse(url->ToString());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, *url);
}

INSTANTIATE_TEST_SUITE_P(
    All, AcceptedUrlTest,
    ::testing::Values(
        Accepted{"http://h", "http://h/"},
        Accepted{"HTTPS://Example.ORG/A", "https://example.org/A"},
        Accepted{"http://h:80/", "http://h/"}, Accepted{"https://h:443/", "https://h/"},
        Accepted{"http://h:443/", "http://h:443/"}, Accepted{"http://h:/", "http://h/"},
        Accepted{"http://h:00080/", "http://h/"}, Accepted{"http://h:65535/", "http://h:65535/"},
        Accepted{"http://h?q", "http://h/?q"}, Accepted{"http://h#f", "http://h/"},
        Accepted{"http://h/a?b#c?d", "http://h/a?b"}, Accepted{"http://h/?a?b", "http://h/?a?b"},
        Accepted{"http://h/a//b/", "http://h/a//b/"}, Accepted{"http://h/a/./b", "http://h/a/b"},
        Accepted{"http://h/a/../b", "http://h/b"}, Accepted{"http://h/../../b", "http://h/b"},
        Accepted{"http://h/a/%2e%2E/b", "http://h/b"}, Accepted{"http://h/a/.%2e", "http://h/"},
        Accepted{"http://h/a/b/.", "http://h/a/b/"}, Accepted{"http://h/a/%2e", "http://h/a/"},
        Accepted{"http://h/...", "http://h/..."}, Accepted{"http://h/?a/../b", "http://h/?a/../b"},
        Accepted{"http://h/<\"`{}^>|[]", "http://h/%3C%22%60%7B%7D%5E%3E|[]"},
        Accepted{"http://h/?<\"'`{}>", "http://h/?%3C%22%27`{}%3E"},
        Accepted{"http://h/%zz%4", "http://h/%zz%4"}, Accepted{"http://h/@:", "http://h/@:"},
        Accepted{"http://h/%5c%00", "http://h/%5c%00"},
        Accepted{"http://example.org./", "http://example.org/"},
        Accepted{"http://ex%41mple.org/", "http://example.org/"},
        Accepted{"http://b\xc3\xbc"
                 "cher.example/",
                 "http://xn--bcher-kva.example/"},
        Accepted{"http://B%C3%9Ccher.example/", "http://xn--bcher-kva.example/"},
        Accepted{"http://fa\xc3\x9f.de/", "http://xn--fa-hia.de/"},
        Accepted{"http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/"},
        Accepted{"http://r3---sn-a_b.example/", "http://r3---sn-a_b.example/"},
        Accepted{"http://a\xe3\x80\x82"
                 "b/",
                 "http://a.b/"},
        Accepted{"http://192.0.2.1./", "http://192.0.2.1/"},
        Accepted{"http://\xef\xbc\x91.2.3.4/", "http://1.2.3.4/"},
        Accepted{"http://1.2.3.4.example/", "http://1.2.3.4.example/"},
        Accepted{"http://0x.example/", "http://0x.example/"},
        Accepted{"http://[::1]:8080/", "http://[::1]:8080/"},
        Accepted{"https://[2001:DB8:0:0::0:1]/", "https://[2001:db8::1]/"},
        Accepted{"http://[::ffff:127.0.0.1]/", "http://[::ffff:127.0.0.1]/"},
        Accepted{"http://[::ffff:7f00:1]/", "http://[::ffff:127.0.0.1]/"}));

struct Refused {
  std::string_view text;
  std::string_view because;
};

class RefusedUrlTest : public ::testing::TestWithParam<Refused> {};

TEST_P(RefusedUrlTest, SaysWhy) {
  const auto url = Url::Parse(GetParam().text);
  ASSERT_FALSE(url.ok()) << url->ToString();
  EXPECT_EQ(url.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(url.status()), HasSubstr(std::string(GetParam().because)));
}

INSTANTIATE_TEST_SUITE_P(
    Shape, RefusedUrlTest,
    ::testing::Values(
        Refused{"", "http and https"}, Refused{"example.org", "http and https"},
        Refused{"ftp://h/", "http and https"}, Refused{"file:///etc/passwd", "http and https"},
        Refused{"httpss://h/", "http and https"}, Refused{"javascript:alert(1)", "http and https"},
        Refused{"http:/h/", "\"//\""}, Refused{"http:h", "\"//\""}, Refused{"http:", "\"//\""},
        Refused{" http://h/", "space"}, Refused{"http://h/ ", "space"},
        Refused{"http://h/a b", "space"}, Refused{"http://h\\a", "backslash"},
        Refused{"http://h/a\\b", "backslash"}, Refused{"http://h/\n", "control"},
        Refused{"ht\ttp://h/", "control"}, Refused{std::string_view("http://h/\0", 10), "control"},
        Refused{"http://h/\x7f", "control"}, Refused{"http://h/\xc3\xbc", "ASCII"},
        Refused{"http://h/?\xc3\xbc", "ASCII"}, Refused{"http://user@h/", "credentials"},
        Refused{"http://u:p@h/", "credentials"}, Refused{"http://@h/", "credentials"},
        Refused{"http://a@b@127.0.0.1/", "credentials"},
        Refused{"http://h:80:80/", "more than one"}, Refused{"http://::1/", "more than one"},
        Refused{"http://[::1]:80:80/", "more than one"}));

INSTANTIATE_TEST_SUITE_P(Port, RefusedUrlTest,
                         ::testing::Values(Refused{"http://h:0/", "1 to 65535"},
                                           Refused{"http://h:65536/", "1 to 65535"},
                                           Refused{"http://h:+80/", "1 to 65535"},
                                           Refused{"http://h:-1/", "1 to 65535"},
                                           Refused{"http://h:0x50/", "1 to 65535"},
                                           Refused{"http://h:8o/", "1 to 65535"},
                                           Refused{"http://h:99999999999999999999/", "1 to 65535"},
                                           Refused{"http://h:22/", "port 22"},
                                           Refused{"http://h:25/", "port 25"},
                                           Refused{"http://h:6667/", "port 6667"},
                                           Refused{"http://h:10080/", "port 10080"}));

INSTANTIATE_TEST_SUITE_P(
    Host, RefusedUrlTest,
    ::testing::Values(
        Refused{"http:///a", "missing"}, Refused{"http://", "missing"},
        Refused{"http://:80/", "missing"}, Refused{"http://./", "empty label"},
        Refused{"http://a..b/", "empty label"}, Refused{"http://h../", "empty label"},
        Refused{"http://.h/", "empty label"}, Refused{"http://a%00.example/", "control"},
        Refused{"http://a%0d%0ab/", "control"}, Refused{"http://a%20b/", "space"},
        Refused{"http://a%2fb/", "character"}, Refused{"http://a%40b/", "character"},
        Refused{"http://a%3a80/", "character"}, Refused{"http://a%b/", "character"},
        Refused{"http://a*b/", "character"}, Refused{"http://a%ff/", "internationalized"},
        Refused{"http://xn--/", "internationalized"},
        Refused{"http://xn--a\xc3\xbc/", "internationalized"},
        Refused{"http://127.1/", "four decimal"}, Refused{"http://0x7f.0.0.1/", "four decimal"},
        Refused{"http://0x7f000001/", "four decimal"},
        Refused{"http://2130706433/", "four decimal"},
        Refused{"http://017700000001/", "four decimal"},
        Refused{"http://127.0.0.01/", "four decimal"}, Refused{"http://1.2.3.4.5/", "four decimal"},
        Refused{"http://1.2.3.256/", "four decimal"}, Refused{"http://a.0/", "four decimal"},
        Refused{"http://a.0x/", "four decimal"}, Refused{"http://a.09/", "four decimal"},
        Refused{"http://[::1/", "without ']'"}, Refused{"http://[::1]x/", "']'"},
        Refused{"http://[localhost]/", "IPv6 addresses only"}, Refused{"http://[v1.a]/", "IPv6"},
        Refused{"http://[]/", "not an IPv6"}, Refused{"http://[127.0.0.1]/", "not an IPv6"},
        Refused{"http://[::1::]/", "not an IPv6"}, Refused{"http://[1:2:3]/", "not an IPv6"},
        Refused{"http://[fe80::1%25eth0]/", "zone id"}, Refused{"http://[::1%lo]/", "zone id"}));

TEST(UrlTest, LengthLimitsAreExact) {
  const std::string label63(63, 'a');
  EXPECT_TRUE(Url::Parse("http://" + label63 + ".com/").ok());
  EXPECT_FALSE(Url::Parse("http://" + label63 + "a.com/").ok());

  std::string name = label63 + '.' + label63 + '.' + label63 + '.' + std::string(61, 'b');
  EXPECT_TRUE(Url::Parse("http://" + name).ok());
  EXPECT_TRUE(Url::Parse("http://" + name + "./").ok());
  EXPECT_FALSE(Url::Parse("http://" + name + "b").ok());

  const std::string start = "http://h/";
  EXPECT_TRUE(Url::Parse(start + std::string(8192 - start.size(), 'a')).ok());
  EXPECT_FALSE(Url::Parse(start + std::string(8193 - start.size(), 'a')).ok());
  EXPECT_FALSE(Url::Parse(start + std::string(8192 - start.size(), '"')).ok())
      << "canonical form too long";
}

TEST(UrlTest, WhatwgFormsOfIpv4BecomeCanonical) {
  for (const char* text :
       {"http://127.1/", "http://0x7f.1/", "http://017700000001/", "http://0x7F000001/",
        "http://2130706433/", "http://127.0.0.01/", "http://0177.0.0.0x1/",
        "http://00000000000000000000177.0.0.1/", "http://127.1./"}) {
    const auto url = Url::Parse(text, {Ipv4Forms::kWhatwg});
    ASSERT_TRUE(url.ok()) << text << url.status();
    EXPECT_EQ(url->host(), "127.0.0.1") << text;
    EXPECT_TRUE(url->address()->is_loopback()) << text;
  }
  for (const char* text : {"http://256.1/", "http://4294967296/", "http://1.2.3.4.5/",
                           "http://1.2.65536/", "http://0x1ffffffff/", "http://08/",
                           "http://99999999999999999999999/", "http://18446744073709551617/"}) {
    EXPECT_FALSE(Url::Parse(text, {Ipv4Forms::kWhatwg}).ok()) << text;
  }
}

TEST(UrlTest, PartsAreWhatGoesOnTheWire) {
  const Url url = *Url::Parse("https://[2001:db8::1]:8443/a/b%20c?x=1&y");
  EXPECT_EQ(url.scheme(), "https");
  EXPECT_TRUE(url.is_https());
  EXPECT_EQ(url.host(), "2001:db8::1");
  EXPECT_EQ(url.port(), 8443);
  EXPECT_TRUE(url.address()->is_v6());
  EXPECT_EQ(url.target(), "/a/b%20c?x=1&y");
  EXPECT_EQ(url.path(), "/a/b%20c");
  EXPECT_EQ(url.query(), "x=1&y");
  EXPECT_EQ(url.host_header(), "[2001:db8::1]:8443");
  EXPECT_EQ(url.origin().ToString(), "https://[2001:db8::1]:8443");
  EXPECT_EQ(Url::Parse("http://h:80/")->host_header(), "h");
  EXPECT_FALSE(Url::Parse("http://h/")->address());
}

TEST(UrlTest, AnExactTargetIsKeptToTheLetter) {
  const Url url = *Url::Parse("https://h:81/a?b");
  for (const char* target : {"/", "/b/../up", "/b//c/./", "/b/%2E%2e", "/b?", "/b/a%20b?x=%2F"}) {
    const auto exact = url.WithExactTarget(target);
    ASSERT_TRUE(exact.ok()) << exact.status();
    EXPECT_EQ(exact->target(), target);
    EXPECT_EQ(exact->origin(), url.origin());
  }
}

TEST(UrlTest, AnExactTargetCannotBreakOutOfItsLine) {
  const Url url = *Url::Parse("https://h/");
  for (const std::string& target :
       {std::string(""), std::string("a"), std::string("/a b"), std::string("/a\r\nb"),
        std::string("/\xc3\xbc"), std::string("/a#b"), std::string("/a\\b"),
        "/" + std::string(8192, 'a')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(url.WithExactTarget(target).status())) << target;
  }
}

TEST(UrlTextTest, TextBecomesPartOfAUrlWithOnlyUnreservedCharactersRaw) {
  EXPECT_EQ(PercentEncode("aZ0-._~ /%+?&=\xc3\xbc", UrlPart::kText),
            "aZ0-._~%20%2F%25%2B%3F%26%3D%C3%BC");
  EXPECT_EQ(PercentEncode("a//../b c*", UrlPart::kSegments), "a//../b%20c%2A");
}

TEST(UrlTest, RedactedHidesTheQueryOnly) {
  EXPECT_EQ(Url::Parse("http://h:81/a?token=secret")->Redacted(), "http://h:81/a?[redacted]");
  EXPECT_EQ(Url::Parse("http://h/a?")->Redacted(), "http://h/a?[redacted]");
  EXPECT_EQ(Url::Parse("http://h/a")->Redacted(), "http://h/a");
}

TEST(UrlTest, ErrorsNeverRepeatSecrets) {
  for (const char* text :
       {"http://hunter2:hunter2@h/", "hunter2:hunter2@h", "http://hunter2:hunter2/x@h/",
        "http://h:hunter2/", "http://h/?hunter2 ", "http://h:0/?hunter2", "http://a..b/?hunter2",
        "http://h/?hunter2\xff"}) {
    const auto url = Url::Parse(text);
    ASSERT_FALSE(url.ok()) << text;
    EXPECT_THAT(MessageOf(url.status()), Not(HasSubstr("hunter2")));
  }
}

struct Basename {
  std::string_view path;
  std::string expected;
};

class BasenameTest : public ::testing::TestWithParam<Basename> {};

TEST_P(BasenameTest, IsSafeAsAFileName) {
  const auto url = Url::Parse("http://h" + std::string(GetParam().path));
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_EQ(url->basename(), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    All, BasenameTest,
    ::testing::Values(Basename{"/a/file.tar.gz?x#y", "file.tar.gz"}, Basename{"/", "index"},
                      Basename{"/a/", "index"}, Basename{"", "index"}, Basename{"/..", "index"},
                      Basename{"/%2e%2e", "index"}, Basename{"/a%20b", "a b"},
                      Basename{"/%C3%BC", "\xc3\xbc"}, Basename{"/..%2F..%2Fetc", ".._.._etc"},
                      Basename{"/%2F", "_"}, Basename{"/a%5Cb", "a_b"}, Basename{"/a%00b", "a_b"},
                      Basename{"/a%0Ab%7F", "a_b_"}, Basename{"/%FF%C3", "__"},
                      Basename{"/%C0%AF", "__"}, Basename{"/%ED%A0%80", "___"},
                      Basename{"/%C2%85", "_"}, Basename{"/a%E2%80%AEb", "a_b"},
                      Basename{"/%F0%9F%98%80", "\xf0\x9f\x98\x80"},
                      Basename{"/%252e%252e", "%2e%2e"}, Basename{"/%zz", "%zz"}));

TEST(BasenameTest, IsCutAtACharacterThatFits) {
  std::string path = "http://h/";
  for (int i = 0; i < 200; ++i) path += "%C3%BC";
  EXPECT_EQ(Url::Parse(path)->basename().size(), 254U);
}

}  // namespace
}  // namespace fetchd
