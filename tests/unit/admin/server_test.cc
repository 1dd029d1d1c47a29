// Over raw sockets. Real time: a wait ends when the server does something.
#include "admin/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "raw_client.h"

namespace fetchd::admin {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using namespace std::chrono_literals;

class AdminServerTest : public ::testing::Test {
 protected:
  ~AdminServerTest() override {
    server_.reset();
    runtime_.Stop();
  }

  ServerDeps Deps() { return {runtime_, clock_, drain_signal_, log_, metrics_}; }
  void Start(ServerConfig config = {}) {
    config.listen = "127.0.0.1:0";
    auto started = Server::Start(Deps(), config);
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }
  /// The answer on a connection of its own.
  std::string Ask(const std::string& request) {
    Client client(server_->address());
    client.Connect().Send(request);
    return client.ReadToEnd();
  }
  std::string Get(const std::string& target) {
    return Ask("GET " + target + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  }

  void Count() {
    ++log_lines_;
    log_lines_.notify_all();
  }

  RealClock clock_;
  telemetry::Metrics metrics_{clock_};
  runtime::DrainSignal drain_signal_;
  std::atomic<int> log_lines_{0};
  telemetry::Logger log_{telemetry::LogConfig(), [this](std::string_view) { Count(); },
                         [] { return WallTime(); }};
  runtime::Runtime runtime_{runtime::RuntimeConfig{.shards = 1, .blocking_threads = 1}};
  std::unique_ptr<Server> server_;
};

TEST_F(AdminServerTest, LivenessIsPlainTextAndNotCached) {
  Start();

  EXPECT_EQ(Get("/livez"),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
}

constexpr telemetry::MetricFamily kApples{"fetchd_apples", telemetry::MetricType::kGauge, "A."};
constexpr std::array kFamilies = {kApples};

TEST_F(AdminServerTest, MetricsAreScraped) {
  metrics_.Add(telemetry::MakeSource(
      kFamilies, [](telemetry::MetricPage& page) { page.Add(kApples, std::uint64_t{3}); }));
  Start();

  const std::string answer = Get("/metrics?x=y");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; "
                                 "charset=utf-8\r\n"));
  EXPECT_THAT(answer, HasSubstr("\nfetchd_apples 3\n"));
  EXPECT_THAT(Ask("HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("\r\n\r\n")));
  EXPECT_THAT(Ask("POST /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 405 "));
}

TEST_F(AdminServerTest, ClosedMetricsAreUnavailable) {
  Start();
  const absl::Status closed = runtime::RunBlocking(runtime_.shard(0).executor(), metrics_.Close());

  EXPECT_TRUE(closed.ok());
  EXPECT_THAT(Get("/metrics"), StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(Get("/livez"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, ReadinessEndsWhenTheDrainBegins) {
  Start();
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 200 "));

  drain_signal_.Begin(clock_.Now());

  const std::string answer = Get("/readyz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, EndsWith("\r\n\r\ndraining"));
  EXPECT_THAT(Get("/livez"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, AConnectionServesManyRequestsAlsoPipelinedOnes) {
  Start();
  Client client(server_->address());
  client.Connect();

  for (int i = 0; i < 3; ++i) {
    client.Send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_THAT(client.ReadUntil("ok"), StartsWith("HTTP/1.1 200 "));
  }
  client.Send(
      "GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("ok"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 404 "));
}

TEST_F(AdminServerTest, HeadHasTheLengthAndNoBody) {
  Start();

  const std::string answer = Ask("HEAD /livez HTTP/1.1\r\nConnection: close\r\n\r\n");

  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(answer, HasSubstr("Content-Length: 2\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
}

TEST_F(AdminServerTest, Http10IsAnsweredAndClosed) {
  Start();

  const std::string answer = Ask("GET /livez HTTP/1.0\r\n\r\n");

  EXPECT_THAT(answer, StartsWith("HTTP/1.0 200 "));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nok"));
}

TEST_F(AdminServerTest, OtherMethodsAreRefusedAndTheAllowedOnesNamed) {
  Start();

  const std::string answer = Ask("POST /livez HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody");

  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(answer, HasSubstr("Allow: GET, HEAD\r\n"));
}

TEST_F(AdminServerTest, ABodyIsNotAccepted) {
  Start();

  EXPECT_THAT(Ask("GET /livez HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Ask("GET /livez HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\nbody"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Ask("GET /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
}

TEST_F(AdminServerTest, WhatIsNoHttpIsABadRequest) {
  Start();

  EXPECT_THAT(Ask("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Ask("GET /livez HTTP/1.1\r\nno colon\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(AdminServerTest, AHeadThatIsTooLargeIsRefused) {
  Start();
  const std::string large = Concat("GET /livez HTTP/1.1\r\nX: ", std::string(20'000, 'x'));

  EXPECT_THAT(Ask(large + "\r\n\r\n"), StartsWith("HTTP/1.1 431 "));
  EXPECT_THAT(Ask(large), StartsWith("HTTP/1.1 431 ")) << "without waiting for its end";
}

TEST_F(AdminServerTest, AHeadUpToTheLimitIsServed) {
  Start();

  EXPECT_THAT(Ask(Concat("GET /livez HTTP/1.1\r\nConnection: close\r\nX: ", std::string(8'000, 'x'),
                         "\r\n\r\n")),
              StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, ASlowClientIsCutAtItsDeadline) {
  Start({.request_timeout = 100ms});
  Client slow(server_->address());
  slow.Connect().Send("GET /livez HTT");
  Client idle(server_->address());
  idle.Connect();

  EXPECT_THAT(slow.ReadToEnd(), IsEmpty());
  EXPECT_THAT(idle.ReadToEnd(), IsEmpty());
}

TEST_F(AdminServerTest, OneConnectionTooManyWaitsForAPlace) {
  Start({.max_connections = 1});
  auto first = std::make_unique<Client>(server_->address());
  first->Connect().Send("GET /livez HTTP/1.1\r\n\r\n");
  ASSERT_THAT(first->ReadUntil("ok"), Not(IsEmpty()));
  Client second(server_->address());
  second.Connect().Send("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n");

  first.reset();

  EXPECT_THAT(second.ReadToEnd(), StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminServerTest, WithoutDescriptorsItWaitsAndGoesOnWhenThereAreSome) {
  Start();
  Client client(server_->address());
  ASSERT_THAT(Get("/livez"), Not(IsEmpty()));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  // Not "no more than are open now": what the first request used may be closed a moment later.
  const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);

  client.Connect().Send("GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n");
  log_lines_.wait(0);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);

  EXPECT_THAT(client.ReadToEnd(), StartsWith("HTTP/1.1 200 "));
  EXPECT_EQ(log_lines_, 1);
}

TEST_F(AdminServerTest, StopEndsOpenConnectionsAtOnce) {
  Start({.request_timeout = 1h});
  Client idle(server_->address());
  idle.Connect().Send("GET /livez HTTP/1.1\r\n\r\n");
  ASSERT_THAT(idle.ReadUntil("ok"), Not(IsEmpty()));
  Client half(server_->address());
  half.Connect().Send("GET /li");

  server_->Stop();

  EXPECT_THAT(idle.ReadToEnd(), IsEmpty());
  EXPECT_THAT(half.ReadToEnd(), IsEmpty());
  server_->Stop();
}

TEST_F(AdminServerTest, AStoppedServerLeavesItsPortToTheNext) {
  Start();
  ServerConfig config;
  config.listen = server_->address();
  ASSERT_THAT(Get("/livez"), Not(IsEmpty()));

  server_.reset();

  const auto next = Server::Start(Deps(), config);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ((*next)->address(), config.listen);
}

TEST_F(AdminServerTest, APortInUseIsNamed) {
  Start();
  ServerConfig config;
  config.listen = server_->address();

  const auto second = Server::Start(Deps(), config);

  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_EQ(MessageOf(second.status()),
            "admin.listen: " + server_->address() + " is in use; choose another, or off");
}

TEST_F(AdminServerTest, AnAddressOfAnotherMachineIsNamed) {
  const auto foreign = Server::Start(Deps(), {.listen = "192.0.2.1:7071"});

  EXPECT_TRUE(absl::IsUnavailable(foreign.status()));
  EXPECT_THAT(MessageOf(foreign.status()),
              StartsWith("admin.listen: cannot listen on 192.0.2.1:7071: "));
}

}  // namespace
}  // namespace fetchd::admin
