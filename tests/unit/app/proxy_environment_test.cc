#include "app/proxy_environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "http/no_proxy.h"

namespace fetchd::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

/// "http user:password@host:port (remote)"; empty for none.
std::string Describe(const net::ProxyPtr& proxy) {
  if (proxy == nullptr) return "";
  constexpr const char* kKinds[] = {"http", "https", "socks5"};
  std::string text = Concat(kKinds[static_cast<std::size_t>(proxy->kind)], " ");
  if (proxy->has_credentials()) {
    text += Concat(proxy->username, ':', proxy->password.Reveal(), '@');
  }
  text += Concat(proxy->host, ':', proxy->port);
  return proxy->resolves_names ? text + " (remote)" : text;
}

struct EnvironmentCase {
  std::string name;
  std::vector<std::string> variables;
  std::string for_http, for_https;
};
class ProxyEnvironmentTest : public ::testing::TestWithParam<EnvironmentCase> {};

TEST_P(ProxyEnvironmentTest, DescribesTheProxies) {
  const ProxyEnvironment read = ReadProxyEnvironment(GetParam().variables);

  EXPECT_EQ(Describe(read.for_http), GetParam().for_http);
  EXPECT_EQ(Describe(read.for_https), GetParam().for_https);
  EXPECT_THAT(read.errors, IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(
    All, ProxyEnvironmentTest,
    ::testing::Values(
        EnvironmentCase{"Nothing", {"PATH=/bin", "HTTP_PROXYX=x:1", "BROKEN"}, "", ""},
        EnvironmentCase{"ByScheme",
                        {"HTTP_PROXY=http://a:3128", "HTTPS_PROXY=http://b:2"},
                        "http a:3128",
                        "http b:2"},
        EnvironmentCase{"OneOfThem", {"HTTPS_PROXY=http://b:2"}, "", "http b:2"},
        EnvironmentCase{"All", {"ALL_PROXY=socks5://a:3128"}, "socks5 a:3128", "socks5 a:3128"},
        EnvironmentCase{"AllForTheRest",
                        {"ALL_PROXY=http://a:3128", "HTTPS_PROXY=http://b:2"},
                        "http a:3128",
                        "http b:2"},
        EnvironmentCase{"LowerCase", {"https_proxy=http://b:2"}, "", "http b:2"},
        EnvironmentCase{"LowerCaseFirst",
                        {"HTTPS_PROXY=http://upper:3128", "https_proxy=http://lower:2"},
                        "",
                        "http lower:2"},
        EnvironmentCase{"EmptyIsAbsent",
                        {"https_proxy=", "HTTPS_PROXY=http://upper:3128", "HTTP_PROXY="},
                        "",
                        "http upper:3128"},
        EnvironmentCase{"NoScheme", {"HTTP_PROXY=a:3128"}, "http a:3128", ""},
        EnvironmentCase{"Https", {"HTTP_PROXY=https://a:3129/"}, "https a:3129", ""},
        EnvironmentCase{
            "RemoteSocks", {"HTTP_PROXY=SOCKS5H://a:1080"}, "socks5 a:1080 (remote)", ""},
        EnvironmentCase{
            "Credentials", {"HTTP_PROXY=http://me:pa%40ss%3A@a:3128"}, "http me:pa@ss:@a:3128", ""},
        EnvironmentCase{
            "CredentialsWithoutScheme", {"HTTP_PROXY=me:x@a:3128"}, "http me:x@a:3128", ""},
        EnvironmentCase{"UserAlone", {"HTTP_PROXY=http://me@a:3128"}, "http me:@a:3128", ""},
        EnvironmentCase{
            "Httpoxy",
            {"REQUEST_METHOD=GET", "HTTP_PROXY=http://evil:3128", "HTTPS_PROXY=http://b:2"},
            "",
            "http b:2"},
        EnvironmentCase{
            "HttpoxyLeavesTheLowerCase",
            {"REQUEST_METHOD=GET", "HTTP_PROXY=http://evil:3128", "http_proxy=http://a:3128"},
            "http a:3128",
            ""},
        EnvironmentCase{
            "HttpoxyFallsBackToAll",
            {"REQUEST_METHOD=GET", "HTTP_PROXY=http://evil:3128", "ALL_PROXY=http://a:3128"},
            "http a:3128",
            "http a:3128"}),
    [](const auto& info) { return info.param.name; });

TEST(ReadProxyEnvironmentTest, ProxiesAreCalledByTheirVariable) {
  const ProxyEnvironment read =
      ReadProxyEnvironment({"http_proxy=http://a:3128", "HTTPS_PROXY=http://b:2"});

  EXPECT_EQ(read.for_http->name, "http_proxy");
  EXPECT_EQ(read.for_https->name, "HTTPS_PROXY");
}

TEST(ReadProxyEnvironmentTest, IgnoredVariableIsSaid) {
  EXPECT_THAT(ReadProxyEnvironment({"REQUEST_METHOD=", "HTTP_PROXY=http://evil:3128"}).warnings,
              ElementsAre(HasSubstr("HTTP_PROXY is ignored")));
  EXPECT_THAT(ReadProxyEnvironment({"REQUEST_METHOD=GET"}).warnings, IsEmpty());
}

TEST(ReadProxyEnvironmentTest, ErrorsNameTheVariableAndNothingOfItsValue) {
  for (const std::string value : {"http://me:s3cret@proxy", "ftp://me:s3cret@proxy:3128",
                                  "http://me:s3cret@:3128", "socks5://me:s3cret:@proxy:3128/x",
                                  "http://proxy:3128/@evil:2", "http://me:s3/cret@proxy:3128",
                                  "socks5://s3cret@proxy:3128", "http://s3cret%0a@proxy:3128"}) {
    const ProxyEnvironment read = ReadProxyEnvironment({"HTTPS_PROXY=" + value});

    EXPECT_THAT(read.errors, ElementsAre(AllOf(StartsWith("environment: HTTPS_PROXY: "),
                                               Not(HasSubstr("s3cret")))))
        << value;
    EXPECT_EQ(read.for_https, nullptr);
  }
}

struct NoProxyCase {
  std::string name;
  std::string no_proxy;
  std::string url;
  bool matches;
};
class NoProxyVariableTest : public ::testing::TestWithParam<NoProxyCase> {};

TEST_P(NoProxyVariableTest, MeansWhatItMeansElsewhere) {
  const ProxyEnvironment read = ReadProxyEnvironment({"NO_PROXY=" + GetParam().no_proxy});
  const auto list = http::NoProxyList::Create(read.no_proxy);
  ASSERT_TRUE(list.ok()) << list.status();

  EXPECT_EQ(list->Matches(Url::Parse(GetParam().url)->origin()), GetParam().matches);
  EXPECT_THAT(read.warnings, IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(
    All, NoProxyVariableTest,
    ::testing::Values(
        NoProxyCase{"Host", "example.org", "http://example.org/", true},
        NoProxyCase{"HostsSubdomain", "example.org", "http://a.b.example.org/", true},
        NoProxyCase{"HostIsNoSuffix", "example.org", "http://notexample.org/", false},
        NoProxyCase{"LeadingDot", ".example.org", "http://a.example.org/", true},
        NoProxyCase{"LeadingDotIsNotTheHost", ".example.org", "http://example.org/", false},
        NoProxyCase{"Star", "*.example.org", "http://a.example.org/", true},
        NoProxyCase{"Suffix", ".svc", "http://a.ns.svc/", true},
        NoProxyCase{"ListWithSpaces", "a.test, b.test ,, c.test", "http://b.test/", true},
        NoProxyCase{"LastOfAList", "a.test,c.test", "http://c.test/", true},
        NoProxyCase{"Port", "example.org:8080", "http://a.example.org:8080/", true},
        NoProxyCase{"OtherPort", "example.org:8080", "http://example.org/", false},
        NoProxyCase{"Address", "127.0.0.1,::1", "http://[::1]/", true},
        NoProxyCase{"Block", "10.0.0.0/8", "http://10.9.8.7/", true},
        NoProxyCase{"BlockAsMapped", "10.0.0.0/8", "http://[::ffff:10.9.8.7]/", true},
        NoProxyCase{"AddressHasNoSubdomain", "127.0.0.1", "http://1.127.0.0.1.test/", false},
        NoProxyCase{"TrailingDot", "localhost", "http://localhost./", true},
        NoProxyCase{"Everything", "*", "http://example.org/", true},
        NoProxyCase{"Empty", "", "http://example.org/", false}),
    [](const auto& info) { return info.param.name; });

TEST(ReadProxyEnvironmentTest, EntryWithoutMeaningIsIgnoredAndSaid) {
  const ProxyEnvironment read =
      ReadProxyEnvironment({"NO_PROXY=http://a.test,10.0.0.1/8,b.test,a*b,[fe80::1%eth0]"});

  EXPECT_THAT(read.warnings, ElementsAre(HasSubstr("http://a.test"), HasSubstr("10.0.0.1/8"),
                                         HasSubstr("a*b"), HasSubstr("[fe80::1%eth0]")));
  EXPECT_THAT(read.no_proxy, ElementsAre("b.test", "*.b.test"));
}

}  // namespace
}  // namespace fetchd::app
