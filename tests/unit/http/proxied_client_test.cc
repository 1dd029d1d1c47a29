// The client on its way through proxies, over scripted connections.
#include <gmock/gmock.h>

#include <list>
#include <optional>

#include "fake_net.h"
#include "http/pooled_client.h"
#include "http/redirecting_client.h"

namespace fetchd::http {
namespace {

using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

net::ProxyPtr MakeProxy(const std::string& name, bool resolves_names = false) {
  return std::make_shared<const net::Proxy>(net::Proxy{.name = name,
                                                       .host = name + ".test",
                                                       .port = 3128,
                                                       .username = "me",
                                                       .password = Secret("s3cret"),
                                                       .resolves_names = resolves_names});
}

class ProxiedClientTest : public ShardTest {
 protected:
  ~ProxiedClientTest() override {
    tasks_.Cancel();
    Poll();
    pool_.Close();
    EXPECT_EQ(budget_.open(), 0U);
  }

  static ProxyRoutesConfig Named() {
    return {.named = {{"corp", {MakeProxy("corp")}},
                      {"lab", {MakeProxy("lab")}},
                      {"remote", {MakeProxy("remote", /*resolves_names=*/true)}}}};
  }
  void UseDefault(const std::string& name) {
    ProxyRoutesConfig config = Named();
    config.default_http = config.default_https = config.named.at(name).proxy;
    routes_ = *ProxyRoutes::Create(std::move(config));
  }

  /// One GET, read to its end.
  struct Fetched {
    absl::Status status = absl::UnknownError("not finished");
    int http_status = 0;
  };
  Fetched Get(const std::string& url, const std::string& proxy = "",
              std::vector<Header> headers = {}) {
    Request request(*Url::Parse(url));
    request.proxy = proxy;
    request.headers = std::move(headers);
    Fetched& fetched = fetches_.emplace_back();  // A fetch that hangs outlives this call.
    tasks_.Spawn("get", Fetch(std::move(request), fetched));
    Poll();
    return fetched;
  }
  /// The way of the last dial; "direct" without a proxy.
  std::string Way() const {
    const net::DialRequest& request = dialer_.requests.back();
    return request.proxy == nullptr ? "direct" : request.proxy->name;
  }
  const std::string& Written() const { return dialer_.peers.back()->received; }

  Watchdog watchdog_{clock_, tasks_};
  FakeDialer dialer_{context_.get_executor()};
  HostBudget budget_{{.max_per_host = 4}, 1};
  OriginBook book_{clock_};
  ConnectionPool pool_{context_.get_executor(),
                       0,
                       {.http2_origins = {Url::Parse("http://h2c.test/")->origin()}},
                       {budget_, book_, dialer_, watchdog_, tasks_}};
  OriginRules rules_;
  ProxyRoutes routes_ = *ProxyRoutes::Create(Named());
  PooledClient client_{pool_, rules_, routes_, "tester"};
  std::vector<ExchangeRecord> records_;
  std::list<Fetched> fetches_;
  const egress::SubjectPtr subject_ =
      std::make_shared<egress::Subject>(*egress::Policy::Create({}));

 private:
  Task<absl::Status> Fetch(Request request, Fetched& fetched) {
    RedirectingClient client(client_, subject_);
    Call call;
    call.records = &records_;
    absl::StatusOr<Response> response = co_await client.Send(std::move(request), call, {});
    fetched.status = response.status();
    if (!response.ok()) co_return absl::OkStatus();
    fetched.http_status = response->head.status;
    std::array<std::byte, 1024> out;
    while (true) {
      const absl::StatusOr<std::size_t> read = co_await response->body->Read(out);
      if (!read.ok() || *read == 0) co_return absl::OkStatus();
    }
  }
};

TEST_F(ProxiedClientTest, NamedProxyIsTheWayAndInTheRecordAlsoWhenReused) {
  EXPECT_EQ(Get("https://example.org/", "corp").http_status, 200);
  EXPECT_EQ(Get("https://example.org/", "corp").http_status, 200);

  EXPECT_EQ(Way(), "corp");
  EXPECT_TRUE(dialer_.requests[0].tunnel);
  EXPECT_EQ(dialer_.requests[0].origin.host, "example.org");
  ASSERT_THAT(records_, SizeIs(2));
  EXPECT_EQ(records_[0].proxy, "corp");
  EXPECT_TRUE(records_[1].reused);
  EXPECT_EQ(records_[1].proxy, "corp");
}

TEST_F(ProxiedClientTest, RoutesShareNoConnection) {
  for (const std::string url : {"https://example.org/", "http://example.org/"}) {
    dialer_.requests.clear();
    for (int round = 0; round < 2; ++round) {
      for (const std::string way : {"", "corp", "lab", "remote"}) Get(url, way);
    }

    std::vector<std::string> dialled;
    for (const auto& each : dialer_.requests) {
      dialled.push_back(each.proxy == nullptr ? "direct" : each.proxy->name);
    }
    EXPECT_THAT(dialled, ElementsAre("direct", "corp", "lab", "remote")) << url;
  }
}

TEST_F(ProxiedClientTest, SameProxyWithOtherCredentialsIsAnotherRoute) {
  Get("https://example.org/", "corp");
  routes_ = *ProxyRoutes::Create(Named());  // As after a change of the password.
  Get("https://example.org/", "corp");

  EXPECT_THAT(dialer_.requests, SizeIs(2));
  EXPECT_FALSE(records_[1].reused);
}

TEST_F(ProxiedClientTest, InATunnelTheOriginSeesNothingOfTheProxy) {
  for (const auto& [url, way] :
       {std::pair("https://example.org/a", "remote"), std::pair("http://example.org/a", "corp")}) {
    Get(url, way);

    EXPECT_TRUE(dialer_.requests.back().tunnel) << url;
    EXPECT_THAT(Written(), StartsWith("GET /a HTTP/1.1\r\nHost: example.org\r\n"));
    EXPECT_THAT(Written(), Not(HasSubstr("Proxy-")));
  }
}

TEST_F(ProxiedClientTest, PlainRequestIsForwardedInAbsoluteFormWithTheProxysCredentials) {
  Get("http://example.org:8080/a?b=c", "remote", {{"Authorization", "Bearer origin"}});

  EXPECT_FALSE(dialer_.requests.back().tunnel);
  EXPECT_THAT(Written(), AllOf(StartsWith("GET http://example.org:8080/a?b=c HTTP/1.1\r\n"
                                          "Host: example.org:8080\r\n"
                                          "Proxy-Authorization: Basic bWU6czNjcmV0\r\n"),
                               HasSubstr("Authorization: Bearer origin\r\n")));
}

TEST_F(ProxiedClientTest, ForwardedConnectionsAreKeptByOrigin) {
  Get("http://one.test/", "remote");
  Get("http://two.test/", "remote");
  Get("http://one.test/", "remote");

  EXPECT_THAT(dialer_.requests, SizeIs(2));
  EXPECT_TRUE(records_[2].reused);
}

TEST_F(ProxiedClientTest, OriginKnownToSpeakHttp2IsTunnelled) {
  Get("http://h2c.test/", "remote");

  EXPECT_TRUE(dialer_.requests.back().tunnel);
}

TEST_F(ProxiedClientTest, ProxyThatAsksForCredentialsIsAnErrorAndNoAnswer) {
  dialer_.answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
  const Fetched forwarded = Get("http://example.org/", "remote");

  EXPECT_TRUE(absl::IsFailedPrecondition(forwarded.status)) << forwarded.status;
  EXPECT_EQ(GetReason(forwarded.status)->reason, "PROXY_AUTH_REQUIRED");
  EXPECT_THAT(MessageOf(forwarded.status), StartsWith("proxy remote, asked for example.org:80: "));
  EXPECT_EQ(records_[0].failed_phase, Phase::kProxy);
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
}

TEST_F(ProxiedClientTest, OriginThatAnswers407InATunnelIsJustThat) {
  dialer_.answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";

  EXPECT_EQ(Get("https://example.org/", "corp").http_status, 407);
  EXPECT_EQ(Get("http://example.org/").http_status, 407);
}

TEST_F(ProxiedClientTest, UnknownProxyIsInvalidAndRecorded) {
  const Fetched fetched = Get("https://example.org/", "missing");

  EXPECT_TRUE(absl::IsInvalidArgument(fetched.status)) << fetched.status;
  EXPECT_THAT(dialer_.requests, IsEmpty());
  ASSERT_THAT(records_, SizeIs(1));
  EXPECT_EQ(records_[0].failed_phase, Phase::kProxy);
}

TEST_F(ProxiedClientTest, RuleOfTheOriginChooses) {
  rules_ = *OriginRules::Create({{"*.lab.test", {.tls_profile = "p", .proxy = "lab"}}});

  Get("https://a.lab.test/");
  EXPECT_EQ(Way(), "lab");
  EXPECT_EQ(dialer_.requests.back().tls_profile, "p");
  Get("https://b.test/");
  EXPECT_EQ(Way(), "direct");
}

TEST_F(ProxiedClientTest, RedirectIsRoutedAnew) {
  rules_ = *OriginRules::Create({{"*.lab.test", {.proxy = "lab"}}});
  dialer_.script = [](FakePeer& peer, std::size_t index) {
    if (index > 0) return;
    peer.answers = {
        {"HTTP/1.1 302 Found\r\nLocation: https://a.lab.test/\r\n"
         "Content-Length: 0\r\n\r\n"}};
  };

  EXPECT_EQ(Get("https://example.org/").http_status, 200);
  ASSERT_THAT(records_, SizeIs(2));
  EXPECT_EQ(records_[0].proxy, "");
  EXPECT_EQ(records_[1].proxy, "lab");
}

TEST_F(ProxiedClientTest, RedirectDoesNotEscapeAForcedProxy) {
  rules_ = *OriginRules::Create({{"*.lab.test", {.proxy = "lab"}}});
  dialer_.answer =
      "HTTP/1.1 302 Found\r\nLocation: https://a.lab.test/\r\nContent-Length: 0\r\n\r\n";
  const Fetched fetched = Get("https://example.org/", "direct");

  EXPECT_TRUE(absl::IsPermissionDenied(fetched.status)) << fetched.status;
  EXPECT_EQ(GetReason(fetched.status)->reason, "PROXY_REQUIRED");
  EXPECT_THAT(dialer_.requests, SizeIs(1));
}

TEST_F(ProxiedClientTest, ForwardedRedirectTakesTheOriginsSecretsNoFurther) {
  UseDefault("remote");
  dialer_.script = [](FakePeer& peer, std::size_t index) {
    if (index > 0) return;
    peer.answers = {
        {"HTTP/1.1 302 Found\r\nLocation: https://other.test/\r\n"
         "Content-Length: 0\r\n\r\n"}};
  };
  Get("http://example.org/", "", {{"Authorization", "Bearer origin"}});

  EXPECT_THAT(dialer_.peers[0]->received, HasSubstr("Proxy-Authorization: Basic"));
  EXPECT_THAT(Written(), Not(HasSubstr("uthorization")));  // Of either.
}

TEST_F(ProxiedClientTest, StaleConnectionIsReplacedOnTheSameRoute) {
  dialer_.script = [](FakePeer& peer, std::size_t index) {
    if (index > 0) return;
    peer.answers.resize(1);
    peer.ends = true;
  };
  Get("https://example.org/", "corp");
  EXPECT_EQ(Get("https://example.org/", "corp").http_status, 200);

  EXPECT_TRUE(records_[1].redialled);
  EXPECT_EQ(Way(), "corp");
}

TEST_F(ProxiedClientTest, EveryWayIsInTheDialsOfItsOrigin) {
  for (const std::string way : {"", "corp", "remote", "corp"}) Get("https://example.org/", way);
  Get("http://example.org/", "remote");

  const OriginBook::Snapshot book = book_.Read();
  ASSERT_THAT(book.named, SizeIs(2));
  EXPECT_EQ(book.named[0].origin.scheme, "https");
  EXPECT_EQ(book.named[0].dials.requests, 4U);
  EXPECT_EQ(book.named[0].dials.opened, 3U);
  EXPECT_EQ(book.named[0].dials.reused, 1U);
  EXPECT_EQ(book.named[1].dials.opened, 1U);
  EXPECT_EQ(book.all.opened, 4U);
  EXPECT_EQ(book.all.in_flight, 0U);
}

TEST_F(ProxiedClientTest, IdleConnectionThroughAProxyIsClosedWhenItsPeerIs) {
  Get("https://example.org/", "corp");
  Pass(seconds(1));
  dialer_.peers[0]->HangUp();
  Poll();

  EXPECT_TRUE(dialer_.peers[0]->destroyed);
  EXPECT_EQ(budget_.open(), 0U);
}

TEST_F(ProxiedClientTest, OldestIdleConnectionGivesItsPlaceToAnotherRoute) {
  for (const std::string way : {"", "corp", "lab", "remote"}) {
    Get("https://example.org/", way);
    Pass(seconds(1));
  }
  routes_ = *ProxyRoutes::Create(Named());  // A fifth route, and four places.

  EXPECT_EQ(Get("https://example.org/", "corp").http_status, 200);
  EXPECT_TRUE(dialer_.peers[0]->destroyed);
  EXPECT_EQ(pool_.counters().evicted, 1U);
  EXPECT_EQ(budget_.open(), 4U);
}

TEST_F(ProxiedClientTest, ProxiedConnectionsHaveThePlacesOfTheirHost) {
  rules_ = *OriginRules::Create({});
  for (const std::string way : {"", "corp", "lab"}) Get("https://example.org/", way);

  const auto hosts = budget_.Hosts();
  ASSERT_THAT(hosts, SizeIs(1));
  EXPECT_EQ(hosts[0].origin.host, "example.org");
  EXPECT_EQ(hosts[0].open, 3U);
}

}  // namespace
}  // namespace fetchd::http
