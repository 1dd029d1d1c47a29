#include "rpc/json_routes.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "rpc/auth_methods.h"
#include "rpc/json_request.h"

namespace fetchd::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(JsonRoutesTest, EveryMethodHasOneOrIsNamedAsOneThatHasNone) {
  std::set<std::string_view> served;
  for (const JsonRoute& route : JsonRoutes()) served.insert(route.method());
  for (const MethodRule& rule : kMethodRules) {
    const bool left_out = std::ranges::count(NotOverJson(), rule.method) > 0;
    EXPECT_NE(served.contains(rule.method), left_out) << rule.method;
  }
  EXPECT_EQ(served.size() + NotOverJson().size(), kMethodRules.size());
}

TEST(JsonRoutesTest, WhatChangesSomethingIsNeverAGet) {
  for (const JsonRoute& route : JsonRoutes()) {
    const auto* rule = std::ranges::find(kMethodRules, route.method(), &MethodRule::method);
    ASSERT_NE(rule, kMethodRules.end()) << route.method();
    EXPECT_EQ(rule->service, route.service());
    if (rule->audited || rule->begins_work) EXPECT_NE(route.verb, "GET") << route.method();
  }
}

TEST(JsonRoutesTest, EveryOneNamesAMethodWhoseRequestCanBeTold) {
  for (const JsonRoute& route : JsonRoutes()) {
    const auto& method = MethodOf(route);
    EXPECT_FALSE(method.client_streaming()) << route.method();
    EXPECT_EQ(route.names_resource(), method.input_type()->FindFieldByName("name") != nullptr)
        << route.method();
  }
}

struct PathCase {
  std::string verb, path;
  std::string method, name;
};

TEST(JsonRoutesTest, PathsAreMatchedWhole) {
  const PathCase cases[] = {
      {"POST", "/v1/jobs", "CreateJob", ""},
      {"GET", "/v1/jobs", "ListJobs", ""},
      {"GET", "/v1/jobs:watch", "WatchJobs", ""},
      {"GET", "/v1/jobs/01a", "GetJob", "jobs/01a"},
      {"GET", "/v1/jobs/%30%31a", "GetJob", "jobs/01a"},
      {"DELETE", "/v1/jobs/01a", "DeleteJob", "jobs/01a"},
      {"POST", "/v1/jobs/01a:cancel", "CancelJob", "jobs/01a"},
      {"GET", "/v1/batches/01b/entries", "ListBatchEntries", "batches/01b"},
      {"POST", "/v1:drain", "Drain", ""},
      {"POST", "/v1:setLogLevel", "SetLogLevel", ""},
  };
  for (const PathCase& given : cases) {
    const JsonMatch match = MatchJsonRoute(given.verb, given.path);
    ASSERT_NE(match.route, nullptr) << given.path;
    EXPECT_EQ(match.route->method(), given.method) << given.path;
    EXPECT_EQ(match.name, given.name) << given.path;
  }
}

TEST(JsonRoutesTest, OtherPathsAreNone) {
  for (const std::string path :
       {"", "/", "/v1", "/v1/", "/v1/jobs/", "/v1/jobs/a/b", "/v1/jobs/a:explode",
        "/v1/jobs/:cancel", "/v1/jobs/a:b:cancel", "/v1/jobs/%zz", "/v1/jobs/%ff", "/v1/jobs/a%2Fb",
        "/v1/jobs/a%3acancel", "/v1/Jobs", "//v1/jobs", "http://a/v1/jobs",
        "/v1/batches//entries"}) {
    const JsonMatch match = MatchJsonRoute("GET", path);
    EXPECT_EQ(match.route, nullptr) << path;
    EXPECT_THAT(match.verbs, IsEmpty()) << path;
  }
}

TEST(JsonRoutesTest, AnotherVerbIsToldThoseThatThereAre) {
  EXPECT_EQ(MatchJsonRoute("PUT", "/v1/jobs").verbs, "POST, GET");
  EXPECT_EQ(MatchJsonRoute("HEAD", "/v1/jobs/a").verbs, "GET, DELETE");
  EXPECT_EQ(MatchJsonRoute("get", "/v1/status").verbs, "GET");
}

TEST(ParseQueryTest, NamesAndValuesAreDecoded) {
  const auto parsed = ParseQuery("a=1&b=x%20y+z&&c&d=e%3Df%26g&=h");

  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(*parsed, ElementsAre(Pair("a", "1"), Pair("b", "x y z"), Pair("c", ""),
                                   Pair("d", "e=f&g"), Pair("", "h")));
}

TEST(ParseQueryTest, WhatIsNoUtf8OrCutShortIsRefused) {
  for (const char* query : {"a=%", "a=%4", "a=%zz", "%ff=1", "a=\xff", "a=%c3"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseQuery(query).status())) << query;
  }
}

}  // namespace
}  // namespace fetchd::rpc
