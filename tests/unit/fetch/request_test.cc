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

}  // namespace
}  // namespace fetchd::fetch
