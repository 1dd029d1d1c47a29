#include "http/origin_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "http/host_budget.h"

namespace fetchd::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

const Origin kOrigin{"https", "files.example.org", 443};

struct PatternCase {
  std::string name;
  std::string pattern;
  Origin origin;
  bool matches;
};
class HostPatternTest : public ::testing::TestWithParam<PatternCase> {};

TEST_P(HostPatternTest, MatchesWhatItNames) {
  const absl::StatusOr<HostPattern> pattern = HostPattern::Parse(GetParam().pattern);
  ASSERT_TRUE(pattern.ok()) << pattern.status();

  EXPECT_EQ(pattern->Matches(GetParam().origin), GetParam().matches);
}
INSTANTIATE_TEST_SUITE_P(
    All, HostPatternTest,
    ::testing::Values(
        PatternCase{"Exact", "files.example.org", kOrigin, true},
        PatternCase{"ExactInCapitals", "Files.Example.ORG", kOrigin, true},
        PatternCase{"ExactIsNoSuffix", "example.org", kOrigin, false},
        PatternCase{"Subdomain", "*.example.org", kOrigin, true},
        PatternCase{"SubdomainOfTwoLabels", "*.org", kOrigin, true},
        PatternCase{"DomainIsNotItsSubdomain", "*.files.example.org", kOrigin, false},
        PatternCase{"SuffixEndsAtALabel", "*.ample.org", kOrigin, false},
        PatternCase{"Everything", "*", kOrigin, true},
        PatternCase{"Port", "files.example.org:443", kOrigin, true},
        PatternCase{"OtherPort", "files.example.org:444", kOrigin, false},
        PatternCase{"EverythingOnAPort", "*:443", kOrigin, true},
        PatternCase{"EverythingOnAnotherPort", "*:80", kOrigin, false},
        PatternCase{"Ipv4", "192.0.2.7", {"http", "192.0.2.7", 80}, true},
        PatternCase{"Ipv6", "[2001:DB8::1]:8080", {"http", "2001:db8::1", 8080}, true},
        PatternCase{"OtherIpv6", "[2001:db8::2]", {"http", "2001:db8::1", 8080}, false}),
    [](const auto& info) { return info.param.name; });

class BadPatternTest : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(BadPatternTest, IsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(HostPattern::Parse(GetParam().second).status()));
}
INSTANTIATE_TEST_SUITE_P(
    All, BadPatternTest,
    ::testing::Values(
        std::pair{"Empty", ""}, std::pair{"NoHost", ":80"}, std::pair{"NoDomain", "*."},
        std::pair{"StarInside", "a.*.example"}, std::pair{"Scheme", "https://example.org"},
        std::pair{"Path", "example.org/a"}, std::pair{"Fragment", "example.org#a"},
        std::pair{"User", "me@example.org"}, std::pair{"NoPort", "example.org:"},
        std::pair{"PortZero", "example.org:0"}, std::pair{"TwoPorts", "example.org:80:90"},
        std::pair{"BareIpv6", "2001:db8::1"}, std::pair{"SuffixOfAnAddress", "*.192.0.2.7"}),
    [](const auto& info) { return info.param.first; });

TEST(OriginRulesTest, EachFieldComesFromTheMostSpecificPatternThatSetsIt) {
  const auto rules =
      OriginRules::Create({{"*", {.max_connections = 1, .tls_profile = "all"}},
                           {"*.org", {.max_connections = 2, .tls_profile = "org", .proxy = "corp"}},
                           {"*.example.org", {.max_connections = 3}},
                           {"files.example.org:444", {.max_connections = 4, .proxy = "direct"}}});
  ASSERT_TRUE(rules.ok()) << rules.status();

  const OriginRule rule = rules->For(kOrigin);

  EXPECT_THAT(rule.max_connections, Optional(3u));
  EXPECT_THAT(rule.tls_profile, Optional(std::string("org")));
  EXPECT_THAT(rule.proxy, Optional(std::string("corp")));
  EXPECT_THAT(rules->For({"http", "other.example", 80}).max_connections, Optional(1u));
}

TEST(OriginRulesTest, PortBreaksATie) {
  const auto rules = OriginRules::Create(
      {{"*.example.org", {.max_connections = 1}}, {"*.example.org:443", {.max_connections = 2}}});
  ASSERT_TRUE(rules.ok()) << rules.status();

  EXPECT_THAT(rules->For(kOrigin).max_connections, Optional(2u));
}

TEST(OriginRulesTest, BadPatternIsNamed) {
  EXPECT_THAT(MessageOf(OriginRules::Create({{"a b", {}}}).status()), HasSubstr("\"a b\""));
}

TEST(OriginRulesTest, PrewarmedAreHostsWithTheSchemeThatTheySpeak) {
  const auto rules =
      OriginRules::Create({{"files.example.org", {.prewarm = 2}},
                           {"[2001:db8::1]:8080", {.prewarm = 1, .prewarm_scheme = "http"}},
                           {"*", {.max_connections = 9}}});
  ASSERT_TRUE(rules.ok()) << rules.status();

  std::vector<std::string> lines;
  for (const auto& [url, connections] : rules->prewarmed()) {
    lines.push_back(Concat(url.ToString(), " ", connections));
  }
  EXPECT_THAT(lines, ::testing::UnorderedElementsAre("https://files.example.org/ 2",
                                                     "http://[2001:db8::1]:8080/ 1"));
}

TEST(OriginRulesTest, PrewarmNeedsOneHost) {
  for (const char* pattern : {"*", "*.example.org", "*:443"}) {
    EXPECT_THAT(MessageOf(OriginRules::Create({{pattern, {.prewarm = 1}}}).status()),
                HasSubstr("prewarm needs one host"));
  }
}

TEST(OriginRulesTest, BudgetKeepsTheLimitOfARule) {
  const auto rules = OriginRules::Create({{"*.example.org", {.max_connections = 1}}});
  HostBudget budget({.max_per_host = 2, .rules = *rules}, 1);
  const Origin other{"https", "other.example", 443};

  const ConnectionPermit first = budget.TryAcquire(kOrigin);
  const ConnectionPermit others[] = {budget.TryAcquire(other), budget.TryAcquire(other)};

  EXPECT_TRUE(first);
  EXPECT_FALSE(budget.TryAcquire(kOrigin));
  EXPECT_TRUE(others[1]);
}

}  // namespace
}  // namespace fetchd::http
