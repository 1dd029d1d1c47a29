#include "http/prewarmer.h"

#include <gmock/gmock.h>

#include "fake_net.h"

namespace fetchd::http {
namespace {

using std::chrono::seconds;

class PrewarmerTest : public ShardTest {
 protected:
  ~PrewarmerTest() override {
    tasks_.Cancel();
    Poll();
    pool_.Close();
    EXPECT_EQ(budget_.open(), 0U);
  }

  void Keep(std::size_t connections, const std::string& url = "http://example.org/") {
    prewarmer_.Keep({*Url::Parse(url), connections});
    Poll();
  }
  std::uint64_t idle() const {
    const auto hosts = budget_.Hosts();
    return hosts.empty() ? 0 : hosts.front().idle;
  }

  Watchdog watchdog_{clock_, tasks_};
  FakeDialer dialer_{context_.get_executor()};
  HostBudget budget_{{.max_connections = 4, .max_per_host = 3}, 1};
  OriginBook book_{clock_};
  ConnectionPool pool_{context_.get_executor(),
                       0,
                       {.idle_ttl = seconds(55)},
                       {budget_, book_, dialer_, watchdog_, tasks_}};
  const net::ProxyPtr lab_ = std::make_shared<const net::Proxy>(net::Proxy{.name = "lab"});
  const OriginRules rules_ =
      *OriginRules::Create({{"corp.example", {.tls_profile = "corp", .prewarm = 1}},
                            {"proxied.example", {.proxy = "lab", .prewarm = 1}}});
  const ProxyRoutes routes_ = *ProxyRoutes::Create({.named = {{"lab", {lab_}}}});
  PooledClient client_{pool_, rules_, routes_, "tester"};
  Prewarmer prewarmer_{clock_, client_, tasks_};
};

TEST_F(PrewarmerTest, OpensAsManyAsAskedAndNoMore) {
  Keep(2);
  EXPECT_EQ(dialer_.dialled.size(), 2U);
  EXPECT_EQ(idle(), 2U);

  Pass(seconds(10));
  EXPECT_EQ(dialer_.dialled.size(), 2U);
}

TEST_F(PrewarmerTest, RequestsUseWhatIsOpen) {
  Keep(1, "https://corp.example/");
  const std::optional<Lease> lease =
      pool_.TryReuse({"https", "corp.example", 443}, "corp", nullptr);
  ASSERT_TRUE(lease.has_value());

  // In use, it still counts.
  Pass(seconds(10));
  EXPECT_EQ(dialer_.dialled.size(), 1U);
}

TEST_F(PrewarmerTest, ConnectionGoesTheWayThatRequestsWillGo) {
  Keep(1, "https://proxied.example/");

  ASSERT_EQ(dialer_.requests.size(), 1U);
  EXPECT_EQ(dialer_.requests[0].proxy, lab_);
  EXPECT_TRUE(pool_.TryReuse({"https", "proxied.example", 443}, "", lab_.get()).has_value());
}

TEST_F(PrewarmerTest, ConnectionThatEndedIsReplaced) {
  Keep(1);
  Pass(seconds(1));
  dialer_.peers[0]->HangUp();
  Pass(seconds(2));
  EXPECT_EQ(dialer_.dialled.size(), 2U);

  Pass(seconds(60));
  EXPECT_TRUE(dialer_.peers[1]->destroyed);  // Idle for too long.
  EXPECT_EQ(idle(), 1U);
}

TEST_F(PrewarmerTest, TakesFreePlacesOnly) {
  Keep(9);

  EXPECT_EQ(dialer_.dialled.size(), 3U);
  EXPECT_EQ(budget_.waiting(), 0U);
}

TEST_F(PrewarmerTest, FailuresSlowItDown) {
  dialer_.failure = absl::UnavailableError("refused");
  Keep(1);
  for (int i = 0; i < 10; ++i) Pass(seconds(1));
  EXPECT_EQ(dialer_.dialled.size(), 3U);  // At 0, 2 and 6 seconds.

  for (int i = 0; i < 10; ++i) Pass(seconds(60));
  dialer_.failure = absl::OkStatus();
  Pass(seconds(60));
  EXPECT_EQ(idle(), 1U);
}

TEST_F(PrewarmerTest, ConnectionsThatDoNotLastSlowItDown) {
  Keep(1);
  for (int i = 0; i < 60; ++i) {
    Pass(seconds(1));
    if (dialer_.peers.back()->watcher) dialer_.peers.back()->HangUp();
  }
  EXPECT_LE(dialer_.dialled.size(), 7U);
}

TEST_F(PrewarmerTest, RequestsWaitForAConnectThatMayFindHttp2) {
  dialer_.hangs = true;
  Keep(1, "https://example.org/");
  ExchangeRecord record;
  const auto acquire = [](ConnectionPool& pool, ExchangeRecord& out) -> Task<absl::Status> {
    ConnectionPool::Want want{.key = {{"https", "example.org", 443}, "", nullptr}};
    co_return (co_await pool.Acquire(want, &out)).status();
  };
  tasks_.Spawn("acquire", acquire(pool_, record));
  Poll();

  EXPECT_EQ(dialer_.dialled.size(), 1U);
}

}  // namespace
}  // namespace fetchd::http
