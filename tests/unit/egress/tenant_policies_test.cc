#include "egress/tenant_policies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/egress/judge.h"

namespace fetchd::egress {

namespace {

namespace ip = boost::asio::ip;
using ::testing::HasSubstr;

TenantPolicies MakePolicies(const PolicyConfig& service, const TenantEgressRules& rules) {
  auto policies = TenantPolicies::Create(service, rules);
  EXPECT_TRUE(policies.ok()) << policies.status();
  return *std::move(policies);
}

/// Of the tenant "t" in this mode, with deny rules of its own.
std::shared_ptr<const Policy> InMode(Mode mode, std::vector<std::string> own_deny = {},
                                     PolicyConfig service = {}) {
  return MakePolicies(service, {{"t", {.mode = mode, .deny = std::move(own_deny)}}}).For("t");
}

TEST(TenantPoliciesTest, OneOfWhomNothingIsSaidHasTheServicesOwn) {
  const TenantPolicies policies = MakePolicies({}, {{"quiet", {}}, {"t", {.mode = Mode::kOpen}}});

  EXPECT_EQ(policies.For("quiet"), policies.service());
  EXPECT_EQ(policies.For("unknown"), policies.service());
  EXPECT_NE(policies.For("t"), policies.service());
  EXPECT_EQ(TenantPolicies(policies.For("t")).For("anybody"), policies.For("t"));
}

TEST(TenantPoliciesTest, ThoseOfWhomTheSameIsSaidShareIt) {
  const TenantPolicies policies =
      MakePolicies({}, {{"a", {.mode = Mode::kReport}},
                        {"b", {.mode = Mode::kReport, .deny = std::vector<std::string>()}},
                        {"c", {.mode = Mode::kEnforce}},
                        {"d", {.mode = Mode::kReport, .deny = {{"10.1.0.0/16"}}}}});

  EXPECT_EQ(policies.For("a"), policies.For("b"));
  EXPECT_EQ(policies.For("c"), policies.service());
  EXPECT_NE(policies.For("d"), policies.For("a"));
}

TEST(TenantPoliciesTest, OthersHaveWhatIsSaidOfTheStarAndShareIt) {
  const TenantPolicies policies =
      MakePolicies({}, {{"*", {.mode = Mode::kReport, .deny = {{"10.1.0.0/16"}}}},
                        {"t", {.mode = Mode::kEnforce}},
                        {"u", {.deny = std::vector<std::string>()}}});

  EXPECT_EQ(policies.For("a"), policies.For("b"));
  EXPECT_EQ(policies.For("a")->mode(), Mode::kReport);
  EXPECT_EQ(policies.For("t")->mode(), Mode::kEnforce);
  EXPECT_EQ(Judge(*policies.For("t"), "10.1.2.3").rule, "tenants.*.egress.deny[0] 10.1.0.0/16");
  EXPECT_EQ(policies.For("u")->mode(), Mode::kReport);
  EXPECT_EQ(Judge(*policies.For("u"), "10.1.2.3").verdict, Verdict::kPrivate);
}

TEST(TenantPoliciesTest, OwnRulesAreOnTopAndDenyRulesOfBothGoFirst) {
  PolicyConfig service;
  service.allow = {"10.0.0.0/8"};
  service.deny = {"10.9.0.0/16"};
  const TenantPolicies policies = MakePolicies(
      service,
      {{"t", {.allow = {{"192.168.7.0/24", "10.9.1.1"}}, .deny = {{"10.8.0.0/16", "evil.test"}}}}});
  const Policy& own = *policies.For("t");

  EXPECT_EQ(Judge(own, "192.168.7.1").rule, "tenants.t.egress.allow[0] 192.168.7.0/24");
  EXPECT_EQ(Judge(*policies.service(), "192.168.7.1").verdict, Verdict::kPrivate);
  EXPECT_EQ(Judge(own, "10.1.1.1").rule, "egress.allow[0] 10.0.0.0/8");
  EXPECT_EQ(Judge(own, "10.8.1.1").rule, "tenants.t.egress.deny[0] 10.8.0.0/16");
  EXPECT_EQ(Judge(own, "10.9.1.1").rule, "egress.deny[0] 10.9.0.0/16");
  EXPECT_EQ(JudgeUrl(own, "http://evil.test/").rule, "tenants.t.egress.deny[1] evil.test");
  EXPECT_TRUE(Judge(*policies.service(), "10.8.1.1").allowed());
}

TEST(TenantPoliciesTest, OwnAllowRulesOpenNoEmbeddedFormAndNoBlockOfGuardedAddresses) {
  const TenantPolicies policies = MakePolicies({}, {{"t", {.allow = {{"::/0", "0.0.0.0/0"}}}}});

  EXPECT_EQ(Judge(*policies.For("t"), "2002:a00:1::1").verdict, Verdict::kEmbedsIpv4);
  EXPECT_EQ(Judge(*policies.For("t"), "169.254.169.254").verdict, Verdict::kLinkLocal);
  const auto refused = TenantPolicies::Create({}, {{"t", {.allow = {{"169.254.0.0/16"}}}}});
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("tenants.t.egress.allow[0]"));
  PolicyConfig remarked;
  remarked.own_allow = {"tenants.t.egress.allow", {"::/0"}};
  ASSERT_EQ(Policy::Remarks(remarked).size(), 1U);
  EXPECT_THAT(Policy::Remarks(remarked)[0], HasSubstr("tenants.t.egress.allow[0] ::/0"));
}

class LenientModeTest : public ::testing::TestWithParam<Mode> {};

TEST_P(LenientModeTest, LetsPrivateNetworksPassAndSaysWhatItWouldHaveDenied) {
  const auto policy = InMode(GetParam());
  for (const std::string address :
       {"10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "fd12::1", "::ffff:10.0.0.1"}) {
    const Judgement judgement = Judge(*policy, address, 9200);
    EXPECT_TRUE(judgement.allowed()) << address;
    EXPECT_TRUE(judgement.passed) << address;
    EXPECT_TRUE(judgement.denies()) << address;
    EXPECT_EQ(judgement.mode, GetParam());
    EXPECT_EQ(judgement.address, ip::make_address(address));
  }
  EXPECT_EQ(Judge(*policy, "93.184.216.34", 9200).verdict, Verdict::kPort);
  EXPECT_TRUE(Judge(*policy, "93.184.216.34", 9200).passed);
  EXPECT_FALSE(Judge(*policy, "93.184.216.34").passed);
}

TEST_P(LenientModeTest, NeverOpensThisMachineOrWhatHandsOutCredentials) {
  PolicyConfig service;
  service.own_addresses = {ip::make_address("10.0.0.5"), ip::make_address("93.184.216.34")};
  const auto policy = InMode(GetParam(), {}, service);
  for (const std::string address : {"127.0.0.1",       "::1",
                                    "0.0.0.0",         "::",
                                    "169.254.169.254", "169.254.1.1",
                                    "fe80::1",         "100.100.100.200",
                                    "192.0.0.192",     "168.63.129.16",
                                    "fd00:ec2::254",   "fd20:ce::254",
                                    "224.0.0.1",       "ff02::1",
                                    "240.0.0.1",       "192.0.2.1",
                                    "2001:db8::1",     "4000::1",
                                    "2002:a00:1::1",   "64:ff9b::a00:1",
                                    "::a00:1",         "::ffff:127.0.0.1",
                                    "10.0.0.5",        "93.184.216.34"}) {
    EXPECT_FALSE(Judge(*policy, address).allowed()) << address;
  }
}

TEST_P(LenientModeTest, ServiceDenyRulesHold) {
  PolicyConfig service;
  service.deny = {"10.1.0.0/16", "evil.test"};
  const auto policy = InMode(GetParam(), {}, service);

  EXPECT_EQ(Judge(*policy, "10.1.0.1").rule, "egress.deny[0] 10.1.0.0/16");
  EXPECT_FALSE(Judge(*policy, "10.1.0.1").allowed());
  EXPECT_FALSE(JudgeUrl(*policy, "http://evil.test/").allowed());
  std::vector<ip::address> admitted;
  const std::vector<ip::address> addresses = {ip::make_address("93.184.216.34")};
  EXPECT_FALSE(policy->JudgeAddresses(addresses, 80, "evil.test", admitted).allowed());
}

TEST_P(LenientModeTest, NamesPassBeforeDnsButLocalhostAndThoseThatAProxyResolves) {
  const auto policy = InMode(GetParam());

  EXPECT_TRUE(JudgeUrl(*policy, "http://mirror.internal/").passed);
  EXPECT_TRUE(JudgeUrl(*policy, "http://mirror/").passed);
  EXPECT_TRUE(JudgeUrl(*policy, "http://example.org:9200/").passed);
  EXPECT_FALSE(JudgeUrl(*policy, "http://localhost/").allowed());
  EXPECT_FALSE(policy->JudgeRemoteName("metadata.google.internal", 80).allowed());
  EXPECT_FALSE(policy->JudgeRemoteName("localhost", 80).allowed());
  EXPECT_TRUE(policy->JudgeRemoteName("example.org", 9200).passed);
}

TEST_P(LenientModeTest, OneAddressThatNeverPassesRefusesTheName) {
  const auto policy = InMode(GetParam());
  std::vector<ip::address> admitted;
  const std::vector<ip::address> mixed = {ip::make_address("10.0.0.1"),
                                          ip::make_address("127.0.0.1")};
  const std::vector<ip::address> told = {ip::make_address("10.0.0.1"),
                                         ip::make_address("93.184.216.34")};

  EXPECT_EQ(policy->JudgeAddresses(mixed, 80, "a.test", admitted).verdict, Verdict::kLoopback);
  const Judgement judgement = policy->JudgeAddresses(told, 80, "a.test", admitted);
  EXPECT_EQ(judgement.address, told[0]);
  EXPECT_TRUE(judgement.passed);
}

INSTANTIATE_TEST_SUITE_P(Modes, LenientModeTest, ::testing::Values(Mode::kReport, Mode::kOpen),
                         [](const auto& info) { return ModeName(info.param); });

TEST(ReportModeTest, TriesOwnDenyRulesOutButHidesNothingBehindThem) {
  const auto policy = InMode(Mode::kReport, {"93.184.216.0/24", "169.254.0.0/16", "a.test"});

  const Judgement tried = Judge(*policy, "93.184.216.34");
  EXPECT_EQ(tried.rule, "tenants.t.egress.deny[0] 93.184.216.0/24");
  EXPECT_TRUE(tried.passed);
  EXPECT_TRUE(JudgeUrl(*policy, "http://a.test/").passed);
  const Judgement guarded = Judge(*policy, "169.254.169.254");
  EXPECT_FALSE(guarded.allowed());
  EXPECT_EQ(guarded.verdict, Verdict::kLinkLocal);
  EXPECT_EQ(guarded.mode, Mode::kReport);
}

TEST(OpenModeTest, OwnDenyRulesHold) {
  const auto policy = InMode(Mode::kOpen, {"10.1.0.0/16", "a.test"});

  EXPECT_FALSE(Judge(*policy, "10.1.2.3").allowed());
  EXPECT_TRUE(Judge(*policy, "10.2.2.3").passed);
  EXPECT_FALSE(JudgeUrl(*policy, "http://a.test/").allowed());
}

TEST(EnforceModeTest, LetsNothingPass) {
  const auto policy = InMode(Mode::kEnforce);

  EXPECT_FALSE(Judge(*policy, "10.0.0.1").allowed());
  EXPECT_FALSE(Judge(*policy, "10.0.0.1").passed);
  EXPECT_FALSE(JudgeUrl(*policy, "http://mirror.internal/").allowed());
}

}  // namespace
}  // namespace fetchd::egress
