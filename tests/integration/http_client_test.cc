// The shared HTTP client against the misbehaving origin.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "http/shared_client.h"
#include "integration/http_stack.h"
#include "support/origin_scripts.h"
#include "support/process.h"

namespace fetchd::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

http::Timeouts ShortTimeouts() {
  http::Timeouts timeouts;
  timeouts.first_byte = milliseconds(200);
  timeouts.read_idle = milliseconds(200);
  return timeouts;
}

class HttpClientTest : public ::testing::Test {
 protected:
  Origin origin_;
  HttpStack stack_;
};

TEST_F(HttpClientTest, BodiesOfEveryFramingArriveWhole) {
  const std::string body = PatternBody(100'000);
  origin_.Handle("/length", Serve(body));
  origin_.Handle("/chunked", ServeChunked(body, 777));
  origin_.Handle("/close", ServeUntilClose(body));
  origin_.Handle("/drip", Drip("drop by drop", 1, milliseconds(1)));

  EXPECT_EQ(stack_.Get(origin_.Url("/length")).body, body);
  EXPECT_EQ(stack_.Get(origin_.Url("/chunked")).body, body);
  EXPECT_EQ(stack_.Get(origin_.Url("/close")).body, body);
  EXPECT_EQ(stack_.Get(origin_.Url("/drip")).body, "drop by drop");
}

TEST_F(HttpClientTest, OneConnectionServesManyRequests) {
  origin_.Handle("/a", Serve("a"));

  for (int i = 0; i < 10; ++i) EXPECT_EQ(stack_.Get(origin_.Url("/a")).body, "a");

  EXPECT_EQ(origin_.connections(), 1U);
  EXPECT_EQ(stack_.client().Stats().dials.reused, 9U);
}

TEST_F(HttpClientTest, AnyHttpStatusIsAValue) {
  for (const int status : {404, 500, 503}) {
    origin_.Handle("/status", Status(status));

    const Fetched fetched = stack_.Get(origin_.Url("/status"));

    EXPECT_TRUE(fetched.status.ok()) << fetched.message();
    EXPECT_EQ(fetched.http_status, status);
  }
}

TEST_F(HttpClientTest, HeadHasNoBody) {
  origin_.Handle("/a", Serve(PatternBody(5000)));
  http::Request request = RequestFor(origin_.Url("/a"));
  request.method = "HEAD";

  const Fetched fetched = stack_.Send(request, {}, {});

  EXPECT_TRUE(fetched.status.ok()) << fetched.message();
  EXPECT_THAT(fetched.body, IsEmpty());
  EXPECT_EQ(stack_.Get(origin_.Url("/a")).body.size(), 5000U);
  EXPECT_EQ(origin_.connections(), 1U);
}

struct Misbehaviour {
  std::string name;
  Handler handler;
  std::vector<absl::StatusCode> codes;
  std::string body_prefix;  ///< What may have arrived before the error.
};

class MisbehaviourTest : public HttpClientTest,
                         public ::testing::WithParamInterface<Misbehaviour> {};

TEST_P(MisbehaviourTest, IsAnErrorAndNeverAWholeBody) {
  origin_.Handle("/bad", GetParam().handler);
  origin_.Handle("/good", Serve("good"));

  const bool silent = GetParam().codes.front() == absl::StatusCode::kDeadlineExceeded;
  const Fetched fetched =
      stack_.Get(origin_.Url("/bad"), silent ? ShortTimeouts() : http::Timeouts());

  EXPECT_THAT(GetParam().codes, ::testing::Contains(fetched.status.code())) << fetched.message();
  EXPECT_EQ(fetched.body, GetParam().body_prefix.substr(0, fetched.body.size()));
  EXPECT_EQ(stack_.Get(origin_.Url("/good")).body, "good");
  EXPECT_EQ(stack_.client().Stats().dials.in_flight, 0U);
}

constexpr auto kNetwork = absl::StatusCode::kUnavailable;
constexpr auto kMalformed = absl::StatusCode::kDataLoss;
constexpr auto kTimeout = absl::StatusCode::kDeadlineExceeded;

INSTANTIATE_TEST_SUITE_P(
    Origin, MisbehaviourTest,
    ::testing::Values(Misbehaviour{"ResetMidHead", ResetMidHead(), {kNetwork}, ""},
                      Misbehaviour{"ResetMidBody",
                                   ResetMidBody(PatternBody(9000), 4000),
                                   {kNetwork, kMalformed},
                                   PatternBody(9000)},
                      Misbehaviour{"ShortBody", ShortBody("short", 10), {kMalformed}, "short"},
                      Misbehaviour{"ChunkedCutShort", ChunkedCutShort(), {kMalformed}, "hellohalf"},
                      Misbehaviour{"ChunkedGarbage", ChunkedGarbage(), {kMalformed}, "hello"},
                      Misbehaviour{"Garbage", Garbage(), {kMalformed}, ""},
                      Misbehaviour{"HeaderBomb",
                                   HeaderBomb(2000),
                                   {kMalformed, absl::StatusCode::kResourceExhausted},
                                   ""},
                      Misbehaviour{"EndlessHeader",
                                   EndlessHeader(),
                                   {kMalformed, absl::StatusCode::kResourceExhausted},
                                   ""},
                      Misbehaviour{"NeverAnswer", NeverAnswer(), {kTimeout}, ""},
                      Misbehaviour{"StallAfterHead", StallAfterHead(10), {kTimeout}, ""}),
    [](const auto& each) { return each.param.name; });

TEST_F(HttpClientTest, BytesBeyondTheBodyAreNotTakenForTheNextAnswer) {
  origin_.Handle("/long", LongBody("exactHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 5));
  origin_.Handle("/next", Serve("next"));

  const Fetched first = stack_.Get(origin_.Url("/long"));

  EXPECT_THAT(first.body, AnyOf("exact", ""));
  EXPECT_EQ(stack_.Get(origin_.Url("/next")).body, "next");
}

TEST_F(HttpClientTest, TimeoutsNameTheirPhase) {
  origin_.Handle("/silent", NeverAnswer());
  origin_.Handle("/stall", StallAfterHead(10));

  EXPECT_THAT(stack_.Get(origin_.Url("/silent"), ShortTimeouts()).message(),
              HasSubstr("first byte"));
  EXPECT_THAT(stack_.Get(origin_.Url("/stall"), ShortTimeouts()).message(), HasSubstr("read idle"));
}

TEST_F(HttpClientTest, AStaleConnectionIsReplacedSilently) {
  origin_.Handle("/once", [](Exchange& exchange) {
    exchange.Respond(200, {}, "ok");
    if (exchange.request().visit == 0) exchange.Close();  // Without having said so.
  });

  EXPECT_EQ(stack_.Get(origin_.Url("/once")).body, "ok");
  EXPECT_EQ(stack_.Get(origin_.Url("/once")).body, "ok");

  EXPECT_EQ(origin_.connections(), 2U);
}

TEST_F(HttpClientTest, AConnectionResetBeforeAnyByteOfAReusedOneIsReplacedOnce) {
  origin_.Handle("/a", Serve("a"));
  origin_.Handle("/b", Sequence({[](Exchange& exchange) { exchange.Reset(); }, Serve("b")}));
  ASSERT_EQ(stack_.Get(origin_.Url("/a")).body, "a");

  const Fetched fetched = stack_.Get(origin_.Url("/b"));

  EXPECT_EQ(fetched.body, "b") << fetched.message();
  ASSERT_FALSE(fetched.records.empty());
  EXPECT_TRUE(fetched.records.back().redialled);
}

// Of whichever pool: origins' and stores' connections share the places.
TEST_F(HttpClientTest, AnIdleConnectionGivesItsPlaceToWhoWaits) {
  Origin other;
  origin_.Handle("/a", Serve("a"));
  other.Handle("/b", Serve("b"));
  HttpStackOptions options;
  options.client.max_connections = 1;
  HttpStack stack(options);

  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(stack.Get(origin_.Url("/a")).body, "a");
    const Fetched fetched = stack.Get(other.Url("/b"), {.pool_wait = std::chrono::seconds(20)});
    EXPECT_EQ(fetched.body, "b") << fetched.message();
  }
  EXPECT_EQ(stack.client().Stats().evicted, 5U);
}

TEST_F(HttpClientTest, RedirectsAreFollowed) {
  origin_.Handle("/1", Redirect("/2", 301));
  origin_.Handle("/2", Redirect(origin_.Url("/3"), 302));
  origin_.Handle("/3", Redirect("4?q=1", 307));
  origin_.Handle("/4", Serve("end"));

  const Fetched fetched = stack_.Get(origin_.Url("/1"));

  EXPECT_EQ(fetched.body, "end");
  EXPECT_EQ(fetched.url, origin_.Url("/4?q=1"));
  EXPECT_EQ(fetched.records.size(), 4U);
}

TEST_F(HttpClientTest, RedirectLoopsAndLongChainsEnd) {
  origin_.Handle("/loop", Redirect("/loop"));
  origin_.Handle("/chain", [](Exchange& exchange) {
    const std::string next = "/chain?" + std::to_string(exchange.request().target.size()) +
                             exchange.request().target.substr(6);
    exchange.Respond(302, {{"Location", next}}, "");
  });

  EXPECT_EQ(stack_.Get(origin_.Url("/loop")).reason(), "REDIRECT_LOOP");
  EXPECT_EQ(stack_.Get(origin_.Url("/chain")).reason(), "REDIRECT_LIMIT");
  EXPECT_EQ(origin_.Requests("/chain").size(), 11U);
}

TEST_F(HttpClientTest, ARedirectToAForbiddenAddressIsRefused) {
  Origin forbidden;
  forbidden.Handle("/", Serve("secret"));
  for (const std::string& location :
       {std::string("http://127.0.0.2:") + std::to_string(forbidden.port()) + "/",
        std::string("http://169.254.169.254/latest/"), std::string("http://[::1]/"),
        std::string("http://10.0.0.1/")}) {
    origin_.Handle("/out", Redirect(location));

    const Fetched fetched = stack_.Get(origin_.Url("/out"));

    EXPECT_EQ(fetched.status.code(), absl::StatusCode::kPermissionDenied) << location;
    EXPECT_EQ(fetched.reason(), "TARGET_NOT_ALLOWED") << location;
  }
  EXPECT_EQ(forbidden.connections(), 0U);
}

TEST_F(HttpClientTest, ARedirectToAnotherSchemeIsRefused) {
  for (const char* location : {"file:///etc/passwd", "ftp://127.0.0.1/", "javascript:1"}) {
    origin_.Handle("/out", Redirect(location));

    EXPECT_EQ(stack_.Get(origin_.Url("/out")).reason(), "REDIRECT_INVALID") << location;
  }
}

TEST_F(HttpClientTest, CredentialsDoNotCrossOrigins) {
  Origin other;
  other.Handle("/there", Serve("there"));
  origin_.Handle("/here", Redirect("/here2"));
  origin_.Handle("/here2", Redirect(other.Url("/there")));
  http::Request request = RequestFor(origin_.Url("/here"));
  request.headers = {{"Authorization", "Bearer t"}, {"X-Key", "k"}, {"Accept", "*/*"}};
  request.secret_headers = {"x-key"};

  ASSERT_EQ(stack_.Send(request, {}, {}).body, "there");

  EXPECT_EQ(origin_.Requests("/here2").at(0).Header("Authorization"), "Bearer t");
  EXPECT_EQ(origin_.Requests("/here2").at(0).Header("X-Key"), "k");
  EXPECT_EQ(other.Requests("/there").at(0).Header("Authorization"), "");
  EXPECT_EQ(other.Requests("/there").at(0).Header("X-Key"), "");
  EXPECT_EQ(other.Requests("/there").at(0).Header("Accept"), "*/*");
}

TEST_F(HttpClientTest, AnAddressThatIsNotAllowedIsNeverContacted) {
  HttpStack strict({.allow = {}});

  const Fetched fetched = strict.Get(origin_.Url("/"));

  EXPECT_EQ(fetched.status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(origin_.connections(), 0U);
}

TEST_F(HttpClientTest, RefusedConnectionsAreUnavailable) {
  const std::string url = "http://127.0.0.1:" + std::to_string(FreePort()) + "/";

  EXPECT_EQ(stack_.Get(url).status.code(), absl::StatusCode::kUnavailable);
}

TEST_F(HttpClientTest, TheLimitPerHostHoldsOverAllShardsAndEverybodyIsServed) {
  HttpStackOptions options;
  options.client.max_per_host = 3;
  HttpStack limited(std::move(options));
  origin_.Handle("/slow", Drip(PatternBody(2000), 500, milliseconds(5)));

  const std::vector<Fetched> all =
      limited.GetAll(std::vector<std::string>(30, origin_.Url("/slow")));

  for (const Fetched& fetched : all)
    EXPECT_EQ(fetched.body, PatternBody(2000)) << fetched.message();
  EXPECT_LE(origin_.connections(), 3U);
  EXPECT_LE(limited.client().Stats().dials.peak_in_flight, 3U);
}

class TlsClientTest : public ::testing::Test {
 protected:
  CertificateFiles Issue(const char* stem, const char* name, bool expired = false) {
    return authority_.Issue(stem, {name}, expired);
  }
  HttpStackOptions Options() const {
    return {.allow = {"127.0.0.1/32"}, .ca_file = authority_.ca_file().string()};
  }

  TempFolder folder_;
  CertificateAuthority authority_{folder_.path()};
};

TEST_F(TlsClientTest, ABodyArrivesAndASessionIsResumed) {
  Origin origin(Issue("good", "IP:127.0.0.1"));
  origin.Handle("/a", ServeUntilClose(PatternBody(50'000)));
  HttpStack stack(Options());

  EXPECT_EQ(stack.Get(origin.Url("/a")).body, PatternBody(50'000));
  const Fetched second = stack.Get(origin.Url("/a"));

  EXPECT_EQ(second.body, PatternBody(50'000)) << second.message();
  ASSERT_EQ(second.records.size(), 1U);
  EXPECT_TRUE(second.records[0].dial.tls_resumed);
}

TEST_F(TlsClientTest, ATruncatedCloseDelimitedBodyIsAnError) {
  Origin origin(Issue("good", "IP:127.0.0.1"));
  origin.Handle("/cut", [](Exchange& exchange) {
    exchange.SendHead(200, {{"Connection", "close"}});
    exchange.Send("half of it");
    exchange.Truncate();
  });
  HttpStack stack(Options());

  EXPECT_EQ(stack.Get(origin.Url("/cut")).status.code(), absl::StatusCode::kDataLoss);
}

TEST_F(TlsClientTest, CertificatesThatDoNotHoldAreRefused) {
  HttpStack stack(Options());
  TempFolder elsewhere;
  const CertificateAuthority stranger(elsewhere.path());
  const std::vector<std::pair<const char*, CertificateFiles>> cases = {
      {"expired", Issue("expired", "IP:127.0.0.1", true)},
      {"wrong name", Issue("wrong", "DNS:other.example")},
      {"unknown authority", stranger.Issue("unknown", {"IP:127.0.0.1"})}};
  for (const auto& [name, files] : cases) {
    Origin origin(files);
    origin.Handle("/", Serve("secret"));

    const Fetched fetched = stack.Get(origin.Url("/"));

    EXPECT_EQ(fetched.status.code(), absl::StatusCode::kFailedPrecondition) << name;
    EXPECT_EQ(fetched.reason(), "TLS_VERIFY_FAILED") << name;
    EXPECT_THAT(origin.Requests(), IsEmpty()) << name;
  }
}

TEST_F(TlsClientTest, AProfileTrustsOnlyItsOwnRequests) {
  Origin origin(Issue("good", "IP:127.0.0.1"));
  origin.Handle("/", Serve("body"));
  HttpStack stack(Options());
  ASSERT_EQ(stack.Get(origin.Url("/")).body, "body");
  http::Request request = RequestFor(origin.Url("/"));
  request.tls_profile = "";

  EXPECT_EQ(stack.Send(request, {}, {}).reason(), "TLS_VERIFY_FAILED");
}

TEST_F(TlsClientTest, ADowngradeByRedirectIsRefused) {
  Origin plain;
  plain.Handle("/", Serve("plain"));
  Origin origin(Issue("good", "IP:127.0.0.1"));
  origin.Handle("/", Redirect(plain.Url("/")));
  HttpStack stack(Options());

  EXPECT_EQ(stack.Get(origin.Url("/")).reason(), "REDIRECT_DOWNGRADE");
  EXPECT_EQ(plain.connections(), 0U);
}

}  // namespace
}  // namespace fetchd::testing
