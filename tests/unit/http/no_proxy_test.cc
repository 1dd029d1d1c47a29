#include "http/no_proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fetchd::http {
namespace {

using ::testing::HasSubstr;

/// `url` is what a caller writes: what is compared comes out of the one parser.
struct MatchCase {
  std::string name;
  std::string entry;
  std::string url;
  bool matches;
};
class NoProxyTest : public ::testing::TestWithParam<MatchCase> {};

TEST_P(NoProxyTest, MatchesWhatTheEntrySays) {
  const absl::StatusOr<NoProxyList> list =
      NoProxyList::Create({"unrelated.test", GetParam().entry});
  ASSERT_TRUE(list.ok()) << list.status();
  const absl::StatusOr<Url> url = Url::Parse(GetParam().url);
  ASSERT_TRUE(url.ok()) << url.status();

  EXPECT_EQ(list->Matches(url->origin()), GetParam().matches);
}
INSTANTIATE_TEST_SUITE_P(
    Names, NoProxyTest,
    ::testing::Values(
        MatchCase{"Host", "example.org", "http://example.org/", true},
        MatchCase{"HostOnAnyPort", "example.org", "https://example.org:8443/", true},
        MatchCase{"HostIsNoDomain", "example.org", "http://a.example.org/", false},
        MatchCase{"HostIsNoSuffix", "example.org", "http://notexample.org/", false},
        MatchCase{"HostIsNoPrefix", "example.org", "http://example.org.evil.test/", false},
        MatchCase{"CaseOfTheUrl", "example.org", "http://EXAMPLE.org/", true},
        MatchCase{"CaseOfTheEntry", "Example.ORG", "http://example.org/", true},
        MatchCase{"TrailingDotOfTheUrl", "example.org", "http://example.org./", true},
        MatchCase{"TrailingDotOfTheEntry", "example.org.", "http://example.org/", true},
        MatchCase{"TrailingDotOfLocalhost", "localhost", "http://localhost.:8080/", true},
        MatchCase{"PercentEncodedUrl", "example.org", "http://ex%61mple.org/", true},
        MatchCase{"Domain", "*.example.org", "http://a.b.example.org/", true},
        MatchCase{"DomainIsNotItsHost", "*.example.org", "http://example.org/", false},
        MatchCase{"DomainEndsAtALabel", "*.example.org", "http://badexample.org/", false},
        MatchCase{"Port", "example.org:8443", "https://example.org:8443/", true},
        MatchCase{"OtherPort", "example.org:8443", "https://example.org/", false},
        MatchCase{"DefaultPort", "example.org:443", "https://example.org/", true},
        MatchCase{"Everything", "*", "http://192.0.2.1/", true},
        MatchCase{"NameIsNoAddress", "example.org", "http://192.0.2.1/", false}),
    [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(
    Addresses, NoProxyTest,
    ::testing::Values(
        MatchCase{"Block", "10.0.0.0/8", "http://10.1.2.3/", true},
        MatchCase{"BlocksEnd", "10.0.0.0/8", "http://11.0.0.0/", false},
        MatchCase{"Address", "192.0.2.7", "http://192.0.2.7:8080/", true},
        MatchCase{"AddressIsNoPrefix", "192.0.2.7", "http://192.0.2.70/", false},
        MatchCase{"AddressWithPort", "192.0.2.7:8080", "http://192.0.2.7/", false},
        MatchCase{"MappedUrl", "127.0.0.1", "http://[::ffff:127.0.0.1]/", true},
        MatchCase{"MappedUrlInHex", "10.0.0.0/8", "http://[::ffff:a01:203]/", true},
        MatchCase{"MappedEntry", "::ffff:10.0.0.0/104", "http://10.1.2.3/", true},
        MatchCase{"Ipv6", "2001:db8::/32", "http://[2001:DB8:0::1]/", true},
        MatchCase{"Ipv6InBrackets", "[2001:db8::1]", "http://[2001:db8::1]/", true},
        MatchCase{"Ipv6AndPort", "[2001:db8::1]:8080", "http://[2001:db8::1]:8080/", true},
        MatchCase{"OtherIpv6", "2001:db8::/32", "http://[2001:db9::1]/", false},
        MatchCase{"BlockOfEverythingIsNoName", "0.0.0.0/0", "http://example.org/", false},
        MatchCase{"AddressLikeName", "10.0.0.0/8", "http://10.0.0.1.example.org/", false}),
    [](const auto& info) { return info.param.name; });

TEST(NoProxyListTest, EmptyListMatchesNothing) {
  EXPECT_FALSE(NoProxyList().Matches({"http", "localhost", 80}));
}

TEST(NoProxyListTest, BadEntryIsNamed) {
  for (const std::string entry : {"", "a b", "http://example.org", "10.0.0.1/8", "*.", "a.*.b",
                                  "[fe80::1%eth0]", "fe80::1%eth0", "example.org:0", "a/b"}) {
    const absl::Status status = NoProxyList::Create({entry}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << entry;
    EXPECT_THAT(MessageOf(status), HasSubstr('"' + entry + '"'));
  }
}

}  // namespace
}  // namespace fetchd::http
