#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "net/resolver.h"

namespace fetchd::net {
namespace {

using ::testing::HasSubstr;

struct GoodServers {
  std::string name, text, canonical;
};
class GoodServersTest : public ::testing::TestWithParam<GoodServers> {};

TEST_P(GoodServersTest, AreRead) {
  const absl::StatusOr<DnsServers> servers = ParseDnsServers(GetParam().text);

  ASSERT_TRUE(servers.ok()) << servers.status();
  EXPECT_EQ(FormatDnsServers(*servers), GetParam().canonical);
}
INSTANTIATE_TEST_SUITE_P(
    All, GoodServersTest,
    ::testing::Values(GoodServers{"None", "", ""}, GoodServers{"Blank", " ", ""},
                      GoodServers{"Ipv4", "10.0.0.2", "10.0.0.2:53"},
                      GoodServers{"Ipv4AndPort", "10.0.0.2:5353", "10.0.0.2:5353"},
                      GoodServers{"Ipv6", "2001:db8::1", "[2001:db8::1]:53"},
                      GoodServers{"Ipv6InBrackets", "[2001:db8::1]", "[2001:db8::1]:53"},
                      GoodServers{"Ipv6AndPort", "[::1]:5353", "[::1]:5353"},
                      GoodServers{"Several", "10.0.0.2:53, [::1]:53 ,10.0.0.3",
                                  "10.0.0.2:53,[::1]:53,10.0.0.3:53"}),
    [](const auto& each) { return each.param.name; });

struct BadServers {
  std::string name, text, named;
};
class BadServersTest : public ::testing::TestWithParam<BadServers> {};

TEST_P(BadServersTest, AreRefusedByName) {
  const absl::Status status = ParseDnsServers(GetParam().text).status();

  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr('"' + GetParam().named + "\" is no DNS server: expects addresses"));
}
INSTANTIATE_TEST_SUITE_P(
    All, BadServersTest,
    ::testing::Values(BadServers{"Name", "dns.example", "dns.example"},
                      BadServers{"NotAnAddress", "10.0.0.300", "10.0.0.300"},
                      BadServers{"ShortForm", "10.2", "10.2"},
                      BadServers{"SecondOfTwo", "10.0.0.2,nonsense:53", "nonsense:53"},
                      BadServers{"EmptyItem", "10.0.0.2,,10.0.0.3", ""},
                      BadServers{"TrailingComma", "10.0.0.2,", ""},
                      BadServers{"PortZero", "10.0.0.2:0", "10.0.0.2:0"},
                      BadServers{"PortTooLarge", "10.0.0.2:65536", "10.0.0.2:65536"},
                      BadServers{"NoPortAfterColon", "10.0.0.2:", "10.0.0.2:"},
                      BadServers{"TextAfterPort", "10.0.0.2:53x", "10.0.0.2:53x"},
                      BadServers{"NoColonAfterBracket", "[::1]53", "[::1]53"},
                      BadServers{"BracketNotClosed", "[::1", "[::1"},
                      BadServers{"Ipv4InBrackets", "[10.0.0.2]:53", "[10.0.0.2]:53"},
                      BadServers{"Scope", "fe80::1%lo", "fe80::1%lo"},
                      BadServers{"Url", "https://dns.example/q", "https://dns.example/q"}),
    [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace fetchd::net
