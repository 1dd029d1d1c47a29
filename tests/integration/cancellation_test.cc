// A request that is cancelled at each of its suspensions in turn, over real sockets: from the wait
// for a place through names, connect, TLS, the request and the head to every read of the body.
#include <gtest/gtest.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <filesystem>

#include "base/check.h"
#include "http/connection_pool.h"
#include "http/host_budget.h"
#include "http/origin_book.h"
#include "http/pooled_client.h"
#include "http/proxy_routes.h"
#include "http/watchdog.h"
#include "net/dialer.h"
#include "net/resolver.h"
#include "runtime/task_group.h"
#include "support/nginx.h"
#include "support/origin_scripts.h"

namespace fetchd::testing {
namespace {

using std::chrono::milliseconds;

#if __has_feature(thread_sanitizer)
// All of this runs on one thread: there is little to find, and it takes minutes.
constexpr int kStride = 5;
#else
constexpr int kStride = 1;
#endif

enum class Protocol { kHttp1, kHttp1OverTls, kHttp2, kHttp2Cleartext };

std::size_t OpenDescriptors() {
  const std::filesystem::directory_iterator descriptors("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(descriptors), end(descriptors)));
}

/// What SharedClient has of one shard, on a loop that the test steps.
class SteppedClient {
 public:
  SteppedClient(const Nginx& nginx, Protocol protocol)
      : resolver_(
            net::MakeCachingResolver(loop_.get_executor(), clock_, {},
                                     net::MakeAresResolver(loop_.get_executor(), clock_, {}))),
        dialer_(net::MakeDialer(loop_.get_executor(), clock_, *resolver_, Policy(), Tls(nginx))),
        pool_(loop_.get_executor(), 0,
              {.offer_http2 = protocol != Protocol::kHttp1OverTls,
               .http2_origins = {Url::Parse(nginx.H2cUrl("/"))->origin()},
               .http2 = {.stream_window_bytes = 65536}},
              {budget_, book_, *dialer_, watchdog_, tasks_}) {}

  ~SteppedClient() {
    budget_.Close();
    pool_.Close();
    tasks_.Cancel();
    Finish();
  }

  runtime::TaskHandle Start(std::string_view url, std::string* body) {
    http::Request request(*Url::Parse(url));
    if (request.url.is_https()) request.tls_profile = "test";
    return requests_.Spawn("get", Get(std::move(request), body));
  }
  /// False when the request has ended.
  bool Step() {
    loop_.restart();
    while (requests_.size() > 0 && loop_.run_one_for(milliseconds(100)) == 0) {
    }
    return requests_.size() > 0;
  }
  /// Until every request has ended; upkeep may go on.
  void Finish() {
    while (requests_.size() > 0) Step();
    loop_.restart();
    loop_.poll();
  }

  const http::HostBudget& budget() const { return budget_; }
  std::size_t in_flight() { return book_.in_flight().now(); }

 private:
  static std::shared_ptr<const egress::Policy> Policy() {
    egress::PolicyConfig config;
    config.allow = {"127.0.0.1/32", "::1/128"};
    return *egress::Policy::Create(config);
  }
  static std::shared_ptr<net::TlsContexts> Tls(const Nginx& nginx) {
    std::map<std::string, net::TlsProfile> profiles;
    profiles["test"].ca_file = nginx.ca_file();
    return *net::TlsContexts::Create(std::move(profiles));
  }

  Task<absl::Status> Get(http::Request request, std::string* body) {
    http::PooledClient client(pool_, rules_, routes_, "test");
    CO_ASSIGN_OR_RETURN(http::Response response, co_await client.Send(std::move(request), {}));
    std::array<std::byte, 16384> block;
    while (true) {
      CO_ASSIGN_OR_RETURN(const std::size_t size, co_await response.body->Read(block));
      if (size == 0) co_return absl::OkStatus();
      body->append(reinterpret_cast<const char*>(block.data()), size);
    }
  }

  asio::io_context loop_{1};
  RealClock clock_;
  runtime::TaskGroup requests_{loop_.get_executor()};
  runtime::TaskGroup tasks_{loop_.get_executor()};
  http::OriginRules rules_;
  http::ProxyRoutes routes_;
  http::HostBudget budget_{{.max_per_host = 1}, 1};
  http::OriginBook book_{clock_};
  http::Watchdog watchdog_{clock_, tasks_};
  std::unique_ptr<net::Resolver> resolver_;
  std::unique_ptr<net::Dialer> dialer_;
  http::ConnectionPool pool_;
};

class CancellationTest : public ::testing::TestWithParam<Protocol> {
 protected:
  CancellationTest() { WriteFile(nginx_.root() / "body", body_); }
  std::string UrlOf() const {
    if (GetParam() == Protocol::kHttp1) return nginx_.HttpUrl("/body");
    if (GetParam() == Protocol::kHttp2Cleartext) return nginx_.H2cUrl("/body");
    return nginx_.HttpsUrl("/body");
  }

  /// One request and a second that waits behind it. The first is cancelled after `steps`. Returns
  /// how much of its body had come.
  std::size_t CancelAfter(int steps) {
    SteppedClient client(nginx_, GetParam());
    std::string first_body;
    std::string second_body;
    const runtime::TaskHandle first = client.Start(UrlOf(), &first_body);
    client.Start(UrlOf(), &second_body);
    for (int i = 0; i < steps; ++i) client.Step();
    const std::size_t read = first_body.size();
    first.Cancel();
    client.Finish();

    EXPECT_EQ(first_body, body_.substr(0, first_body.size()));
    EXPECT_TRUE(second_body == body_) << second_body.size() << " bytes";
    EXPECT_EQ(client.in_flight(), 0U);
    EXPECT_LE(client.budget().open(), 1U);
    return read;
  }

  /// What comes within a stride is cancelled nowhere: more than a socket holds, which TLS brings at
  /// once, and several windows of HTTP/2.
  static std::size_t BodyBytes() {
    switch (GetParam()) {
      case Protocol::kHttp1OverTls:
        return 4'000'000;
      case Protocol::kHttp1:
      case Protocol::kHttp2:
        return kStride == 1 ? 100'000 : 400'000;
      case Protocol::kHttp2Cleartext:
        return 100'000;
    }
  }
  const std::string body_ = PatternBody(BodyBytes());
  Nginx nginx_;
};

TEST_P(CancellationTest, AtAnySuspensionLeavesNothingAndHoldsUpNobody) {
  CancelAfter(0);  // What the first use of a library opens for good.
  const std::size_t descriptors = OpenDescriptors();
  int before_the_body = 0;
  int in_the_body = 0;
  std::size_t read = 0;
  for (int steps = 0; read < body_.size(); steps += kStride) {
    read = CancelAfter(steps);
    ASSERT_EQ(OpenDescriptors(), descriptors) << "after " << steps << " steps";
    ASSERT_FALSE(HasFailure()) << "after " << steps << " steps";
    before_the_body += read == 0 ? kStride : 0;
    in_the_body += read > 0 && read < body_.size();
  }
  EXPECT_GT(before_the_body, 5);  // Place, name, connect, request, head at least.
  EXPECT_GT(in_the_body, 0);
}

std::string NameOf(const ::testing::TestParamInfo<Protocol>& each) {
  constexpr std::array kNames = {"Http1", "Http1OverTls", "Http2", "Http2Cleartext"};
  return kNames.at(static_cast<std::size_t>(each.param));
}

INSTANTIATE_TEST_SUITE_P(Protocols, CancellationTest,
                         ::testing::Values(Protocol::kHttp1, Protocol::kHttp1OverTls,
                                           Protocol::kHttp2, Protocol::kHttp2Cleartext),
                         NameOf);

}  // namespace
}  // namespace fetchd::testing
