#include "egress/target_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "egress/policy.h"

namespace fetchd::egress {
namespace {

using ::testing::HasSubstr;

struct AddressRule {
  std::string text, network;
  int prefix;
  std::uint16_t port;  ///< 0 = every port.
};

class AddressRuleTest : public ::testing::TestWithParam<AddressRule> {};

TEST_P(AddressRuleTest, IsRead) {
  const auto rule = ParseAllowRule(GetParam().text);
  ASSERT_TRUE(rule.ok()) << rule.status();
  EXPECT_EQ(rule->network, boost::asio::ip::make_address(GetParam().network));
  EXPECT_EQ(rule->prefix, GetParam().prefix);
  EXPECT_EQ(rule->port.value_or(0), GetParam().port);
  EXPECT_EQ(rule->host, "");
}

INSTANTIATE_TEST_SUITE_P(
    All, AddressRuleTest,
    ::testing::Values(AddressRule{"10.0.0.0/8", "10.0.0.0", 8, 0},
                      AddressRule{"10.0.0.0/8:81", "10.0.0.0", 8, 81},
                      AddressRule{"127.0.0.1", "127.0.0.1", 32, 0},
                      AddressRule{"127.0.0.1:81", "127.0.0.1", 32, 81},
                      AddressRule{"127.0.0.1/32:81", "127.0.0.1", 32, 81},
                      AddressRule{"0.0.0.0/0", "0.0.0.0", 0, 0}, AddressRule{"::1", "::1", 128, 0},
                      AddressRule{"[::1]", "::1", 128, 0}, AddressRule{"[::1]:81", "::1", 128, 81},
                      AddressRule{"[::1]/128", "::1", 128, 0},
                      AddressRule{"[::1]/128:81", "::1", 128, 81},
                      AddressRule{"fd00::/8", "fd00::", 8, 0},
                      AddressRule{"fd00::/8:81", "fd00::", 8, 81}, AddressRule{"::/0", "::", 0, 0},
                      AddressRule{"::ffff:10.0.0.0/104", "10.0.0.0", 8, 0},
                      AddressRule{"[::ffff:10.0.0.1]:81", "10.0.0.1", 32, 81}));

struct HostRule {
  std::string text, host;
  bool subdomains;
  std::uint16_t port;
};

class HostRuleTest : public ::testing::TestWithParam<HostRule> {};

TEST_P(HostRuleTest, IsRead) {
  const auto rule = ParseAllowRule(GetParam().text);
  ASSERT_TRUE(rule.ok()) << rule.status();
  EXPECT_FALSE(rule->network);
  EXPECT_EQ(rule->host, GetParam().host);
  EXPECT_EQ(rule->subdomains, GetParam().subdomains);
  EXPECT_EQ(rule->port.value_or(0), GetParam().port);
}

INSTANTIATE_TEST_SUITE_P(All, HostRuleTest,
                         ::testing::Values(HostRule{"mirror.internal", "mirror.internal", false, 0},
                                           HostRule{"Mirror.Internal.:81", "mirror.internal", false,
                                                    81},
                                           HostRule{"*.corp.example", "corp.example", true, 0},
                                           HostRule{"*.corp.example:81", "corp.example", true, 81},
                                           HostRule{"localhost", "localhost", false, 0},
                                           HostRule{"b\xc3\xbc"
                                                    "cher.example",
                                                    "xn--bcher-kva.example", false, 0}));

class BadRuleTest : public ::testing::TestWithParam<const char*> {};

TEST_P(BadRuleTest, IsAnErrorThatNamesTheRule) {
  PolicyConfig config;
  config.allow = {"10.0.0.0/8", GetParam()};
  const auto policy = Policy::Create(config);
  EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(MessageOf(policy.status()), HasSubstr(std::string("egress.allow[1] ") + GetParam()));
}

INSTANTIATE_TEST_SUITE_P(
    All, BadRuleTest,
    ::testing::Values("", "*", "*.", "*.*.example", "a.*.example", "10.0.0.0/33", "10.0.0.0/",
                      "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0.1/8", "fd00::1/64", "::/129",
                      "10.0.0.0/8:", "10.0.0.0/8:0", "10.0.0.0/8:65536", "10.0.0.0/8:http",
                      "10.0.0.0:80/8", "127.1", "0x7f.0.0.1", "10.0.0", "2130706433", "[::1",
                      "::1]", "[127.0.0.1", "[mirror.internal]", "[::1]81", "fe80::1%eth0",
                      "mirror.internal/8", "http://mirror.internal", "u@mirror.internal",
                      "mirror.internal:", "mirror.internal:80:80", "mirror internal",
                      "mirror..internal", "a b", "x/y", "a?b", "a#b", "::ffff:10.0.0.1/104",
                      "169.254.0.0/16", "169.254.169.0/24", "0.0.0.0/8", "fe80::/10", "fe80::/64"));

TEST(PolicyConfigTest, PortZeroIsAnError) {
  PolicyConfig config;
  config.ports = {80, 0};
  EXPECT_THAT(MessageOf(Policy::Create(config).status()), HasSubstr("egress.ports"));
}

}  // namespace
}  // namespace fetchd::egress
