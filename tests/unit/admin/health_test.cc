#include "admin/health.h"

#include <gtest/gtest.h>

#include <string>

namespace fetchd::admin {
namespace {

struct HealthCase {
  std::string name;
  std::string method, target;
  bool draining;
  int status;
  std::string body;
};

constexpr char kNoApi[] =
    "the HTTP/JSON API and the dashboard are not served here (admin.api: off)";

class HealthTest : public ::testing::TestWithParam<HealthCase> {};

TEST_P(HealthTest, Answers) {
  const HealthCase& given = GetParam();

  const Answer answer = AnswerHealth(given.method, given.target, given.draining);

  EXPECT_EQ(answer.status, given.status);
  EXPECT_EQ(answer.body, given.body);
}

INSTANTIATE_TEST_SUITE_P(
    All, HealthTest,
    ::testing::Values(HealthCase{"Alive", "GET", "/livez", false, 200, "ok"},
                      HealthCase{"AliveWhileDraining", "GET", "/livez", true, 200, "ok"},
                      HealthCase{"Ready", "GET", "/readyz", false, 200, "ok"},
                      HealthCase{"NotReadyWhileDraining", "GET", "/readyz", true, 503, "draining"},
                      HealthCase{"HeadIsGet", "HEAD", "/readyz", true, 503, "draining"},
                      HealthCase{"QueryIsIgnored", "GET", "/livez?verbose", false, 200, "ok"},
                      HealthCase{"NoPrefix", "GET", "/livez/x", false, 404, kNoApi},
                      HealthCase{"Root", "GET", "/", false, 404, kNoApi},
                      HealthCase{"CaseMatters", "GET", "/LIVEZ", false, 404, kNoApi},
                      HealthCase{"AbsoluteForm", "GET", "http://a/livez", false, 404, kNoApi},
                      HealthCase{"Post", "POST", "/livez", false, 405, "method not allowed"},
                      HealthCase{"PathBeforeMethod", "POST", "/v1/jobs", false, 404, kNoApi},
                      HealthCase{"MethodsAreCaseSensitive", "get", "/livez", false, 405,
                                 "method not allowed"}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace fetchd::admin
