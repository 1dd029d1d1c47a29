// The shared HTTP client against nginx, over HTTP and HTTPS.
#include "support/nginx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/http_stack.h"
#include "support/origin_scripts.h"

namespace fetchd::testing {
namespace {

class NginxTest : public ::testing::Test {
 protected:
  HttpStackOptions Options() const {
    // The name localhost is admitted by the address rule; it resolves to 127.0.0.1 and perhaps ::1.
    return {.allow = {"127.0.0.1/32", "::1/128"}, .ca_file = nginx_.ca_file().string()};
  }
  std::string AddBody(const std::string& name, std::size_t size) {
    std::string body = PatternBody(size);
    WriteFile(nginx_.root() / name, body);
    return body;
  }

  Nginx nginx_;
  HttpStack stack_{Options()};
};

TEST_F(NginxTest, BodiesOfAllSizesAreRight) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{16384}, std::size_t{3'000'001}}) {
    const std::string name = "body" + std::to_string(size);
    const std::string body = AddBody(name, size);

    EXPECT_EQ(stack_.Get(nginx_.HttpUrl("/" + name)).body, body) << size;
    const Fetched secure = stack_.Get(nginx_.HttpsUrl("/" + name));
    EXPECT_EQ(secure.body, body) << size << ' ' << secure.message();
  }
  EXPECT_EQ(stack_.client().Stats().connections_opened, 2U);
}

TEST_F(NginxTest, AResumeIsAnsweredWithTheRest) {
  const std::string body = AddBody("resume", 100'000);
  http::Request request = RequestFor(nginx_.HttpUrl("/resume"));
  request.headers = {{"Range", "bytes=40000-"}};

  const Fetched fetched = stack_.Send(request, {}, {});

  EXPECT_EQ(fetched.http_status, 206);
  EXPECT_EQ(fetched.body, body.substr(40'000));
}

TEST_F(NginxTest, ManyRequestsAtOnceShareTheAllowedConnections) {
  const std::string body = AddBody("shared", 20'000);

  const std::vector<Fetched> all =
      stack_.GetAll(std::vector<std::string>(64, nginx_.HttpUrl("/shared")));

  for (const Fetched& fetched : all) EXPECT_EQ(fetched.body, body) << fetched.message();
  EXPECT_LE(stack_.client().Stats().connections_opened, 8U);
}

TEST_F(NginxTest, AMissingFileIs404) {
  const Fetched fetched = stack_.Get(nginx_.HttpsUrl("/missing"));

  EXPECT_TRUE(fetched.status.ok()) << fetched.message();
  EXPECT_EQ(fetched.http_status, 404);
}

}  // namespace
}  // namespace fetchd::testing
