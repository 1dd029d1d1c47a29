// How the listener hands requests to the API and its answers back. Over raw sockets, real time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "admin/connection.h"
#include "admin/server.h"
#include "base/strings.h"
#include "raw_client.h"

namespace fetchd::admin {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using namespace std::chrono_literals;

/// Pieces that are there already; then it ends, or goes on for ever.
class Pieces final : public HttpBodyStream {
 public:
  Pieces(std::deque<std::string> pieces, std::atomic<int>& taken)
      : pieces_(std::move(pieces)), taken_(taken) {}
  ~Pieces() override {
    taken_ = -1;
    taken_.notify_all();
  }
  Task<absl::StatusOr<std::string>> Next() override {
    if (pieces_.empty()) co_return std::string();
    if (pieces_.front() == "fail") co_return absl::InternalError("broken");
    ++taken_;
    taken_.notify_all();
    std::string piece = pieces_.front();
    if (pieces_.size() > 1 || piece.size() < kEndless) pieces_.pop_front();
    co_return piece;
  }
  /// A last piece of this size comes again and again.
  static constexpr std::size_t kEndless = 100'000;

 private:
  std::deque<std::string> pieces_;
  std::atomic<int>& taken_;  ///< -1 once it was dropped.
};

/// Says what it was asked.
class EchoingApi final : public HttpHandler {
 public:
  Task<HttpReply> Handle(HttpRequest request) override {
    HttpReply reply;
    reply.status = 201;
    reply.content_type = "application/json";
    reply.fields.push_back({"X-Content-Type-Options", "nosniff"});
    if (request.path() == "/stream") {
      reply.stream = std::make_unique<Pieces>(pieces, taken);
    } else {
      reply.body = Concat(request.method, ' ', request.target, ' ', request.body.size(), ' ',
                          request.Value("x-test").value_or("-"), ' ', request.body.substr(0, 9));
    }
    peer = request.peer;
    co_return reply;
  }
  HttpReply Refuse(int status, const std::string& message) const override {
    HttpReply reply;
    reply.status = status;
    reply.body = "refused: " + message;
    return reply;
  }

  std::deque<std::string> pieces;
  std::atomic<int> taken{0};
  std::string peer;
};

class AdminApiTest : public ::testing::Test {
 protected:
  ~AdminApiTest() override {
    server_.reset();
    runtime_.Stop();
  }
  void Start(ServerConfig config = {}) {
    config.listen = "127.0.0.1:0";
    auto started = Server::Start({runtime_, clock_, drain_signal_, log_, metrics_, &api_}, config);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  std::string Ask(const std::string& request) {
    Client client(server_->address());
    client.Connect().Send(request);
    return client.ReadToEnd();
  }

  RealClock clock_;
  telemetry::Metrics metrics_{clock_};
  runtime::DrainSignal drain_signal_;
  telemetry::Logger log_{telemetry::LogConfig(), [](std::string_view) {},
                         [] { return WallTime(); }};
  EchoingApi api_;
  runtime::Runtime runtime_{runtime::RuntimeConfig{.shards = 1, .blocking_threads = 1}};
  std::unique_ptr<Server> server_;
};

constexpr char kClose[] = "Host: localhost\r\nConnection: close\r\n";

TEST_F(AdminApiTest, ARequestReachesItWholeAndItsAnswerComesBack) {
  Start();

  const std::string answer = Ask(Concat("POST /v1/jobs?a=b HTTP/1.1\r\n", kClose,
                                        "x-Test: y\r\nContent-Length: 4\r\n\r\nbody"));

  EXPECT_THAT(answer, StartsWith("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
                                 "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nPOST /v1/jobs?a=b 4 y body"));
  EXPECT_THAT(api_.peer, StartsWith("ipv4:127.0.0.1:"));
}

TEST_F(AdminApiTest, HealthIsNotItsAffair) {
  Start();

  EXPECT_THAT(Ask(Concat("GET /livez HTTP/1.1\r\n", kClose, "\r\n")), EndsWith("\r\n\r\nok"));
  EXPECT_THAT(Ask(Concat("POST /readyz HTTP/1.1\r\n", kClose, "\r\n")),
              StartsWith("HTTP/1.1 405 "));
}

TEST_F(AdminApiTest, TheDashboardIsNotItsAffair) {
  Start();

  const std::string page = Ask(Concat("GET / HTTP/1.1\r\n", kClose, "\r\n"));
  EXPECT_THAT(page, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
                               "Cache-Control: no-cache\r\nETag: \""));
  const std::string etag = page.substr(page.find("ETag: ") + 6, 34);
  EXPECT_THAT(Ask(Concat("GET / HTTP/1.1\r\n", kClose, "If-None-Match: ", etag, "\r\n\r\n")),
              AllOf(StartsWith("HTTP/1.1 304 "), EndsWith("\r\n\r\n")));
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nHost: attacker.example\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(Ask(Concat("POST / HTTP/1.1\r\n", kClose, "\r\n")), StartsWith("HTTP/1.1 405 "));
}

TEST_F(AdminApiTest, BodiesComeChunkedTooAndTheConnectionGoesOn) {
  Start();
  Client client(server_->address());
  client.Connect();

  for (int i = 0; i < 2; ++i) {
    client.Send(
        "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\none\r\n5\r\n two \r\n0\r\n\r\n");
    EXPECT_THAT(client.ReadUntil("one two "), EndsWith("POST /a 8 - one two "));
  }
}

TEST_F(AdminApiTest, ABodyHasOneMebibyteAtMost) {
  Start();
  const std::string head = Concat("POST /a HTTP/1.1\r\n", kClose);
  const std::string most(kMaxBodyBytes, 'x');

  EXPECT_THAT(Ask(Concat(head, "Content-Length: ", most.size(), "\r\n\r\n", most)),
              HasSubstr("POST /a 1048576 - xxxxxxxxx"));
  EXPECT_THAT(Ask(Concat(head, "Content-Length: ", most.size() + 1, "\r\n\r\n")),
              AllOf(StartsWith("HTTP/1.1 413 "), HasSubstr("refused: a body has 1 MiB at most")));
  EXPECT_THAT(Ask(Concat(head, "Transfer-Encoding: chunked\r\n\r\n100001\r\n", most, "x\r\n")),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(AdminApiTest, WhatIsNoHttpIsRefusedInItsWords) {
  Start();

  EXPECT_THAT(Ask("POST /a HTTP/1.1\r\nno colon\r\n\r\n"), HasSubstr("refused: bad request"));
  EXPECT_THAT(
      Ask(Concat("POST /a HTTP/1.1\r\n", kClose, "Transfer-Encoding: chunked\r\n\r\nnonsense\r\n")),
      StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask(Concat("POST /a HTTP/1.1\r\n", kClose,
                         "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")),
              StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask(Concat("POST /a HTTP/1.1\r\n", kClose,
                         "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab")),
              StartsWith("HTTP/1.1 400 "));
}

TEST_F(AdminApiTest, WhoWaitsToBeToldToGoOnIsTold) {
  Start();
  Client client(server_->address());
  client.Connect().Send(
      Concat("POST /a HTTP/1.1\r\n", kClose, "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n"));

  EXPECT_EQ(client.ReadUntil("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("body");
  EXPECT_THAT(client.ReadToEnd(), EndsWith("POST /a 4 - body"));
}

TEST_F(AdminApiTest, AHalfSentBodyIsCutAtItsDeadline) {
  Start({.request_timeout = 100ms});
  Client client(server_->address());
  client.Connect().Send("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbo");

  EXPECT_THAT(client.ReadToEnd(), IsEmpty());
}

TEST_F(AdminApiTest, WhatMayNotPassIsRefusedBeforeItsBody) {
  Start();
  Client client(server_->address());
  client.Connect().Send("POST /a HTTP/1.1\r\nHost: attacker.example\r\nContent-Length: 4\r\n\r\n");

  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 403 "));
}

TEST_F(AdminApiTest, AStreamComesInChunksAndTheConnectionGoesOn) {
  api_.pieces = {"one", "two"};
  Start();
  Client client(server_->address());
  client.Connect();

  for (int i = 0; i < 2; ++i) {
    client.Send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_THAT(client.ReadUntil("0\r\n\r\n"),
                AllOf(HasSubstr("Transfer-Encoding: chunked\r\n"),
                      EndsWith("\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")));
  }
}

TEST_F(AdminApiTest, AStreamToHttp10EndsWithTheConnection) {
  api_.pieces = {"one", "two"};
  Start();

  EXPECT_THAT(Ask("GET /stream HTTP/1.0\r\nHost: localhost\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.0 201 "), EndsWith("\r\n\r\nonetwo")));
}

TEST_F(AdminApiTest, AStreamThatBreaksHasNoEnd) {
  api_.pieces = {"one", "fail"};
  Start();

  EXPECT_THAT(Ask("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              EndsWith("\r\n\r\n3\r\none\r\n"));
}

TEST_F(AdminApiTest, WhoTakesNothingIsAskedForNoMoreAndIsCutOff) {
  api_.pieces = {std::string(Pieces::kEndless, 'x')};
  Start({.request_timeout = 200ms});
  Client client(server_->address());
  client.Connect().Send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");

  for (int taken = api_.taken; taken != -1; taken = api_.taken) api_.taken.wait(taken);

  const std::string got = client.ReadToEnd();
  EXPECT_THAT(got, Not(EndsWith("0\r\n\r\n")));
  EXPECT_LT(got.size(), std::size_t{64} << 20) << "what the buffers of the sockets hold";
}

TEST_F(AdminApiTest, StreamsEndWhenTheServerStops) {
  api_.pieces = {std::string(Pieces::kEndless, 'x')};
  Start({.request_timeout = 1h});
  Client client(server_->address());
  client.Connect().Send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  api_.taken.wait(0);

  server_->Stop();

  EXPECT_EQ(api_.taken, -1);
}

}  // namespace
}  // namespace fetchd::admin
