#include "egress/policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "egress/address_ranges.h"
#include "unit/egress/judge.h"

namespace fetchd::egress {

namespace {

namespace ip = boost::asio::ip;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

std::shared_ptr<const Policy> MakePolicy(std::vector<std::string> allow = {}) {
  PolicyConfig config;
  config.allow = std::move(allow);
  auto policy = Policy::Create(std::move(config));
  EXPECT_TRUE(policy.ok()) << policy.status();
  return *std::move(policy);
}

// A denied block, its first and last address, and the addresses around it ("" where those are
// denied as well).
struct Block {
  Verdict verdict;
  std::string rule, before, first, last, after;
};

class DeniedBlockTest : public ::testing::TestWithParam<Block> {};

TEST_P(DeniedBlockTest, IsDeniedFromFirstToLastAndNoFurther) {
  const Block& block = GetParam();
  const auto policy = MakePolicy();
  for (const std::string& inside : {block.first, block.last}) {
    const Judgement judgement = Judge(*policy, inside);
    EXPECT_EQ(judgement.verdict, block.verdict) << inside;
    EXPECT_EQ(judgement.rule, block.rule) << inside;
  }
  for (const std::string& outside : {block.before, block.after}) {
    if (!outside.empty()) EXPECT_EQ(Judge(*policy, outside).verdict, Verdict::kAllowed) << outside;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Ipv4, DeniedBlockTest,
    ::testing::Values(
        Block{Verdict::kUnspecified, "0.0.0.0/8", "", "0.0.0.0", "0.255.255.255", "1.0.0.0"},
        Block{Verdict::kPrivate, "10.0.0.0/8", "9.255.255.255", "10.0.0.0", "10.255.255.255",
              "11.0.0.0"},
        Block{Verdict::kCarrierNat, "100.64.0.0/10", "100.63.255.255", "100.64.0.0",
              "100.127.255.255", "100.128.0.0"},
        Block{Verdict::kLoopback, "127.0.0.0/8", "126.255.255.255", "127.0.0.0", "127.255.255.255",
              "128.0.0.0"},
        Block{Verdict::kCloudMetadata, "168.63.129.16/32", "168.63.129.15", "168.63.129.16",
              "168.63.129.16", "168.63.129.17"},
        Block{Verdict::kLinkLocal, "169.254.0.0/16", "169.253.255.255", "169.254.0.0",
              "169.254.255.255", "169.255.0.0"},
        Block{Verdict::kPrivate, "172.16.0.0/12", "172.15.255.255", "172.16.0.0", "172.31.255.255",
              "172.32.0.0"},
        Block{Verdict::kReserved, "192.0.0.0/24", "191.255.255.255", "192.0.0.0", "192.0.0.255",
              "192.0.1.0"},
        Block{Verdict::kReserved, "192.0.2.0/24", "192.0.1.255", "192.0.2.0", "192.0.2.255",
              "192.0.3.0"},
        Block{Verdict::kReserved, "192.31.196.0/24", "192.31.195.255", "192.31.196.0",
              "192.31.196.255", "192.31.197.0"},
        Block{Verdict::kReserved, "192.52.193.0/24", "192.52.192.255", "192.52.193.0",
              "192.52.193.255", "192.52.194.0"},
        Block{Verdict::kReserved, "192.88.99.0/24", "192.88.98.255", "192.88.99.0", "192.88.99.255",
              "192.88.100.0"},
        Block{Verdict::kPrivate, "192.168.0.0/16", "192.167.255.255", "192.168.0.0",
              "192.168.255.255", "192.169.0.0"},
        Block{Verdict::kReserved, "192.175.48.0/24", "192.175.47.255", "192.175.48.0",
              "192.175.48.255", "192.175.49.0"},
        Block{Verdict::kReserved, "198.18.0.0/15", "198.17.255.255", "198.18.0.0", "198.19.255.255",
              "198.20.0.0"},
        Block{Verdict::kReserved, "198.51.100.0/24", "198.51.99.255", "198.51.100.0",
              "198.51.100.255", "198.51.101.0"},
        Block{Verdict::kReserved, "203.0.113.0/24", "203.0.112.255", "203.0.113.0", "203.0.113.255",
              "203.0.114.0"},
        Block{Verdict::kMulticast, "224.0.0.0/4", "223.255.255.255", "224.0.0.0", "239.255.255.255",
              ""},
        Block{Verdict::kReserved, "240.0.0.0/4", "", "240.0.0.0", "255.255.255.255", ""}));

INSTANTIATE_TEST_SUITE_P(
    Ipv6, DeniedBlockTest,
    ::testing::Values(
        Block{Verdict::kUnspecified, "::/128", "", "::", "::", ""},
        Block{Verdict::kLoopback, "::1/128", "", "::1", "::1", ""},
        Block{Verdict::kReserved, "::/0", "",
              "0:0:0:1::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::"},
        Block{Verdict::kReserved, "2001::/23", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
              "2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:200::"},
        Block{Verdict::kReserved, "2001:db8::/32", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
              "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"},
        Block{Verdict::kReserved, "2620:4f:8000::/48", "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff",
              "2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "2620:4f:8001::"},
        Block{Verdict::kReserved, "3fff::/20", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
              "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"},
        Block{Verdict::kReserved, "::/0", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
              "4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
        Block{Verdict::kPrivate, "fc00::/7", "",
              "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
        Block{Verdict::kLinkLocal, "fe80::/10", "",
              "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
        Block{Verdict::kPrivate, "fec0::/10", "",
              "fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""},
        Block{Verdict::kMulticast, "ff00::/8", "",
              "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""}));

INSTANTIATE_TEST_SUITE_P(
    Embedding, DeniedBlockTest,
    ::testing::Values(Block{Verdict::kEmbedsIpv4, "::/96", "", "::2", "::ffff:ffff", ""},
                      Block{Verdict::kEmbedsIpv4, "::ffff:0:0:0/96", "", "::ffff:0:0:0",
                            "::ffff:0:ffff:ffff", ""},
                      Block{Verdict::kEmbedsIpv4, "64:ff9b:1::/48", "",
                            "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", ""},
                      Block{Verdict::kEmbedsIpv4, "2001::/32", "",
                            "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", ""},
                      Block{Verdict::kEmbedsIpv4, "2002::/16",
                            "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                            "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2003::"},
                      Block{Verdict::kEmbedsIpv4, "64:ff9b::/96", "64:ff9b::9.255.255.255",
                            "64:ff9b::10.0.0.0", "64:ff9b::10.255.255.255", "64:ff9b::11.0.0.0"},
                      Block{Verdict::kEmbedsIpv4, "ISATAP", "2600::5efe:9.255.255.255",
                            "2600::5efe:10.0.0.0", "2600::200:5efe:10.255.255.255",
                            "2600::200:5efe:11.0.0.0"}));

// Endpoints that hand out credentials or belong to the platform.
TEST(PolicyTest, NamedMetadataEndpointsAreDenied) {
  const auto policy = MakePolicy();
  for (const char* address :
       {"169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.169.123", "169.254.169.253",
        "169.254.20.10", "169.254.42.42", "100.100.100.200", "192.0.0.192", "168.63.129.16",
        "fd00:42::42", "fd00:ec2::254", "fd20:ce::254", "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe"}) {
    EXPECT_FALSE(Judge(*policy, address, 80).allowed()) << address;
  }
}

TEST(PolicyTest, BroadRulesDoNotOpenGuardedAddresses) {
  const auto policy = MakePolicy({"0.0.0.0/0", "::/0", "100.64.0.0/10", "fd00::/8"});
  for (const char* address :
       {"169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "0.0.0.0", "0.1.2.3",
        "168.63.129.16", "100.100.100.200", "192.0.0.192", "fe80::1", "::", "fd00:ec2::254",
        "fd00:ec2::23", "fd00:42::42", "fd20:ce::254"}) {
    EXPECT_FALSE(Judge(*policy, address, 80).allowed()) << address;
  }
  for (const char* address :
       {"10.0.0.1", "127.0.0.1", "100.100.100.201", "192.0.0.191", "fd00::1", "::1", "224.0.0.1"}) {
    EXPECT_EQ(Judge(*policy, address, 80).verdict, Verdict::kAllowedByRule) << address;
  }
}

TEST(PolicyTest, RuleForOneGuardedAddressOpensThatOne) {
  const auto policy = MakePolicy({"169.254.42.1", "fe80::1/128", "100.100.100.200/32:80"});
  EXPECT_EQ(Judge(*policy, "169.254.42.1", 80).verdict, Verdict::kAllowedByRule);
  EXPECT_EQ(Judge(*policy, "fe80::1", 80).verdict, Verdict::kAllowedByRule);
  EXPECT_EQ(Judge(*policy, "100.100.100.200", 80).verdict, Verdict::kAllowedByRule);
  EXPECT_EQ(Judge(*policy, "169.254.42.2", 80).verdict, Verdict::kLinkLocal);
  EXPECT_EQ(Judge(*policy, "100.100.100.200", 81).verdict, Verdict::kCloudMetadata);
}

TEST(PolicyTest, RemarksNameBroadRulesThatLeaveGuardedAddressesClosed) {
  PolicyConfig config;
  config.allow = {"10.0.0.0/8", "0.0.0.0/0", "mirror.internal", "169.254.1.1/32", "fd00::/8"};
  EXPECT_THAT(Policy::Remarks(config), ElementsAre(HasSubstr("egress.allow[1] 0.0.0.0/0"),
                                                   HasSubstr("egress.allow[4] fd00::/8")));
}

TEST(PolicyTest, MappedAddressIsJudgedAsTheIpv4ThatItIs) {
  const auto policy = MakePolicy({"10.1.0.0/16"});
  EXPECT_EQ(Judge(*policy, "::ffff:127.0.0.1").verdict, Verdict::kLoopback);
  EXPECT_EQ(Judge(*policy, "::ffff:8.8.8.8").verdict, Verdict::kAllowed);
  EXPECT_EQ(Judge(*policy, "::ffff:10.1.2.3").verdict, Verdict::kAllowedByRule);
}

TEST(PolicyTest, GlobalAddressesOpenTheConfiguredPortsOnly) {
  PolicyConfig config;
  config.ports = {443, 9000};
  const auto policy = *Policy::Create(config);
  for (const char* address : {"8.8.8.8", "2600::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"}) {
    EXPECT_EQ(Judge(*policy, address, 9000).verdict, Verdict::kAllowed) << address;
    EXPECT_EQ(Judge(*policy, address, 80).verdict, Verdict::kPort) << address;
    EXPECT_EQ(Judge(*policy, address, 80).rule, "port 80") << address;
  }
}

TEST(PolicyTest, AddressRuleBeatsDenialAndNamesItself) {
  const auto policy = MakePolicy({"192.168.7.0/24", "127.0.0.1/32:8080", "fd00::/8"});
  const Judgement judgement = Judge(*policy, "127.0.0.1", 8080);
  EXPECT_EQ(judgement.verdict, Verdict::kAllowedByRule);
  EXPECT_EQ(judgement.rule, "egress.allow[1] 127.0.0.1/32:8080");
  EXPECT_EQ(Judge(*policy, "127.0.0.1", 443).verdict, Verdict::kLoopback);
  EXPECT_EQ(Judge(*policy, "127.0.0.2", 8080).verdict, Verdict::kLoopback);
  EXPECT_EQ(Judge(*policy, "192.168.7.255", 12345).verdict, Verdict::kAllowedByRule);
  EXPECT_EQ(Judge(*policy, "192.168.8.0").verdict, Verdict::kPrivate);
  EXPECT_EQ(Judge(*policy, "fd12::1", 12345).verdict, Verdict::kAllowedByRule);
}

TEST(PolicyTest, AllowRulesNeverAdmitEmbeddedForms) {
  const auto policy = MakePolicy(
      {"10.0.0.0/8", "::/0", "2002::/16", "64:ff9b:1::/48", "64:ff9b::/96", "2001::/32"});
  for (const char* address :
       {"2002:a00:1::", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2001::1", "::10.0.0.1",
        "::ffff:0:10.0.0.1", "2600::5efe:10.0.0.1", "fe80::200:5efe:10.0.0.1"}) {
    EXPECT_EQ(Judge(*policy, address).verdict, Verdict::kEmbedsIpv4) << address;
  }
  EXPECT_EQ(Judge(*policy, "::ffff:127.0.0.1").verdict, Verdict::kLoopback) << "::/0 is about IPv6";
  EXPECT_EQ(Judge(*policy, "::1").verdict, Verdict::kAllowedByRule);
}

std::shared_ptr<const Policy> MakeDenying(std::vector<std::string> deny,
                                          std::vector<std::string> allow = {}) {
  PolicyConfig config;
  config.deny = std::move(deny);
  config.allow = std::move(allow);
  return *Policy::Create(std::move(config));
}

TEST(PolicyTest, DenyRuleBeatsWhatAllowsAndNamesItself) {
  const auto policy =
      MakeDenying({"93.184.0.0/16", "10.1.0.0/16:8080"}, {"93.184.216.34", "10.0.0.0/8"});
  for (const char* address : {"93.184.216.34", "::ffff:93.184.216.34", "64:ff9b::93.184.216.34"}) {
    const Judgement denied = Judge(*policy, address);
    EXPECT_EQ(denied.verdict, Verdict::kDeniedByRule) << address;
    EXPECT_EQ(denied.rule, "egress.deny[0] 93.184.0.0/16");
  }
  EXPECT_EQ(Judge(*policy, "10.1.2.3", 8080).verdict, Verdict::kDeniedByRule);
  EXPECT_EQ(Judge(*policy, "10.1.2.3", 80).verdict, Verdict::kAllowedByRule);
  EXPECT_EQ(Judge(*policy, "93.185.0.1").verdict, Verdict::kAllowed);
}

TEST(PolicyTest, DenyRuleForANameHoldsBeforeDnsAndForProxies) {
  const auto policy = MakeDenying({"*.example.org", "bad.test:443"}, {"www.example.org"});
  EXPECT_EQ(JudgeUrl(*policy, "http://www.example.org/").verdict, Verdict::kDeniedByRule);
  EXPECT_EQ(JudgeUrl(*policy, "http://example.org/").verdict, Verdict::kAllowed);
  EXPECT_EQ(JudgeUrl(*policy, "https://bad.test/").verdict, Verdict::kDeniedByRule);
  EXPECT_EQ(JudgeUrl(*policy, "http://bad.test/").verdict, Verdict::kAllowed);
  EXPECT_EQ(policy->JudgeRemoteName("www.example.org", 443).verdict, Verdict::kDeniedByRule);
}

TEST(PolicyTest, DenyRuleMayBeAnyBlockAndMustBeOne) {
  EXPECT_EQ(Judge(*MakeDenying({"169.254.0.0/16"}, {"169.254.169.254"}), "169.254.169.254").verdict,
            Verdict::kDeniedByRule);
  PolicyConfig config;
  config.deny = {"10.0.0.1/8"};
  EXPECT_THAT(Policy::Create(config).status().message(), HasSubstr("egress.deny[0] 10.0.0.1/8"));
}

TEST(PolicyTest, OwnAddressesAreDeniedUnlessARuleOpensThem) {
  PolicyConfig config;
  for (const char* own : {"93.184.216.34", "2600::1", "10.0.0.1"}) {
    config.own_addresses.push_back(ip::make_address(own));
  }
  const auto policy = *Policy::Create(config);
  for (const char* address :
       {"93.184.216.34", "::ffff:93.184.216.34", "64:ff9b::93.184.216.34", "2600::1"}) {
    EXPECT_EQ(Judge(*policy, address).verdict, Verdict::kOwnAddress) << address;
  }
  EXPECT_EQ(Judge(*policy, "10.0.0.1").verdict, Verdict::kPrivate);
  EXPECT_EQ(Judge(*policy, "93.184.216.35").verdict, Verdict::kAllowed);
  config.allow = {"93.184.216.34"};
  EXPECT_EQ(Judge(**Policy::Create(config), "93.184.216.34").verdict, Verdict::kAllowedByRule);
}

TEST(PolicyTest, NamesOfTheMachineAndItsNetworkAreDeniedBeforeDns) {
  const auto policy = MakePolicy();
  for (const auto& [url, rule] : std::vector<std::pair<std::string, std::string>>{
           {"http://localhost/", "localhost"},
           {"http://LOCALHOST./", "localhost"},
           {"http://a.localhost/", "*.localhost"},
           {"http://printer.local/", "*.local"},
           {"http://metadata.google.internal/", "*.internal"},
           {"http://localhost.localdomain/", "*.localdomain"},
           {"http://home.arpa/", "*.home.arpa"},
           {"http://nas.home.arpa/", "*.home.arpa"},
           {"http://kubernetes.default.svc/", "*.svc"},
           {"http://kubernetes.default.svc.cluster.local/", "*.local"},
           {"http://1.0.0.127.in-addr.arpa/", "*.in-addr.arpa"},
           {"http://1.ip6.arpa/", "*.ip6.arpa"},
           {"http://abc.onion/", "*.onion"},
           {"http://internal/", "*.internal"},
           {"http://instance-data/", "single label"},
           {"http://postgres:8080/", "single label"}}) {
    const Judgement judgement = JudgeUrl(*policy, url);
    EXPECT_EQ(judgement.verdict, Verdict::kHostName) << url;
    EXPECT_EQ(judgement.rule, rule) << url;
  }
  for (const char* url :
       {"http://example.org/", "http://notlocalhost.org/", "http://mylocal.example/",
        "http://internal.example/", "http://xlocalhost.com/"}) {
    EXPECT_TRUE(JudgeUrl(*policy, url).allowed()) << url;
  }
}

TEST(PolicyTest, LiteralUrlIsJudgedFully) {
  const auto policy = MakePolicy();
  EXPECT_EQ(JudgeUrl(*policy, "http://127.0.0.1/").verdict, Verdict::kLoopback);
  EXPECT_EQ(JudgeUrl(*policy, "http://[::ffff:7f00:1]/").verdict, Verdict::kLoopback);
  EXPECT_EQ(JudgeUrl(*policy, "http://8.8.8.8:81/").verdict, Verdict::kPort);
  EXPECT_EQ(JudgeUrl(*policy, "http://8.8.8.8/").verdict, Verdict::kAllowed);
}

TEST(PolicyTest, NameOnAnotherPortIsDeniedUnlessAnAddressRuleCouldAdmitIt) {
  EXPECT_EQ(JudgeUrl(*MakePolicy(), "http://a.example:9000/").verdict, Verdict::kPort);
  const auto one_port = MakePolicy({"10.0.0.0/8:9000"});
  EXPECT_TRUE(JudgeUrl(*one_port, "http://a.example:9000/").allowed());
  EXPECT_EQ(JudgeUrl(*one_port, "http://a.example:9001/").verdict, Verdict::kPort);
  EXPECT_EQ(Judge(*one_port, "8.8.8.8", 9000).verdict, Verdict::kPort);
  EXPECT_TRUE(JudgeUrl(*MakePolicy({"10.0.0.0/8"}), "http://a.example:9001/").allowed());
}

TEST(PolicyTest, LoopbackRuleAdmitsLocalhostAndNoOtherDeniedName) {
  for (const char* rule :
       {"127.0.0.1/32", "127.0.0.0/8", "::1", "127.0.0.53", "0.0.0.0/0", "127.0.0.1:9000"}) {
    const auto policy = MakePolicy({rule});
    EXPECT_TRUE(JudgeUrl(*policy, "http://localhost:9000/").allowed()) << rule;
    EXPECT_TRUE(JudgeUrl(*policy, "http://a.localhost:9000/").allowed()) << rule;
    EXPECT_EQ(JudgeUrl(*policy, "http://a.internal:9000/").verdict, Verdict::kHostName) << rule;
  }
  for (const char* rule : {"10.0.0.0/8", "127.0.0.1:9001", "fd00::/8"}) {
    EXPECT_EQ(JudgeUrl(*MakePolicy({rule}), "http://localhost:9000/").verdict, Verdict::kHostName)
        << rule;
  }
}

TEST(PolicyTest, OneDeniedAddressRefusesANameButNotLocalhost) {
  const auto policy = MakePolicy({"127.0.0.0/8"});
  const std::vector<ip::address> both = {ip::make_address("::1"), ip::make_address("127.0.0.1")};
  std::vector<ip::address> admitted;

  EXPECT_FALSE(policy->JudgeAddresses(both, 80, "rebinding.example", admitted).allowed());
  EXPECT_EQ(policy->JudgeAddresses(both, 80, "localhost", admitted).verdict,
            Verdict::kAllowedByRule);
  EXPECT_EQ(admitted, std::vector<ip::address>{ip::make_address("127.0.0.1")});

  std::vector<ip::address> none;
  EXPECT_FALSE(MakePolicy({"10.0.0.0/8"})->JudgeAddresses(both, 80, "localhost", none).allowed());
  EXPECT_TRUE(none.empty());
}

TEST(PolicyTest, HostRuleAdmitsTheNameAndItsPortButNoPrivateAddress) {
  const auto policy = MakePolicy({"Mirror.Internal:9000", "*.corp.example"});
  EXPECT_EQ(JudgeUrl(*policy, "http://mirror.internal:9000/").verdict, Verdict::kAllowedByRule);
  EXPECT_EQ(JudgeUrl(*policy, "http://mirror.internal/").verdict, Verdict::kHostName);
  EXPECT_EQ(JudgeUrl(*policy, "http://a.mirror.internal:9000/").verdict, Verdict::kHostName);
  EXPECT_EQ(JudgeUrl(*policy, "http://a.b.corp.example:1234/").verdict, Verdict::kAllowedByRule);
  EXPECT_EQ(JudgeUrl(*policy, "http://corp.example:1234/").verdict, Verdict::kPort);
  EXPECT_EQ(JudgeUrl(*policy, "http://xcorp.example:1234/").verdict, Verdict::kPort);

  const auto judge = [&policy](const char* address, std::string_view host) {
    return policy->JudgeAddress(ip::make_address(address), 9000, host).verdict;
  };
  EXPECT_EQ(judge("8.8.8.8", "mirror.internal"), Verdict::kAllowedByRule);
  EXPECT_EQ(judge("2600::1", "mirror.internal"), Verdict::kAllowedByRule);
  EXPECT_EQ(judge("8.8.8.8", "other.example"), Verdict::kPort);
  EXPECT_EQ(judge("8.8.8.8", ""), Verdict::kPort);
  EXPECT_EQ(judge("10.0.0.1", "mirror.internal"), Verdict::kPrivate);
}

TEST(PolicyTest, NameThatAProxyResolvesIsOpenedByNoAddressRule) {
  const auto policy = MakePolicy({"0.0.0.0/0", "10.0.0.0/8:9000", "mirror.internal:9000"});
  const auto judge = [&policy](std::string_view host, std::uint16_t port) {
    return policy->JudgeRemoteName(host, port).verdict;
  };
  EXPECT_EQ(judge("a.example", 443), Verdict::kAllowed);
  EXPECT_EQ(judge("a.example", 9000), Verdict::kPort);
  EXPECT_EQ(judge("localhost", 443), Verdict::kHostName);
  EXPECT_EQ(judge("a.localhost", 443), Verdict::kHostName);
  EXPECT_EQ(judge("metadata.google.internal", 443), Verdict::kHostName);
  EXPECT_EQ(judge("mirror.internal", 9000), Verdict::kAllowedByRule);
  EXPECT_EQ(judge("mirror.internal", 443), Verdict::kHostName);
}

TEST(PolicyTest, DeniedErrorIsTypedAndHasNoAddress) {
  const Origin origin = Url::Parse("http://a.example:81/x?secret")->origin();
  const absl::Status status = DeniedError({Verdict::kPrivate, "10.0.0.0/8"}, origin);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  const auto reason = GetReason(status);
  ASSERT_TRUE(reason);
  EXPECT_EQ(reason->reason, "TARGET_NOT_ALLOWED");
  EXPECT_THAT(reason->metadata, ElementsAre(Pair("verdict", "PRIVATE"), Pair("rule", "10.0.0.0/8"),
                                            Pair("host", "a.example"), Pair("port", "81")));
  EXPECT_THAT(MessageOf(status), HasSubstr("a.example"));
  EXPECT_THAT(MessageOf(status), Not(HasSubstr("secret")));
}

TEST(PolicyTest, VerdictNamesAreDistinct) {
  std::set<std::string> names;
  for (int verdict = 0; verdict <= static_cast<int>(Verdict::kHostName); ++verdict) {
    names.insert(VerdictName(static_cast<Verdict>(verdict)));
  }
  EXPECT_EQ(names.size(), 15U);
  EXPECT_EQ(names.count("UNKNOWN"), 0U);
}

TEST(UnwrapTest, TakesTheIpv4OutOfMappedAndWellKnownNat64Only) {
  const auto unwrap = [](const char* text) { return Unwrap(ip::make_address(text)).to_string(); };
  EXPECT_EQ(unwrap("::ffff:1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(unwrap("64:ff9b::1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(unwrap("1.2.3.4"), "1.2.3.4");
  EXPECT_EQ(unwrap("64:ff9b:1::102:304"), "64:ff9b:1::102:304");
  EXPECT_EQ(unwrap("2600::1"), "2600::1");
}

}  // namespace
}  // namespace fetchd::egress
