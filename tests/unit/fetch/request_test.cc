// What a job asks of an origin.
#include "fetch/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fetchd::fetch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

jobs::FetchSpec SpecWithHeaders() {
  jobs::FetchSpec spec;
  spec.urls = {"https://example.org/a", "https://mirror.test/a"};
  spec.headers = {{"Accept", Secret("text/plain")},
                  {"User-Agent", Secret("me")},
                  {"X-Api-Key", Secret("k")},
                  {"cookie", Secret("c")}};
  spec.credentials = BearerCredentials{Secret("t")};
  return spec;
}

std::vector<std::string> NamesIn(const http::Request& request) {
  std::vector<std::string> names;
  for (const http::Header& header : request.headers) names.push_back(header.name);
  return names;
}

TEST(BuildRequestTest, AnyHeaderThatMayCarryACredentialIsSecret) {
  const http::Request request =
      BuildRequest(SpecWithHeaders(), *Url::Parse("https://example.org/a"), {}, {});

  EXPECT_THAT(NamesIn(request), ElementsAre("Accept", "User-Agent", "X-Api-Key", "cookie"));
  EXPECT_THAT(request.secret_headers, ElementsAre("x-api-key", "cookie"));
  EXPECT_TRUE(std::holds_alternative<BearerCredentials>(request.credentials));
}

TEST(BuildRequestTest, AMirrorElsewhereGetsNoSecret) {
  for (const char* elsewhere : {"https://mirror.test/a", "http://example.org/a",
                                "https://example.org:8443/a", "https://a.example.org/a"}) {
    const http::Request request = BuildRequest(SpecWithHeaders(), *Url::Parse(elsewhere), {}, {});

    EXPECT_THAT(NamesIn(request), ElementsAre("Accept", "User-Agent")) << elsewhere;
    EXPECT_THAT(request.secret_headers, IsEmpty());
    EXPECT_TRUE(std::holds_alternative<std::monostate>(request.credentials));
  }
}

class AddTraceTest : public ::testing::Test {
 protected:
  http::Request With(TraceTo to, std::vector<http::Header> headers = {}) const {
    http::Request request(*Url::Parse("https://example.org/a"));
    request.headers = std::move(headers);
    AddTrace(trace_, "00f067aa0ba902b7", to, request);
    return request;
  }
  TraceContext trace_{.trace_id = std::string(32, 'a'), .sampled = true, .state = "v=1"};
};

TEST_F(AddTraceTest, NobodyIsToldUnlessTheConfigurationSaysSo) {
  EXPECT_THAT(With(TraceTo::kNobody).headers, IsEmpty());
}

TEST_F(AddTraceTest, ARedirectElsewhereKeepsItOnlyWhereThatIsSaid) {
  const http::Request to_origin = With(TraceTo::kOrigin);
  EXPECT_THAT(NamesIn(to_origin), ElementsAre("traceparent", "tracestate"));
  EXPECT_EQ(to_origin.headers[0].value, "00-" + std::string(32, 'a') + "-00f067aa0ba902b7-01");
  EXPECT_EQ(to_origin.headers[1].value, "v=1");
  EXPECT_THAT(to_origin.secret_headers, ElementsAre("traceparent", "tracestate"));
  EXPECT_THAT(With(TraceTo::kRedirects).secret_headers, IsEmpty());
}

TEST_F(AddTraceTest, WhatACallerSetsHimselfStays) {
  const http::Request request = With(TraceTo::kRedirects, {{"Traceparent", "his"}});
  EXPECT_THAT(NamesIn(request), ElementsAre("Traceparent"));
}

TEST_F(AddTraceTest, AJobWithoutATraceHasNone) {
  trace_ = {};
  EXPECT_THAT(With(TraceTo::kRedirects).headers, IsEmpty());
}

}  // namespace
}  // namespace fetchd::fetch
