// The shared HTTP client against nghttpd, the server of nghttp2: padding, trailers, few streams.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "integration/http_stack.h"
#include "support/certificates.h"
#include "support/origin_scripts.h"
#include "support/process.h"

namespace fetchd::testing {
namespace {

constexpr std::size_t kStreams = 3;

enum class Transport { kTls, kCleartext };

class NghttpdTest : public ::testing::TestWithParam<Transport> {
 protected:
  NghttpdTest() {
    std::vector<std::string> command = {"nghttpd",
                                        "--address=127.0.0.1",
                                        "--padding=200",
                                        "--trailer=x-sum: 1",
                                        "--verbose",
                                        "--max-concurrent-streams=" + std::to_string(kStreams),
                                        "--htdocs=" + folder_.path().string()};
    if (!tls()) command.push_back("--no-tls");
    command.push_back(std::to_string(port_));
    if (tls()) {
      command.insert(command.end(), {identity_.key.string(), identity_.certificate.string()});
    }
    process_ = std::make_unique<Process>(command, folder_.path() / "log");
    EXPECT_TRUE(WaitForListener(port_, std::chrono::seconds(10)));
    HttpStackOptions options{.allow = {"127.0.0.1/32", "::1/128"},
                             .ca_file = authority_.ca_file().string()};
    if (!tls()) options.client.http2_origins = {Url::Parse(UrlOf("/"))->origin()};
    stack_ = std::make_unique<HttpStack>(options);
  }

  static bool tls() { return GetParam() == Transport::kTls; }
  std::string UrlOf(const std::string& target) const {
    return (tls() ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port_) + target;
  }
  std::string AddBody(const std::string& name, std::size_t size) {
    std::string body = PatternBody(size);
    WriteFile(folder_.path() / name, body);
    return body;
  }

  TempFolder folder_;
  CertificateAuthority authority_{folder_.path()};
  CertificateFiles identity_ = authority_.Issue("server", {"DNS:localhost", "IP:127.0.0.1"});
  const std::uint16_t port_ = FreePort();
  std::unique_ptr<Process> process_;
  std::unique_ptr<HttpStack> stack_;
};

TEST_P(NghttpdTest, PaddedBodiesOfAllSizesAreRightOverOneConnection) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{16384}, std::size_t{3'000'001}}) {
    const std::string name = "body" + std::to_string(size);
    const std::string body = AddBody(name, size);

    const Fetched fetched = stack_->Get(UrlOf("/" + name));

    EXPECT_TRUE(fetched.body == body) << size << ' ' << fetched.message();
  }
  EXPECT_EQ(stack_->client().Stats().dials.opened, 1U);
}

TEST_P(NghttpdTest, FewStreamsServeManyRequests) {
  const std::string body = AddBody("shared", 20'000);
  // Until its settings have come, a server without TLS is asked as if it had no limit.
  EXPECT_TRUE(stack_->Get(UrlOf("/shared")).body == body);

  const std::vector<Fetched> all = stack_->GetAll(std::vector<std::string>(100, UrlOf("/shared")));

  for (const Fetched& fetched : all) EXPECT_TRUE(fetched.body == body) << fetched.message();
  EXPECT_EQ(stack_->client().Stats().dials.opened, 1U);
  EXPECT_LE(stack_->client().Stats().dials.peak_in_flight, kStreams);
}

TEST_P(NghttpdTest, HeadAndMissingFilesLeaveTheConnectionInUse) {
  AddBody("head", 5000);
  http::Request head = RequestFor(UrlOf("/head"));
  head.method = "HEAD";

  EXPECT_EQ(stack_->Send(head, {}, {}).http_status, 200);
  EXPECT_EQ(stack_->Get(UrlOf("/missing")).http_status, 404);
  EXPECT_EQ(stack_->Get(UrlOf("/head")).body.size(), 5000U);
  EXPECT_EQ(stack_->client().Stats().dials.opened, 1U);
}

TEST_P(NghttpdTest, ServerThatGoesAwayIsAnErrorAndNoWholeBody) {
  AddBody("body", 10);
  EXPECT_EQ(stack_->Get(UrlOf("/body")).body.size(), 10U);
  process_.reset();

  const Fetched fetched = stack_->Get(UrlOf("/body"));

  EXPECT_TRUE(absl::IsUnavailable(fetched.status)) << fetched.message();
  EXPECT_EQ(fetched.http_status, 0);
}

std::string NameOf(const ::testing::TestParamInfo<Transport>& each) {
  return each.param == Transport::kTls ? "Tls" : "Cleartext";
}

INSTANTIATE_TEST_SUITE_P(Transports, NghttpdTest,
                         ::testing::Values(Transport::kTls, Transport::kCleartext), NameOf);

}  // namespace
}  // namespace fetchd::testing
