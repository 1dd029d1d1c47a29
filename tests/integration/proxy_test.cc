// The shared HTTP client through real proxies: Squid over HTTP and HTTPS, microsocks over SOCKS5.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "integration/http_stack.h"
#include "support/nginx.h"
#include "support/origin.h"
#include "support/origin_scripts.h"
#include "support/proxies.h"

namespace fetchd::testing {
namespace {

using net::ProxyKind;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// One of the three, whichever is asked for.
class RealProxy {
 public:
  RealProxy(ProxyKind kind, bool wants_password) : kind_(kind) {
    if (kind == ProxyKind::kSocks5) {
      socks_ = std::make_unique<Microsocks>(wants_password);
    } else {
      squid_ = std::make_unique<Squid>(wants_password);
    }
  }

  /// As the configuration describes it; trusted under the profile "test".
  net::Proxy Describe() const {
    net::Proxy proxy{.name = "corp", .kind = kind_, .host = "localhost", .port = port()};
    if (kind_ == ProxyKind::kHttps) proxy.tls_profile = "test";
    return proxy;
  }
  std::uint16_t port() const {
    if (socks_ != nullptr) return socks_->port();
    return kind_ == ProxyKind::kHttps ? squid_->https_port() : squid_->http_port();
  }
  std::string ca() const { return squid_ != nullptr ? ReadFile(squid_->ca_file()) : ""; }
  /// Its lines about targets; squid's come when their tunnel has ended.
  std::string Log() const { return socks_ != nullptr ? socks_->Log() : squid_->AccessLog(); }

 private:
  const ProxyKind kind_;
  std::unique_ptr<Squid> squid_;
  std::unique_ptr<Microsocks> socks_;
};

/// The stack with the proxy "corp", which requests have to ask for unless it is the default.
class ProxyTest : public ::testing::TestWithParam<ProxyKind> {
 protected:
  struct Setup {
    bool wants_password = false;
    std::string username, password;
    bool resolves_names = false;
    bool by_default = false;
    std::vector<std::string> no_proxy;
    std::vector<std::string> allow = {"127.0.0.0/8"};
  };
  void Start(const Setup& setup) {
    proxy_ = std::make_unique<RealProxy>(GetParam(), setup.wants_password);
    net::Proxy described = proxy_->Describe();
    described.username = setup.username;
    described.password = Secret(setup.password);
    described.resolves_names = setup.resolves_names;
    http::ProxyRoutesConfig routes{.no_proxy = setup.no_proxy};
    routes.named["corp"] = {std::make_shared<const net::Proxy>(std::move(described))};
    if (setup.by_default) {
      routes.default_http = routes.default_https = routes.named["corp"].proxy;
    }
    Start(std::move(routes), setup.allow);
  }
  void Start(http::ProxyRoutesConfig routes, std::vector<std::string> allow) {
    const std::filesystem::path trusted = folder_.path() / "trusted.pem";
    WriteFile(trusted, ReadFile(nginx_.ca_file()) + (proxy_ != nullptr ? proxy_->ca() : ""));
    HttpStackOptions options{.allow = std::move(allow), .ca_file = trusted.string()};
    options.client.http2_origins = {Url::Parse(nginx_.H2cUrl("/"))->origin()};
    options.client.proxy_routes = *http::ProxyRoutes::Create(std::move(routes));
    stack_ = std::make_unique<HttpStack>(options);
  }

  Fetched Get(const std::string& url, const std::string& proxy = "corp",
              std::vector<http::Header> headers = {}) {
    http::Request request = RequestFor(url);
    request.proxy = proxy;
    request.headers = std::move(headers);
    return stack_->Send(std::move(request), {}, {});
  }
  /// Ends all connections; true when the proxy says that it was asked for `target`.
  bool WasAskedFor(const std::string& target) {
    stack_.reset();
    return WaitForLog([this] { return proxy_->Log(); }, target);
  }
  std::string AddBody(const std::string& name, std::size_t size) {
    std::string body = PatternBody(size);
    WriteFile(nginx_.root() / name, body);
    return body;
  }
  /// An origin in this process that answers "hello" and keeps what it was asked.
  Origin& Hello() {
    hello_.Handle("/hello", [](Exchange& exchange) { exchange.Respond(200, {}, "hello"); });
    return hello_;
  }
  bool is_http() const { return GetParam() != ProxyKind::kSocks5; }

  TempFolder folder_;
  Nginx nginx_;
  Origin hello_;
  std::unique_ptr<RealProxy> proxy_;
  std::unique_ptr<HttpStack> stack_;
};

std::string KindName(const ::testing::TestParamInfo<ProxyKind>& each) {
  constexpr const char* kNames[] = {"SquidOverHttp", "SquidOverHttps", "Microsocks"};
  return kNames[static_cast<std::size_t>(each.param)];
}
INSTANTIATE_TEST_SUITE_P(Kinds, ProxyTest,
                         ::testing::Values(ProxyKind::kHttp, ProxyKind::kHttps, ProxyKind::kSocks5),
                         KindName);

TEST_P(ProxyTest, BodiesAreRightInEveryVersionOfHttp) {
  Start({});
  const std::string body = AddBody("body", 3'000'001);
  for (const std::string& url :
       {nginx_.HttpUrl("/body"), nginx_.HttpsUrl("/body"), nginx_.H2cUrl("/body")}) {
    for (int round = 0; round < 2; ++round) {
      const Fetched fetched = Get(url);

      EXPECT_EQ(fetched.body.size(), body.size()) << url << ' ' << fetched.message();
      EXPECT_TRUE(fetched.body == body) << url;
      ASSERT_THAT(fetched.records, SizeIs(1));
      EXPECT_EQ(fetched.records[0].proxy, "corp");
      EXPECT_EQ(fetched.records[0].reused, round == 1) << url;
    }
  }
  EXPECT_EQ(stack_->client().Stats().dials.opened, 3U);
  EXPECT_THAT(nginx_.AccessLog(), AllOf(HasSubstr("HTTP/1.1"), HasSubstr("HTTP/2.0")));
}

TEST_P(ProxyTest, ManyStreamsShareOneTunnel) {
  Start({.by_default = true});
  const std::string body = AddBody("shared", 20'000);

  const std::vector<Fetched> all =
      stack_->GetAll(std::vector<std::string>(200, nginx_.HttpsUrl("/shared")));

  for (const Fetched& fetched : all) EXPECT_TRUE(fetched.body == body) << fetched.message();
  EXPECT_EQ(stack_->client().Stats().dials.opened, 1U);
}

TEST_P(ProxyTest, IsAskedForTheAddressAndTheOriginForTheName) {
  Start({});
  AddBody("named", 10);
  const Fetched fetched = Get(nginx_.HttpsUrl("/named"));  // https://localhost:...

  EXPECT_EQ(fetched.http_status, 200) << fetched.message();
  const std::string target = "127.0.0.1:" + std::to_string(nginx_.https_port());
  ASSERT_THAT(fetched.records, SizeIs(1));
  EXPECT_EQ(fetched.records[0].dial.tries.at(0).address, target);
  EXPECT_TRUE(WasAskedFor(target)) << proxy_->Log();
}

TEST_P(ProxyTest, ThatResolvesNamesIsAskedForThem) {
  Start({.resolves_names = true, .allow = {"localhost"}});
  AddBody("named", 10);
  const std::string port = std::to_string(nginx_.http_port());

  EXPECT_EQ(Get(nginx_.HttpsUrl("/named")).http_status, 200);
  EXPECT_EQ(Get("http://localhost:" + port + "/named?a=b").http_status, 200);
  EXPECT_TRUE(WasAskedFor("localhost:" + std::to_string(nginx_.https_port()))) << proxy_->Log();
  const std::string forwarded = "GET http://localhost:" + port + "/named";
  EXPECT_THAT(proxy_->Log(), HasSubstr(is_http() ? forwarded : "localhost:" + port));
}

TEST_P(ProxyTest, PasswordOpensTheWayAndReachesNoOrigin) {
  for (const bool remote : {false, true}) {
    Start({.wants_password = true,
           .username = kProxyUser,
           .password = kProxyPassword,
           .resolves_names = remote,
           .allow = {"127.0.0.0/8", "localhost"}});
    const Fetched fetched = Get(Hello().Url("/hello", remote ? "localhost" : "127.0.0.1"), "corp",
                                {{"Authorization", "Bearer of-the-origin"}});

    EXPECT_EQ(fetched.body, "hello") << fetched.message();
    const OriginRequest seen = hello_.Requests("/hello").back();
    EXPECT_EQ(seen.Header("Authorization"), "Bearer of-the-origin");
    for (const auto& [name, value] : seen.headers) {
      EXPECT_THAT(value, Not(HasSubstr("bWU6"))) << name;  // "me:" in base64.
    }
    EXPECT_EQ(seen.Header("Proxy-Authorization"), "");
    EXPECT_THAT(proxy_->Log(), Not(HasSubstr("of-the-origin")));
    stack_.reset();
  }
}

TEST_P(ProxyTest, WithoutItsPasswordNothingPasses) {
  Start({.wants_password = true, .allow = {"127.0.0.0/8", "localhost"}});
  const Fetched none = Get(Hello().Url("/hello"));
  EXPECT_TRUE(absl::IsFailedPrecondition(none.status)) << none.status;
  EXPECT_EQ(none.reason(), "PROXY_AUTH_REQUIRED");
  EXPECT_THAT(none.message(), HasSubstr("proxy corp"));
  ASSERT_THAT(none.records, SizeIs(1));
  EXPECT_EQ(none.records[0].failed_phase, Phase::kProxy);
  stack_.reset();

  for (const bool remote : {false, true}) {
    Start({.wants_password = true,
           .username = kProxyUser,
           .password = "wrong-s3cret",
           .resolves_names = remote,
           .allow = {"127.0.0.0/8", "localhost"}});
    const Fetched wrong = Get(Hello().Url("/hello", "localhost"));
    EXPECT_EQ(wrong.reason(), "PROXY_AUTH_REQUIRED") << wrong.status;
    EXPECT_THAT(wrong.message(), Not(HasSubstr("wrong-s3cret")));
    stack_.reset();
  }
  EXPECT_THAT(hello_.Requests(), IsEmpty());
}

TEST_P(ProxyTest, OriginThatIsDownIsTheProxysToSay) {
  Start({});
  const Fetched fetched = Get("http://127.0.0.1:" + std::to_string(FreePort()) + "/");

  EXPECT_TRUE(absl::IsUnavailable(fetched.status)) << fetched.status;
  EXPECT_EQ(fetched.reason(), "PROXY_CONNECT_FAILED");
  EXPECT_THAT(fetched.message(), HasSubstr(is_http() ? "HTTP 503" : "connection refused"));
}

class SquidTest : public ProxyTest {};  // microsocks has no rules.
INSTANTIATE_TEST_SUITE_P(Kinds, SquidTest, ::testing::Values(ProxyKind::kHttp, ProxyKind::kHttps),
                         KindName);

TEST_P(SquidTest, RulesOfTheProxyAreFinal) {
  Start({});
  const Fetched fetched = Get("http://127.0.0.66:8080/");

  EXPECT_TRUE(absl::IsPermissionDenied(fetched.status)) << fetched.status;
  EXPECT_EQ(fetched.reason(), "PROXY_DENIED");
  EXPECT_THAT(fetched.message(), HasSubstr("HTTP 403"));
}

TEST_P(ProxyTest, PolicyHoldsAndTheProxyHearsOfNothing) {
  for (const bool remote : {false, true}) {
    // The name is let in, and resolves to an address that is not.
    Start({.resolves_names = remote, .allow = {"localhost"}});
    std::vector<std::string> urls = {"http://10.0.0.1/",
                                     "https://10.0.0.1/",
                                     "http://169.254.169.254/latest/meta-data/",
                                     "http://[fd00:ec2::254]/",
                                     "http://[::ffff:127.0.0.1]/",
                                     Hello().Url("/hello"),
                                     nginx_.HttpUrl("/")};
    if (!remote) {
      urls.push_back(Hello().Url("/hello", "localhost"));
      urls.push_back(nginx_.HttpsUrl("/"));
    }
    for (const std::string& url : urls) {
      const Fetched fetched = Get(url);
      EXPECT_TRUE(absl::IsPermissionDenied(fetched.status)) << url << ' ' << fetched.status;
      EXPECT_EQ(fetched.reason(), "TARGET_NOT_ALLOWED") << url;
      for (const auto& record : fetched.records) EXPECT_THAT(record.dial.tries, IsEmpty()) << url;
    }
    EXPECT_EQ(stack_->client().Stats().dials.opened, 0U);
    stack_.reset();
    EXPECT_THAT(proxy_->Log(), Not(HasSubstr("10.0.0.1")));
    EXPECT_THAT(proxy_->Log(), Not(HasSubstr("169.254")));
    EXPECT_EQ(hello_.connections(), 0U);
  }
}

TEST_P(ProxyTest, NoProxyGoesAroundIt) {
  Start({.by_default = true, .no_proxy = {"127.0.0.0/8"}});
  AddBody("near", 10);

  const Fetched near = Get(nginx_.HttpUrl("/near"), "");
  EXPECT_EQ(near.http_status, 200) << near.message();
  EXPECT_EQ(near.records.at(0).proxy, "");
  const Fetched far = Get(nginx_.HttpsUrl("/near"), "");  // A name: the block does not match it.
  EXPECT_EQ(far.records.at(0).proxy, "corp") << far.message();
  EXPECT_TRUE(WasAskedFor(":" + std::to_string(nginx_.https_port())));
  EXPECT_THAT(proxy_->Log(), Not(HasSubstr(":" + std::to_string(nginx_.http_port()))));
}

TEST_P(ProxyTest, RoutesShareNoConnection) {
  Start({});
  AddBody("twice", 10);
  for (int round = 0; round < 2; ++round) {
    for (const std::string way : {"", "corp"}) {
      const Fetched fetched = Get(nginx_.HttpsUrl("/twice"), way);
      EXPECT_EQ(fetched.http_status, 200) << fetched.message();
      EXPECT_EQ(fetched.records.at(0).reused, round == 1);
    }
  }
  EXPECT_EQ(stack_->client().Stats().dials.opened, 2U);
}

TEST_P(ProxyTest, DirectDoesNotEscapeTheDefault) {
  Start({.by_default = true});
  const Fetched fetched = Get(Hello().Url("/hello"), "direct");

  EXPECT_TRUE(absl::IsPermissionDenied(fetched.status)) << fetched.status;
  EXPECT_EQ(fetched.reason(), "PROXY_REQUIRED");
  EXPECT_EQ(hello_.connections(), 0U);
}

TEST_P(ProxyTest, ThatIsNotThereIsSaid) {
  http::ProxyRoutesConfig routes;
  routes.named["corp"] = {std::make_shared<const net::Proxy>(
      net::Proxy{.name = "corp", .kind = GetParam(), .host = "127.0.0.1", .port = FreePort()})};
  Start(std::move(routes), {"127.0.0.0/8"});
  const Fetched fetched = Get(Hello().Url("/hello"));

  EXPECT_TRUE(absl::IsUnavailable(fetched.status)) << fetched.status;
  EXPECT_EQ(fetched.reason(), "PROXY_CONNECT_FAILED");
  EXPECT_EQ(hello_.connections(), 0U);
}

}  // namespace
}  // namespace fetchd::testing
