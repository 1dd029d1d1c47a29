#include "http/proxy_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace fetchd::http {
namespace {

using ::testing::HasSubstr;

const Origin kHttp{"http", "example.org", 80};
const Origin kHttps{"https", "example.org", 443};

net::ProxyPtr Named(const std::string& name) {
  return std::make_shared<const net::Proxy>(net::Proxy{.name = name});
}

/// The name of the proxy, "direct", or the reason or code of the error.
std::string Chosen(const absl::StatusOr<net::ProxyPtr>& chosen) {
  if (chosen.ok()) return *chosen == nullptr ? "direct" : (*chosen)->name;
  const std::optional<Reason> reason = GetReason(chosen.status());
  return reason ? reason->reason : absl::StatusCodeToString(chosen.status().code());
}

struct ChoiceCase {
  std::string name;
  std::string asked;
  std::optional<std::string> rule;
  bool has_default = true;
  bool allow_direct = false;
  Origin origin = kHttps;
  std::string chosen;
};
class ChoiceTest : public ::testing::TestWithParam<ChoiceCase> {};

TEST_P(ChoiceTest, GoesByTheFirstWhoSaysSomething) {
  const ChoiceCase& given = GetParam();
  ProxyRoutesConfig config{.named = {{"corp", {Named("corp")}},
                                     {"lab", {Named("lab")}},
                                     {"inner", {Named("inner"), /*jobs_may_name=*/false}}},
                           .no_proxy = {"*.near.test"},
                           .allow_direct = given.allow_direct};
  if (given.has_default) config.default_http = config.default_https = config.named["corp"].proxy;
  const absl::StatusOr<ProxyRoutes> routes = ProxyRoutes::Create(std::move(config));
  ASSERT_TRUE(routes.ok()) << routes.status();

  EXPECT_EQ(Chosen(routes->Choose(given.origin, given.asked, {.proxy = given.rule})), given.chosen);
}

const Origin kNear{"https", "a.near.test", 443};
INSTANTIATE_TEST_SUITE_P(
    All, ChoiceTest,
    ::testing::Values(
        ChoiceCase{.name = "Nobody", .has_default = false, .chosen = "direct"},
        ChoiceCase{.name = "Default", .chosen = "corp"},
        ChoiceCase{.name = "RuleBeforeDefault", .rule = "lab", .chosen = "lab"},
        ChoiceCase{.name = "RuleSaysDirect", .rule = "direct", .chosen = "direct"},
        ChoiceCase{.name = "JobBeforeRule", .asked = "corp", .rule = "lab", .chosen = "corp"},
        ChoiceCase{
            .name = "JobWithoutDefault", .asked = "lab", .has_default = false, .chosen = "lab"},
        ChoiceCase{.name = "NoProxyExceptsTheDefault", .origin = kNear, .chosen = "direct"},
        ChoiceCase{.name = "NoProxyExceptsNoRule", .rule = "lab", .origin = kNear, .chosen = "lab"},
        ChoiceCase{.name = "NoProxyExceptsNoJob", .asked = "lab", .origin = kNear, .chosen = "lab"},
        ChoiceCase{.name = "DirectEscapesNoDefault", .asked = "direct", .chosen = "PROXY_REQUIRED"},
        ChoiceCase{.name = "DirectEscapesNoRule",
                   .asked = "direct",
                   .rule = "lab",
                   .has_default = false,
                   .chosen = "PROXY_REQUIRED"},
        ChoiceCase{.name = "DirectWhereItIsDirectAnyway",
                   .asked = "direct",
                   .has_default = false,
                   .chosen = "direct"},
        ChoiceCase{.name = "DirectWhereTheRuleSaysSo",
                   .asked = "direct",
                   .rule = "direct",
                   .chosen = "direct"},
        ChoiceCase{.name = "DirectWhereNoProxySaysSo",
                   .asked = "direct",
                   .origin = kNear,
                   .chosen = "direct"},
        ChoiceCase{.name = "DirectWhereItIsAllowed",
                   .asked = "direct",
                   .rule = "lab",
                   .allow_direct = true,
                   .chosen = "direct"},
        ChoiceCase{.name = "Unknown", .asked = "missing", .chosen = "INVALID_ARGUMENT"},
        ChoiceCase{.name = "UnknownInARule", .rule = "missing", .chosen = "INVALID_ARGUMENT"},
        ChoiceCase{.name = "NotForJobs", .asked = "inner", .chosen = "PROXY_NOT_FOR_JOBS"},
        ChoiceCase{.name = "NotForJobsButForRules", .rule = "inner", .chosen = "inner"},
        ChoiceCase{
            .name = "UrlIsNoName", .asked = "http://evil.test:3128", .chosen = "INVALID_ARGUMENT"}),
    [](const auto& info) { return info.param.name; });

TEST(ProxyRoutesTest, DefaultMayDependOnTheScheme) {
  const auto routes = ProxyRoutes::Create({.default_http = Named("plain")});
  ASSERT_TRUE(routes.ok());

  EXPECT_EQ(Chosen(routes->Choose(kHttp, "", {})), "plain");
  EXPECT_EQ(Chosen(routes->Choose(kHttps, "", {})), "direct");
  EXPECT_FALSE(routes->empty());
  EXPECT_TRUE(ProxyRoutes().empty());
}

TEST(ProxyRoutesTest, RefusalNamesWhatWouldHelp) {
  const auto routes = ProxyRoutes::Create({.default_https = Named("corp")});

  EXPECT_THAT(MessageOf(routes->Choose(kHttps, "direct", {}).status()),
              HasSubstr("example.org:443 is reached through proxy corp; \"direct\" takes "
                        "proxy.allow_direct"));
  EXPECT_THAT(MessageOf(routes->Choose(kHttps, "nope", {}).status()), HasSubstr("\"nope\""));
}

TEST(ProxyRoutesTest, BadNoProxyEntryIsNamed) {
  EXPECT_THAT(MessageOf(ProxyRoutes::Create({.no_proxy = {"a b"}}).status()), HasSubstr("\"a b\""));
}

}  // namespace
}  // namespace fetchd::http
