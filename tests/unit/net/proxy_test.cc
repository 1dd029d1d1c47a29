#include "net/proxy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fetchd::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct UrlCase {
  std::string name;
  std::string url;
  ProxyKind kind;
  std::string host;
  std::uint16_t port;
};
class ProxyUrlTest : public ::testing::TestWithParam<UrlCase> {};

TEST_P(ProxyUrlTest, SaysKindHostAndPort) {
  const absl::StatusOr<ProxyAddress> address = ParseProxyUrl(GetParam().url);

  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(address->kind, GetParam().kind);
  EXPECT_EQ(address->host, GetParam().host);
  EXPECT_EQ(address->port, GetParam().port);
}
INSTANTIATE_TEST_SUITE_P(
    All, ProxyUrlTest,
    ::testing::Values(
        UrlCase{"Http", "http://proxy.corp:3128", ProxyKind::kHttp, "proxy.corp", 3128},
        UrlCase{"Https", "https://proxy.corp:443/", ProxyKind::kHttps, "proxy.corp", 443},
        UrlCase{"Socks5", "socks5://127.0.0.1:1080", ProxyKind::kSocks5, "127.0.0.1", 1080},
        UrlCase{"Capitals", "SOCKS5://Proxy.Corp.:1080", ProxyKind::kSocks5, "proxy.corp", 1080},
        UrlCase{"DefaultPortIsWritten", "http://proxy:80", ProxyKind::kHttp, "proxy", 80},
        UrlCase{"Ipv6", "http://[2001:DB8::1]:3128", ProxyKind::kHttp, "2001:db8::1", 3128}),
    [](const auto& info) { return info.param.name; });

class BadProxyUrlTest : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(BadProxyUrlTest, IsRefusedWithoutRepeatingIt) {
  const absl::Status status = ParseProxyUrl(GetParam().second).status();

  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("write http://host:port"));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("s3cret")));
}
INSTANTIATE_TEST_SUITE_P(
    All, BadProxyUrlTest,
    ::testing::Values(std::pair{"Empty", ""}, std::pair{"NoScheme", "proxy.corp:3128"},
                      std::pair{"NoPort", "http://proxy.corp"},
                      std::pair{"NoPortAfterIpv6", "http://[::1]"},
                      std::pair{"EmptyPort", "http://proxy.corp:"},
                      std::pair{"PortZero", "http://proxy.corp:0"},
                      std::pair{"PortOfAnotherProtocol", "http://proxy.corp:25"},
                      std::pair{"NoHost", "http://:3128"},
                      std::pair{"Userinfo", "http://me:s3cret@proxy.corp:3128"},
                      std::pair{"Path", "http://proxy.corp:3128/a"},
                      std::pair{"Query", "http://proxy.corp:3128?a"},
                      std::pair{"Socks4", "socks4://proxy.corp:1080"},
                      std::pair{"Space", "http://proxy corp:3128"},
                      std::pair{"LineEnd", "http://proxy.corp:3128\r\nX: y"},
                      std::pair{"ZoneId", "http://[fe80::1%25eth0]:3128"}),
    [](const auto& info) { return info.param.first; });

TEST(ProxyTest, CredentialsMakeABasicHeader) {
  Proxy proxy{.name = "corp"};
  EXPECT_TRUE(proxy.Authorization().empty());

  proxy.username = "Aladdin";
  proxy.password = Secret("open sesame");
  EXPECT_EQ(proxy.Authorization().Reveal(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST(ProxyTest, OnlyAnHttpProxyThatResolvesNamesForwardsRequests) {
  EXPECT_FALSE(Proxy{.kind = ProxyKind::kHttp}.forwards_requests());
  EXPECT_TRUE((Proxy{.kind = ProxyKind::kHttp, .resolves_names = true}.forwards_requests()));
  EXPECT_TRUE((Proxy{.kind = ProxyKind::kHttps, .resolves_names = true}.forwards_requests()));
  EXPECT_FALSE((Proxy{.kind = ProxyKind::kSocks5, .resolves_names = true}.forwards_requests()));
}

TEST(ProxyTest, PeersAreNamedWithTheWayToThem) {
  const Origin origin{"https", "example.org", 443};
  const Proxy corp{.name = "corp"};

  EXPECT_EQ(PeerName(origin, nullptr), "example.org:443");
  EXPECT_EQ(PeerName(origin, &corp), "example.org:443 through proxy corp");
}

}  // namespace
}  // namespace fetchd::net
