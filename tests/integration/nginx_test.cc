// The shared HTTP client against nginx: the same in every version of the protocol.
#include "support/nginx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/idle_connections.h"
#include "integration/http_stack.h"
#include "support/content_encoder.h"
#include "support/origin_scripts.h"

namespace fetchd::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

enum class Protocol { kHttp1, kHttp1OverTls, kHttp2, kHttp2Cleartext };

class NginxTest : public ::testing::TestWithParam<Protocol> {
 protected:
  HttpStackOptions Options() const {
    // The name localhost is admitted by the address rule; it resolves to 127.0.0.1 and perhaps ::1.
    HttpStackOptions options{.allow = {"127.0.0.1/32", "::1/128"},
                             .ca_file = nginx_.ca_file().string()};
    options.client.http2 = GetParam() != Protocol::kHttp1OverTls;
    options.client.http2_origins = {Url::Parse(nginx_.H2cUrl("/"))->origin()};
    return options;
  }
  bool multiplexes() const {
    return GetParam() == Protocol::kHttp2 || GetParam() == Protocol::kHttp2Cleartext;
  }
  std::string NginxUrl(const std::string& target) const {
    if (GetParam() == Protocol::kHttp1) return nginx_.HttpUrl(target);
    if (GetParam() == Protocol::kHttp2Cleartext) return nginx_.H2cUrl(target);
    return nginx_.HttpsUrl(target);
  }
  std::string AddBody(const std::string& name, std::size_t size) {
    std::string body = PatternBody(size);
    WriteFile(nginx_.root() / name, body);
    return body;
  }

  Nginx nginx_;
  HttpStack stack_{Options()};
};

TEST_P(NginxTest, BodiesOfAllSizesAreRightOverOneConnection) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{16384}, std::size_t{3'000'001}}) {
    const std::string name = "body" + std::to_string(size);
    const std::string body = AddBody(name, size);

    const Fetched fetched = stack_.Get(NginxUrl("/" + name));

    EXPECT_EQ(fetched.body, body) << size << ' ' << fetched.message();
  }
  EXPECT_EQ(stack_.client().Stats().dials.opened, 1U);
  EXPECT_THAT(nginx_.AccessLog(), HasSubstr(multiplexes() ? "HTTP/2.0" : "HTTP/1.1"));
}

TEST_P(NginxTest, BodiesOfAllSizesArriveOverOneConnection) {
  for (const std::size_t size : {0, 1, 16'384, 65'535, 3'000'001}) {
    const std::string body = PatternBody(size);
    const auto bytes = std::as_bytes(std::span<const char>(body));
    const std::string target = "/upload/" + std::to_string(size);
    http::Request request = RequestFor(NginxUrl(target));
    request.method = "PUT";
    request.body = {bytes.first(size / 3), bytes.subspan(size / 3)};

    const Fetched fetched = stack_.Send(request, {}, {});

    EXPECT_EQ(fetched.http_status, 201) << size << ' ' << fetched.message();
    EXPECT_EQ(ReadFile(nginx_.root().string() + target), body) << size;
  }
  EXPECT_EQ(stack_.client().Stats().dials.opened, 1U);
}

// nginx refuses it by its length, without reading it.
TEST_P(NginxTest, ABodyThatIsRefusedLeavesTheNextRequestWhole) {
  const std::string body = AddBody("next", 1000);
  const std::string large = PatternBody(9'000'000);
  http::Request request = RequestFor(NginxUrl("/upload/large"));
  request.method = "PUT";
  request.body = {std::as_bytes(std::span<const char>(large))};

  const Fetched refused = stack_.Send(request, {}, {});

  EXPECT_EQ(refused.http_status, 413) << refused.message();
  EXPECT_EQ(stack_.Get(NginxUrl("/next")).body, body);
}

TEST_P(NginxTest, AResumeIsAnsweredWithTheRest) {
  const std::string body = AddBody("resume", 100'000);
  http::Request request = RequestFor(NginxUrl("/resume"));
  request.headers = {{"Range", "bytes=40000-"}};

  const Fetched fetched = stack_.Send(request, {}, {});

  EXPECT_EQ(fetched.http_status, 206);
  EXPECT_EQ(fetched.body, body.substr(40'000));
}

TEST_P(NginxTest, ManyRequestsAtOnceShareTheAllowedConnections) {
  const std::string body = AddBody("shared", 20'000);

  const std::vector<Fetched> all =
      stack_.GetAll(std::vector<std::string>(300, NginxUrl("/shared")));

  for (const Fetched& fetched : all) EXPECT_EQ(fetched.body, body) << fetched.message();
  EXPECT_LE(stack_.client().Stats().dials.opened, multiplexes() ? 1U : 8U);
}

TEST_P(NginxTest, BodiesAreDecodedForWhoAsks) {
  const std::string body = PatternBody(300'000) + std::string(2'000'000, 'x');
  WriteFile(nginx_.root() / "plain", body);
  WriteFile(nginx_.root() / "zstd", Zstd(body));
  WriteFile(nginx_.root() / "deflate", Zlib(body));
  for (const char* target :
       {"/plain", "/gzip/plain", "/br/plain", "/zstd/zstd", "/deflate/deflate"}) {
    http::Request request = RequestFor(NginxUrl(target));
    request.decode = http::DecodeLimits{};

    const Fetched fetched = stack_.Send(request, {}, {});

    EXPECT_TRUE(fetched.body == body) << target << ' ' << fetched.message();
  }
  EXPECT_EQ(stack_.client().Stats().dials.opened, 1U);
}

TEST_P(NginxTest, WhoDoesNotAskGetsBytesAsTheyAre) {
  const std::string body = AddBody("plain", 50'000);
  EXPECT_EQ(stack_.Get(NginxUrl("/gzip/plain")).body, body);

  const std::string encoded = Zstd(body);
  WriteFile(nginx_.root() / "zstd", encoded);
  EXPECT_EQ(stack_.Get(NginxUrl("/zstd/zstd")).body, encoded);
}

TEST_P(NginxTest, AMissingFileIs404) {
  const Fetched fetched = stack_.Get(NginxUrl("/missing"));

  EXPECT_TRUE(fetched.status.ok()) << fetched.message();
  EXPECT_EQ(fetched.http_status, 404);
}

TEST_P(NginxTest, HeadHasNoBody) {
  AddBody("head", 5000);
  http::Request request = RequestFor(NginxUrl("/head"));
  request.method = "HEAD";

  const Fetched fetched = stack_.Send(request, {}, {});

  EXPECT_EQ(fetched.http_status, 200) << fetched.message();
  EXPECT_EQ(fetched.body, "");
}

TEST_P(NginxTest, AReaderThatRunsOutOfTimeLeavesThePoolWhole) {
  AddBody("large", 1'000'000);
  http::Timeouts timeouts;
  timeouts.min_speed_bytes_per_sec = 1 << 30;
  timeouts.min_speed_window = milliseconds(100);

  const Fetched fetched = stack_.Get(NginxUrl("/slow/large"), timeouts);

  EXPECT_TRUE(absl::IsDeadlineExceeded(fetched.status)) << fetched.message();
  EXPECT_EQ(stack_.Get(NginxUrl("/large")).body.size(), 1'000'000U);
  EXPECT_EQ(stack_.client().Stats().dials.in_flight, 0U);
}

TEST_P(NginxTest, IdleConnectionOutlivesTheSessionTicketsThatComeLate) {
  AddBody("body", 1);
  stack_.Get(NginxUrl("/body"));
  stack_.Pass(4 * http::IdleConnections::kTick);

  EXPECT_EQ(stack_.client().Stats().idle, 1U);
  EXPECT_EQ(stack_.Get(NginxUrl("/body")).body.size(), 1U);
  EXPECT_EQ(stack_.client().Stats().dials.opened, 1U);
}

TEST_P(NginxTest, PlacesOfIdleConnectionsAreFreeOnceTheServerHasGone) {
  AddBody("body", 1);
  stack_.Get(NginxUrl("/body"));
  EXPECT_EQ(stack_.client().Stats().open, 1U);
  nginx_.Stop();
  for (int i = 0; i < 1000 && stack_.client().Stats().open > 0; ++i) stack_.Pass(milliseconds(10));

  EXPECT_EQ(stack_.client().Stats().open, 0U);
  EXPECT_EQ(stack_.client().Stats().lost, 1U);
}

INSTANTIATE_TEST_SUITE_P(Protocols, NginxTest,
                         ::testing::Values(Protocol::kHttp1, Protocol::kHttp1OverTls,
                                           Protocol::kHttp2, Protocol::kHttp2Cleartext),
                         [](const ::testing::TestParamInfo<Protocol>& each) {
                           switch (each.param) {
                             case Protocol::kHttp1:
                               return "Http1";
                             case Protocol::kHttp1OverTls:
                               return "Http1OverTls";
                             case Protocol::kHttp2:
                               return "Http2";
                             case Protocol::kHttp2Cleartext:
                               return "Http2Cleartext";
                           }
                           return "";
                         });

}  // namespace
}  // namespace fetchd::testing
