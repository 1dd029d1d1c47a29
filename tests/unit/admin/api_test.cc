// How the listener hands requests to the API and its answers back. Over raw sockets, real time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/post.hpp>
#include <chrono>
#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/request_reader.h"
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

/// Nobody waits for it any more.
class Dropped {
 public:
  explicit Dropped(std::atomic<bool>& dropped) : dropped_(dropped) {}
  ~Dropped() {
    dropped_ = true;
    dropped_.notify_all();
  }

 private:
  std::atomic<bool>& dropped_;
};

/// A stream that has nothing to say.
class Silence final : public HttpBodyStream {
 public:
  Silence(Clock& clock, std::atomic<bool>& dropped) : clock_(clock), dropped_(dropped) {}
  Task<absl::StatusOr<std::string>> Next() override {
    co_await clock_.SleepFor(1h);
    co_return std::string();
  }

 private:
  Clock& clock_;
  const Dropped dropped_;
};

/// As RealClock, and counts who waits.
class CountingClock final : public Clock {
 public:
  SteadyTime Now() const override { return clock_.Now(); }
  WallTime WallNow() const override { return clock_.WallNow(); }
  Task<void> SleepUntil(SteadyTime at) override {
    ++waits;
    return clock_.SleepUntil(at);
  }

  std::atomic<int> waits{0};

 private:
  RealClock clock_;
};

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
  explicit EchoingApi(Clock& clock) : clock_(clock) {}

  std::optional<HttpReply> Judge(const HttpRequest& head) override {
    if (head.path() != "/unknown") return std::nullopt;
    return Refuse(401, "who is it?");
  }
  Task<HttpReply> Handle(HttpRequest request) override {
    HttpReply reply;
    reply.status = 201;
    reply.content_type = "application/json";
    reply.fields.push_back({"X-Echo", "yes"});
    if (auto judged = Judge(request)) co_return *std::move(judged);
    peer = request.peer;
    ++asked;
    asked.notify_all();
    if (request.path() == "/never") {
      const Dropped guard(dropped);
      co_await clock_.SleepFor(1h);
    } else if (request.path() == "/silence") {
      reply.stream = std::make_unique<Silence>(clock_, dropped);
    } else if (request.path() == "/large") {
      reply.body = std::string(kLarge, 'x');
    } else if (request.path() == "/stream") {
      reply.stream = std::make_unique<Pieces>(pieces, taken);
    } else {
      reply.body = Concat(request.method, ' ', request.target, ' ', request.body.size(), ' ',
                          request.Value("x-test").value_or("-"), ' ', request.body.substr(0, 9));
    }
    co_return reply;
  }
  HttpReply Refuse(int status, const std::string& message) const override {
    HttpReply reply;
    reply.status = status;
    reply.body = "refused: " + message;
    return reply;
  }

  std::deque<std::string> pieces;
  static constexpr std::size_t kLarge = std::size_t{1} << 20;

  std::atomic<int> taken{0}, asked{0};
  std::atomic<bool> dropped{false};
  std::string peer;

 private:
  Clock& clock_;
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

  CountingClock clock_;
  telemetry::Metrics metrics_{clock_};
  runtime::DrainSignal drain_signal_;
  std::string lines_;  ///< Written on the shard.
  telemetry::Logger log_{telemetry::LogConfig(), [this](std::string_view line) { lines_ += line; },
                         [] { return WallTime(); }};
  EchoingApi api_{clock_};
  runtime::Runtime runtime_{runtime::RuntimeConfig{.shards = 1, .blocking_threads = 1}};
  std::unique_ptr<Server> server_;
};

constexpr char kClose[] = "Host: localhost\r\nConnection: close\r\n";

TEST_F(AdminApiTest, ARequestReachesItWholeAndItsAnswerComesBack) {
  Start();

  const std::string answer = Ask(Concat("POST /v1/jobs?a=b HTTP/1.1\r\n", kClose,
                                        "x-Test: y\r\nContent-Length: 4\r\n\r\nbody"));

  EXPECT_THAT(
      answer,
      StartsWith("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
                 "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Echo: yes\r\n"));
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
                         "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab")),
              StartsWith("HTTP/1.1 400 "));
}

TEST_F(AdminApiTest, ABodyHasOneLengthThatEverybodyReadsAlike) {
  Start();
  for (const std::string fields :
       {"Content-Length: 1\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 1",
        "Transfer-Encoding: gzip\r\nContent-Length: 1",
        "Content-Length: 1\r\nTransfer-Encoding: gzip", "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding: xchunked",
        "Transfer-Encoding:", "Content-Length: 5, 5", "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: +5"}) {
    for (const char* target : {"/a", "/livez"}) {
      const std::string answer =
          Ask(Concat("POST ", target, " HTTP/1.1\r\nHost: localhost\r\n", fields,
                     "\r\n\r\n0\r\n\r\nGET /livez HTTP/1.1\r\n\r\n"));
      EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 ")) << fields;
      EXPECT_EQ(answer.find("HTTP/1.1", 1), std::string::npos) << fields;
    }
  }
  EXPECT_THAT(
      Ask("POST /a HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
      StartsWith("HTTP/1.0 400 "));
  EXPECT_EQ(api_.asked, 0);
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

TEST_F(AdminApiTest, AHalfSentBodyIsAnsweredAtItsDeadline) {
  Start({.request_timeout = 100ms});
  Client client(server_->address());
  client.Connect().Send("POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbo");

  EXPECT_THAT(client.ReadToEnd(),
              AllOf(StartsWith("HTTP/1.1 408 "), HasSubstr("Connection: close\r\n")));
}

TEST_F(AdminApiTest, WhatMayNotPassIsRefusedBeforeItsBody) {
  Start();
  Client client(server_->address());
  client.Connect().Send("POST /a HTTP/1.1\r\nHost: attacker.example\r\nContent-Length: 4\r\n\r\n");

  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 403 "));
}

TEST_F(AdminApiTest, WhoMayNotPassIsInTheLogTenTimesASecondAtMost) {
  Start();
  for (int i = 0; i < 12; ++i) {
    Ask("GET /v1/jobs?token=x HTTP/1.1\r\nHost: attacker.example\r\nConnection: close\r\n\r\n");
  }
  server_.reset();

  EXPECT_THAT(lines_, AllOf(HasSubstr("peer=ipv4:127.0.0.1:"), HasSubstr("path=/v1/jobs why=")));
  EXPECT_THAT(lines_, Not(HasSubstr("token")));
}

TEST_F(AdminApiTest, OfWhomItDoesNotKnowTheBodyIsNotAwaited) {
  Start({.request_timeout = 1h});
  // Together they announce more than all bodies may have.
  std::vector<std::unique_ptr<Client>> slow;
  for (int i = 0; i < 16; ++i) {
    slow.push_back(std::make_unique<Client>(server_->address()));
    slow.back()->Connect().Send(
        "POST /unknown HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n");
    EXPECT_THAT(slow.back()->ReadUntil("who is it?"), StartsWith("HTTP/1.1 401 "));
  }
  EXPECT_THAT(Ask(Concat("POST /a HTTP/1.1\r\n", kClose, "Content-Length: 4\r\n\r\nbody")),
              EndsWith("POST /a 4 - body"));
  EXPECT_EQ(api_.asked, 1);
}

TEST_F(AdminApiTest, BodiesAreCountedAsTheyComeAndOneTooManyIsToldToComeBack) {
  Start({.request_timeout = 1h, .max_bodies_bytes = 64 << 10});
  const std::string small = Concat("POST /a HTTP/1.1\r\n", kClose, "Content-Length: 4\r\n\r\nbody");
  std::vector<std::unique_ptr<Client>> slow;
  const auto announce = [&] {
    slow.push_back(std::make_unique<Client>(server_->address()));
    slow.back()->Connect().Send(
        "POST /a HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
        "Content-Length: 1048576\r\n\r\n");
    EXPECT_THAT(slow.back()->ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 100 "));
  };
  for (int i = 0; i < 3; ++i) announce();
  EXPECT_THAT(Ask(small), StartsWith("HTTP/1.1 201 ")) << "a body takes what a read may bring";

  announce();
  EXPECT_THAT(Ask(small), AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: 1\r\n")));

  slow.clear();
  while (!Ask(small).starts_with("HTTP/1.1 201 ")) {
  }
}

TEST_F(AdminApiTest, ABodyGivesBackWhatItDoesNotTake) {
  Start({.request_timeout = 1h, .max_bodies_bytes = 32 << 10});
  Client client(server_->address());
  client.Connect().Send(
      "POST /never HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\none\r\n0\r\n\r\n");
  api_.asked.wait(0);

  EXPECT_THAT(Ask(Concat("POST /a HTTP/1.1\r\n", kClose, "Content-Length: 4\r\n\r\nbody")),
              StartsWith("HTTP/1.1 201 "));
}

TEST_F(AdminApiTest, HealthIsAnsweredWhileTheApiHasAllThatItMayHave) {
  Start({.request_timeout = 1h, .max_connections = 8});
  std::vector<std::unique_ptr<Client>> busy;
  for (int i = 0; i < 6; ++i) {
    busy.push_back(std::make_unique<Client>(server_->address()));
    busy.back()->Connect().Send("GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  for (int asked = api_.asked; asked != 6; asked = api_.asked) api_.asked.wait(asked);

  EXPECT_THAT(Ask("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 503 "), HasSubstr("Retry-After: 1\r\n")));
  EXPECT_THAT(Ask("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(Ask(Concat("GET /livez HTTP/1.1\r\n", kClose, "\r\n")), EndsWith("\r\n\r\nok"));
  // Idle ones make room, the one that waits longest first.
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 4; ++i) {
    idle.push_back(std::make_unique<Client>(server_->address()));
    idle.back()->Connect();
  }
  EXPECT_THAT(Ask(Concat("GET /livez HTTP/1.1\r\n", kClose, "\r\n")), EndsWith("\r\n\r\nok"));
  EXPECT_THAT(idle.front()->ReadToEnd(), IsEmpty());
}

TEST_F(AdminApiTest, WhoGoesIsNotWorkedFor) {
  for (const char* path : {"/never", "/silence"}) {
    api_.dropped = false;
    api_.asked = 0;
    Start({.request_timeout = 1h});
    Client client(server_->address());
    client.Connect().Send(Concat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    api_.asked.wait(0);

    client.Reset();

    api_.dropped.wait(false);
    EXPECT_TRUE(api_.dropped);
    server_.reset();
  }
}

TEST_F(AdminApiTest, WhatComesWhileItWorksIsTheNextRequest) {
  api_.pieces = {"one", "two"};
  Start();
  Client client(server_->address());
  client.Connect().Send(
      "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\nGET /a HTTP/1.1\r\nHost: localhost\r\n\r\n");

  EXPECT_THAT(client.ReadUntil("GET /a 0 - "), HasSubstr("two\r\n0\r\n\r\nHTTP/1.1 201 "));
}

TEST_F(AdminApiTest, WhoHasGoneMeanwhileHasAnAddressAllTheSame) {
  Start();
  std::promise<void> go_on;
  asio::post(runtime_.shard(0).executor(), [held = go_on.get_future().share()] { held.wait(); });
  Client client(server_->address());
  client.Connect().Send("GET /v1/jobs HTTP/1.1\r\nHost: attacker.example\r\n\r\n");
  const std::string peer = Concat("peer=ipv4:", client.address(), " ");
  client.Reset();
  go_on.set_value();
  // Connections are served in the order in which they came.
  Ask(Concat("GET /livez HTTP/1.1\r\n", kClose, "\r\n"));
  server_.reset();

  EXPECT_THAT(lines_, HasSubstr(peer));
}

TEST_F(AdminApiTest, EachSliceOfAnAnswerHasItsTime) {
  Start();
  Ask(Concat("GET /a HTTP/1.1\r\n", kClose, "\r\n"));
  const int small = clock_.waits.exchange(0);

  EXPECT_THAT(Ask(Concat("GET /large HTTP/1.1\r\n", kClose, "\r\n")),
              EndsWith(Concat("\r\n\r\n", std::string(EchoingApi::kLarge, 'x'))));

  EXPECT_GE(clock_.waits, small + 15) << "1 MiB in slices of 64 KiB";
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
