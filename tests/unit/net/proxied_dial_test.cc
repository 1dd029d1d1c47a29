#include "net/proxied_dial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "support/manual_clock.h"
#include "support/process.h"
#include "unit/net/fixed_resolver.h"
#include "unit/net/loop.h"
#include "unit/net/loopback_proxy.h"

namespace fetchd::net {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::StartsWith;
using Dialled = absl::StatusOr<std::unique_ptr<Stream>>;

/// Certificates, and who trusts them: made once, they cost more than a test.
struct Certified {
  static const Certified& Get() {
    static const Certified made;
    return made;
  }

  const testing::TempFolder folder;
  const testing::CertificateAuthority authority{folder.path()};
  const testing::CertificateFiles proxy = authority.Issue("proxy", {"DNS:proxy.test"});
  const testing::CertificateFiles origin = authority.Issue("origin", {"DNS:origin.test"});
  const testing::CertificateFiles client = authority.Issue("client", {"DNS:client.test"});
  const std::shared_ptr<TlsContexts> tls = *TlsContexts::Create(
      {{"", {authority.ca_file().string()}},
       {"client", {authority.ca_file().string(), client.certificate.string(), client.key.string()}},
       {"pinned",
        {.ca_file = authority.ca_file().string(),
         .pins = {testing::Certificate::SelfSigned({.common_name = "stranger"}).Pin()}}},
       {"strangers", {}}});
};

/// Origins have public addresses in DNS; every tunnel ends at an echo server all the same.
class ProxiedDialTest : public ::testing::Test {
 protected:
  ProxiedDialTest() {
    resolver_.Set("proxy.test", {"127.0.0.1"});
    resolver_.Set("origin.test", {"93.184.216.34"});
    dialer_ = MakeDialer(loop_.executor(), clock_, resolver_, *egress::Policy::Create({}),
                         Certified::Get().tls);
  }
  ~ProxiedDialTest() override { loop_.Stop(); }

  LoopbackProxy& StartProxy(ProxyKind kind, tcp::endpoint route) {
    std::optional<testing::CertificateFiles> identity;
    if (kind == ProxyKind::kHttps) identity = Certified::Get().proxy;
    server_ = std::make_unique<LoopbackProxy>(loop_,
                                              kind == ProxyKind::kSocks5
                                                  ? LoopbackProxy::Protocol::kSocks5
                                                  : LoopbackProxy::Protocol::kHttp,
                                              std::move(route), identity);
    proxy_ = {.name = "corp", .kind = kind, .host = "proxy.test", .port = server_->port()};
    return *server_;
  }
  LoopbackProxy& StartProxy(ProxyKind kind) {
    echo_ = std::make_unique<EchoServer>(loop_);
    return StartProxy(kind, echo_->endpoint());
  }
  LoopbackProxy& StartProxyToTls(ProxyKind kind) {
    echo_ = std::make_unique<EchoServer>(loop_, Certified::Get().origin);
    return StartProxy(kind, echo_->endpoint());
  }

  DialRequest To(const std::string& host, const std::string& scheme = "http") const {
    return {.origin = {scheme, host, static_cast<std::uint16_t>(scheme == "https" ? 443 : 80)},
            .proxy = std::make_shared<const Proxy>(proxy_)};
  }
  Dialled Dial(DialRequest request) {
    return loop_.Run(dialer_->Dial(std::move(request), Deadline::Never(), &record_));
  }
  runtime::TaskHandle Start(DialRequest request, std::optional<Dialled>* stream,
                            Deadline deadline = Deadline::Never()) {
    return loop_.Start(dialer_->Dial(std::move(request), deadline, &record_), stream);
  }
  std::vector<std::pair<std::string, std::string>> Tries() const {
    std::vector<std::pair<std::string, std::string>> tries;
    for (const auto& each : record_.tries) tries.emplace_back(each.address, each.outcome);
    return tries;
  }
  /// What comes back, as much as was sent: `text`, and `already` bytes before it.
  std::string Echo(Stream& stream, std::string text, std::size_t already = 0) {
    return loop_.Run(EchoAll(&stream, std::move(text), already));
  }

  testing::ManualClock clock_;
  Loop loop_;
  FixedResolver resolver_;
  std::unique_ptr<Dialer> dialer_;
  std::unique_ptr<EchoServer> echo_;
  std::unique_ptr<LoopbackProxy> server_;
  Proxy proxy_;
  DialRecord record_;

 private:
  static Task<std::string> EchoAll(Stream* stream, std::string text, std::size_t already) {
    std::string got;
    constexpr std::size_t kPiece = 50'000;  // Neither side's buffers overflow.
    for (std::size_t at = 0; at < text.size(); at += kPiece) {
      const std::string_view piece = std::string_view(text).substr(at, kPiece);
      const IoResult sent = co_await stream->WriteAll(std::as_bytes(std::span(piece)));
      if (sent.error) co_return sent.error.message();
      while (got.size() < already + at + piece.size()) {
        std::array<std::byte, 8192> buffer;
        const IoResult read = co_await stream->ReadSome(buffer);
        if (read.error) co_return read.error.message();
        got.append(reinterpret_cast<const char*>(buffer.data()), read.bytes);
      }
    }
    co_return got;
  }
};

constexpr ProxyKind kKinds[] = {ProxyKind::kHttp, ProxyKind::kHttps, ProxyKind::kSocks5};
std::string KindName(const ::testing::TestParamInfo<ProxyKind>& info) {
  constexpr const char* kNames[] = {"Http", "Https", "Socks5"};
  return kNames[static_cast<std::size_t>(info.param)];
}
class EveryProxyTest : public ProxiedDialTest, public ::testing::WithParamInterface<ProxyKind> {};
INSTANTIATE_TEST_SUITE_P(All, EveryProxyTest, ::testing::ValuesIn(kKinds), KindName);

TEST_P(EveryProxyTest, CarriesBytesToAPlainOrigin) {
  StartProxy(GetParam());
  const Dialled stream = Dial(To("origin.test"));

  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(Echo(**stream, "ping"), "ping");
  EXPECT_THAT(Tries(), ElementsAre(std::pair("93.184.216.34:80", "connected")));
  EXPECT_FALSE((*stream)->IsStale());
  EXPECT_EQ(record_.tls_description, "");  // Of the origin: it has none.
}

TEST_P(EveryProxyTest, CarriesTlsThatNamesTheOrigin) {
  StartProxyToTls(GetParam());
  const Dialled stream = Dial(To("origin.test", "https"));

  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_THAT((*stream)->tls_description(), StartsWith("TLSv1.3 "));
  EXPECT_EQ(record_.tls_description, (*stream)->tls_description());
  std::string text(300'000, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 / 3);
  EXPECT_EQ(Echo(**stream, text), text);
}

TEST_P(EveryProxyTest, WhatIsNotSentAtOnceIsWrittenAfterwards) {
  StartProxyToTls(GetParam());
  const Dialled stream = Dial(To("origin.test", "https"));
  ASSERT_TRUE(stream.ok()) << stream.status();
  const std::string text = "ping";
  const std::size_t sent = (*stream)->SendNow(std::as_bytes(std::span(text)));
  EXPECT_EQ(sent, GetParam() == ProxyKind::kHttps ? 0 : text.size());

  const std::string rest = text.substr(sent) + "pong";
  EXPECT_EQ(Echo(**stream, rest, /*already=*/sent), text + "pong");
}

TEST_P(EveryProxyTest, WatchedConnectionTellsOfItsEnd) {
  StartProxyToTls(GetParam());
  const Dialled stream = Dial(To("origin.test", "https"));
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(Echo(**stream, "ping"), "ping");
  bool ended = false;
  const std::function<void()> look = [&] {
    ended = (*stream)->IsStale();
    if (!ended) (*stream)->WatchForInput(look);
  };
  look();
  EXPECT_FALSE(ended);

  echo_->CutAll();
  loop_.RunUntil([&] { return ended; });
}

TEST_P(EveryProxyTest, RefusesACertificateOfAnotherName) {
  StartProxyToTls(GetParam());
  resolver_.Set("other.test", {"93.184.216.34"});
  const Dialled stream = Dial(To("other.test", "https"));

  EXPECT_TRUE(absl::IsFailedPrecondition(stream.status())) << stream.status();
  EXPECT_EQ(GetReason(stream.status())->reason, "TLS_VERIFY_FAILED");
  EXPECT_THAT(MessageOf(stream.status()), HasSubstr("other.test:443 through proxy corp"));
  EXPECT_EQ(record_.failed_phase, Phase::kTls);
}

TEST_P(EveryProxyTest, IsAskedForTheAddressThatWasJudged) {
  LoopbackProxy& server = StartProxy(GetParam());
  ASSERT_TRUE(Dial(To("origin.test")).ok());

  ASSERT_THAT(server.requests, SizeIs(1));
  EXPECT_THAT(server.requests[0], Not(HasSubstr("origin.test")));
  const std::string address = GetParam() == ProxyKind::kSocks5
                                  ? std::string("\x01\x5d\xb8\xd8\x22\x00\x50", 7)
                                  : "CONNECT 93.184.216.34:80 HTTP/1.1\r\nHost: 93.184.216.34:80";
  EXPECT_THAT(server.requests[0], HasSubstr(address));
}

TEST_P(EveryProxyTest, ThatResolvesNamesIsAskedForTheName) {
  LoopbackProxy& server = StartProxyToTls(GetParam());
  proxy_.resolves_names = true;
  // No resolver here knows the name; the certificate has to be its all the same.
  Dialled stream = Dial(To("remote.test", "https"));
  EXPECT_EQ(GetReason(stream.status())->reason, "TLS_VERIFY_FAILED") << stream.status();

  ASSERT_THAT(server.requests, SizeIs(1));
  EXPECT_THAT(server.requests[0], HasSubstr("remote.test"));
  EXPECT_THAT(Tries(), ElementsAre(std::pair("remote.test:443", "connected")));
}

TEST_P(EveryProxyTest, IsNeverAskedForWhatThePolicyDenies) {
  LoopbackProxy& server = StartProxy(GetParam());
  resolver_.Set("rebound.test", {"10.11.12.13"});
  resolver_.Set("mixed.test", {"93.184.216.34", "169.254.169.254"});
  resolver_.Set("mapped.test", {"::ffff:127.0.0.1"});
  for (const bool remote : {false, true}) {
    proxy_.resolves_names = remote;
    for (const std::string host :
         {"10.0.0.1", "169.254.169.254", "127.0.0.1", "::1", "fd00::1", "::ffff:10.0.0.1",
          "64:ff9b::a00:1", "localhost", "metadata.google.internal", "kubernetes", "a.svc"}) {
      EXPECT_TRUE(absl::IsPermissionDenied(Dial(To(host)).status()) ||
                  (!remote && absl::IsNotFound(Dial(To(host)).status())))
          << host << " remote " << remote;
    }
    DialRequest odd_port = To("origin.test");
    odd_port.origin.port = 9999;
    EXPECT_TRUE(absl::IsPermissionDenied(Dial(odd_port).status()));
  }
  proxy_.resolves_names = false;
  for (const std::string host : {"rebound.test", "mixed.test", "mapped.test"}) {
    const Dialled stream = Dial(To(host));
    EXPECT_TRUE(absl::IsPermissionDenied(stream.status())) << host << stream.status();
    EXPECT_EQ(GetReason(stream.status())->reason, "TARGET_NOT_ALLOWED");
    EXPECT_EQ(record_.failed_phase, Phase::kResolve);
  }
  EXPECT_EQ(server.connections(), 0);
}

TEST_P(EveryProxyTest, ItsOwnAddressIsNotJudged) {
  StartProxy(GetParam());  // On loopback, which the policy denies to origins.

  EXPECT_TRUE(Dial(To("origin.test")).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(Dial(To("127.0.0.1")).status()));
}

TEST_P(EveryProxyTest, SilenceEndsInATimeoutOfItsOwnPhase) {
  LoopbackProxy& server = StartProxy(GetParam());
  server.answers = {""};
  std::optional<Dialled> stream;
  Start(To("origin.test"), &stream);
  loop_.RunUntil([&] { return !server.requests.empty() && !server.requests[0].empty(); });

  clock_.Advance(15s);
  loop_.RunUntil([&] { return stream.has_value(); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(stream->status())) << stream->status();
  EXPECT_EQ(MessageOf(stream->status()), "proxy timed out: origin.test:80 through proxy corp");
  EXPECT_EQ(record_.failed_phase, Phase::kProxy);
  EXPECT_EQ(record_.proxy, 15s);
  EXPECT_THAT(Tries(), ElementsAre(std::pair("93.184.216.34:80", "timed out")));
}

TEST_P(EveryProxyTest, EndWithoutAnAnswerIsSaid) {
  LoopbackProxy& server = StartProxy(GetParam());
  server.answers = {"close"};
  const Dialled stream = Dial(To("origin.test"));

  EXPECT_TRUE(absl::IsUnavailable(stream.status())) << stream.status();
  EXPECT_EQ(GetReason(stream.status())->reason, "PROXY_CONNECT_FAILED");
  EXPECT_EQ(record_.failed_phase, Phase::kProxy);
}

TEST_P(EveryProxyTest, CancelledDialLeavesNothingBehind) {
  LoopbackProxy& server = StartProxy(GetParam());
  server.answers = {""};
  std::optional<Dialled> stream;
  const auto dial = Start(To("origin.test"), &stream);
  loop_.RunUntil([&] { return !server.requests.empty() && !server.requests[0].empty(); });

  dial.Cancel();
  loop_.RunUntil([&] { return clock_.sleepers() == 0; });
  EXPECT_TRUE(!stream || absl::IsCancelled(stream->status())) << stream->status();
}

TEST_P(EveryProxyTest, ThatIsNotThereIsNamedWithoutItsAddress) {
  StartProxy(GetParam());
  proxy_.port = testing::FreePort();
  const Dialled stream = Dial(To("origin.test"));

  EXPECT_TRUE(absl::IsUnavailable(stream.status())) << stream.status();
  EXPECT_EQ(GetReason(stream.status())->reason, "PROXY_CONNECT_FAILED");
  EXPECT_THAT(MessageOf(stream.status()),
              AllOf(HasSubstr("proxy corp"), Not(HasSubstr("127.0.0.1"))));
  EXPECT_THAT(Tries(), ElementsAre(std::pair("proxy corp", "refused")));
  EXPECT_EQ(record_.failed_phase, Phase::kProxy);
}

TEST_P(EveryProxyTest, WhoseNameDoesNotResolveIsNotTheOriginsFault) {
  StartProxy(GetParam());
  proxy_.host = "nowhere.test";
  const Dialled stream = Dial(To("origin.test"));

  EXPECT_TRUE(absl::IsUnavailable(stream.status())) << stream.status();
  EXPECT_EQ(GetReason(stream.status())->reason, "PROXY_CONNECT_FAILED");
}

TEST_P(EveryProxyTest, TotalDeadlineCutsItsTimeout) {
  LoopbackProxy& server = StartProxy(GetParam());
  server.answers = {""};
  std::optional<Dialled> stream;
  Start(To("origin.test"), &stream, Deadline::After(clock_, 1s));
  loop_.RunUntil([&] { return !server.requests.empty() && !server.requests[0].empty(); });

  clock_.Advance(1s);
  loop_.RunUntil([&] { return stream.has_value(); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(stream->status())) << stream->status();
}

TEST_P(EveryProxyTest, SessionsOfOneRouteAreNotResumedOnAnother) {
  StartProxyToTls(GetParam());
  const auto visit = [&](const std::string& name) {
    proxy_.name = name;
    const Dialled stream = Dial(To("origin.test", "https"));
    EXPECT_TRUE(stream.ok()) << stream.status();
    if (stream.ok()) Echo(**stream, "ping");
    return record_.tls_resumed;
  };

  EXPECT_FALSE(visit("one"));
  EXPECT_TRUE(visit("one"));
  EXPECT_FALSE(visit("two"));
}

TEST_P(EveryProxyTest, SessionIsNotResumedAtAnotherAddressBehindIt) {
  StartProxyToTls(GetParam());
  const auto visit_at = [&](const char* address) {
    resolver_.Set("origin.test", {address});
    const Dialled stream = Dial(To("origin.test", "https"));
    EXPECT_TRUE(stream.ok()) << stream.status();
    if (stream.ok()) Echo(**stream, "ping");
    return record_.tls_resumed;
  };

  EXPECT_FALSE(visit_at("93.184.216.34"));
  EXPECT_TRUE(visit_at("93.184.216.34"));
  EXPECT_FALSE(visit_at("93.184.216.35"));
}

TEST_F(ProxiedDialTest, EndInTheMiddleOfAnAnswerIsNoAnswer) {
  const std::string answer = "HTTP/1.1 503 Unreachable\r\nVia: 1.1 corp\r\n\r\n";
  LoopbackProxy& server = StartProxy(ProxyKind::kHttp);
  for (std::size_t size = 1; size < answer.size(); ++size) {
    server.answers = {answer.substr(0, size)};
    const Dialled stream = Dial(To("origin.test"));

    EXPECT_TRUE(absl::IsUnavailable(stream.status())) << size << stream.status();
    EXPECT_THAT(MessageOf(stream.status()), HasSubstr("closed the connection")) << size;
  }
}

// --- Several addresses ---

std::string Unreachable(ProxyKind kind) {
  return kind == ProxyKind::kSocks5 ? "\x04" : "HTTP/1.1 503 Unreachable\r\n\r\n";
}

TEST_P(EveryProxyTest, NextAddressIsAskedForWhenOneIsNotReached) {
  LoopbackProxy& server = StartProxy(GetParam());
  server.answers = {Unreachable(GetParam())};
  resolver_.Set("two.test", {"2606:2800:220:1::1", "93.184.216.34", "93.184.216.35"});
  const Dialled stream = Dial(To("two.test"));

  ASSERT_TRUE(stream.ok()) << stream.status();
  const std::string says = GetParam() == ProxyKind::kSocks5 ? "host unreachable" : "HTTP 503";
  // The proxy was reached over IPv4.
  EXPECT_THAT(Tries(), ElementsAre(std::pair("93.184.216.34:80", says),
                                   std::pair(std::string("93.184.216.35:80"), "connected")));
}

TEST_P(EveryProxyTest, LastAddressesErrorIsTheDials) {
  LoopbackProxy& server = StartProxy(GetParam());
  server.answers = {Unreachable(GetParam()), Unreachable(GetParam())};
  resolver_.Set("two.test", {"2606:2800:220:1::1", "93.184.216.34"});
  const Dialled stream = Dial(To("two.test"));

  EXPECT_TRUE(absl::IsUnavailable(stream.status())) << stream.status();
  EXPECT_EQ(server.connections(), 2);
  EXPECT_EQ(record_.tries.back().address, "[2606:2800:220:1::1]:80");
}

TEST_P(EveryProxyTest, RefusalByItsRulesIsFinal) {
  LoopbackProxy& server = StartProxy(GetParam());
  server.answers = {GetParam() == ProxyKind::kSocks5 ? "\x02" : "HTTP/1.1 403 Forbidden\r\n\r\n"};
  resolver_.Set("two.test", {"93.184.216.34", "93.184.216.35"});
  const Dialled stream = Dial(To("two.test"));

  EXPECT_TRUE(absl::IsPermissionDenied(stream.status())) << stream.status();
  EXPECT_EQ(GetReason(stream.status())->reason, "PROXY_DENIED");
  EXPECT_EQ(server.connections(), 1);
}

TEST_P(EveryProxyTest, SilentAddressLeavesHalfOfTheTimeToTheNext) {
  LoopbackProxy& server = StartProxy(GetParam());
  server.answers = {""};
  resolver_.Set("two.test", {"93.184.216.34", "93.184.216.35"});
  std::optional<Dialled> stream;
  Start(To("two.test"), &stream);
  loop_.RunUntil([&] { return !server.requests.empty() && !server.requests[0].empty(); });

  clock_.Advance(7500ms);
  loop_.RunUntil([&] { return stream.has_value(); });
  ASSERT_TRUE(stream->ok()) << stream->status();
  EXPECT_THAT(Tries(), ElementsAre(std::pair("93.184.216.34:80", "timed out"),
                                   std::pair("93.184.216.35:80", "connected")));
}

// --- Requests in absolute-form ---

TEST_P(EveryProxyTest, WithoutATunnelIsConnectedToAndNotAsked) {
  LoopbackProxy& server = StartProxy(GetParam());
  proxy_.resolves_names = true;
  DialRequest request = To("remote.test");
  request.tunnel = false;
  const Dialled stream = Dial(request);

  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ((*stream)->peer().port(), proxy_.port);
  EXPECT_THAT(Tries(), IsEmpty());
  EXPECT_EQ(record_.proxy, Duration::zero());
  loop_.RunUntil([&] { return server.connections() == 1; });

  request.origin.host = "10.0.0.1";
  EXPECT_TRUE(absl::IsPermissionDenied(Dial(request).status()));
  EXPECT_EQ(server.connections(), 1);
}

// --- One kind each ---

TEST_F(ProxiedDialTest, CredentialsGoToTheProxyAlone) {
  LoopbackProxy& server = StartProxy(ProxyKind::kHttp);
  proxy_.username = "me";
  proxy_.password = Secret("s3cret");
  const Dialled stream = Dial(To("origin.test"));

  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_THAT(server.requests[0], HasSubstr("Proxy-Authorization: Basic bWU6czNjcmV0\r\n"));
  EXPECT_EQ(Echo(**stream, "GET / HTTP/1.1\r\n\r\n"), "GET / HTTP/1.1\r\n\r\n");
}

TEST_F(ProxiedDialTest, SocksPasswordIsSentWhenAsked) {
  LoopbackProxy& server = StartProxy(ProxyKind::kSocks5);
  server.wants_password = true;
  proxy_.username = "me";
  proxy_.password = Secret("s3cret");

  ASSERT_TRUE(Dial(To("origin.test")).ok());
  EXPECT_THAT(server.requests[0], HasSubstr("\x02me\x06s3cret"));
}

struct Distrust {
  const char* profile;
  const char* check;
};
class DistrustedProxyTest : public ProxiedDialTest,
                            public ::testing::WithParamInterface<Distrust> {};

TEST_P(DistrustedProxyTest, IsToldNothing) {
  LoopbackProxy& server = StartProxyToTls(ProxyKind::kHttps);
  proxy_.tls_profile = GetParam().profile;
  proxy_.username = "me";
  proxy_.password = Secret("s3cret");
  const Dialled stream = Dial(To("origin.test", "https"));

  const Reason reason = GetReason(stream.status()).value_or(Reason{});
  EXPECT_EQ(reason.reason, "TLS_VERIFY_FAILED") << stream.status();
  EXPECT_THAT(reason.metadata, Contains(Pair("check", GetParam().check)));
  EXPECT_THAT(MessageOf(stream.status()), StartsWith("TLS proxy corp: "));
  EXPECT_EQ(record_.failed_phase, Phase::kProxy);
  EXPECT_THAT(server.requests, IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(All, DistrustedProxyTest,
                         ::testing::Values(Distrust{"strangers", "UNKNOWN_ISSUER"},
                                           Distrust{"pinned", "PIN_MISMATCH"}),
                         [](const auto& each) { return std::string(each.param.profile); });

TEST_F(ProxiedDialTest, ProxyIsShownTheCertificateOfItsProfile) {
  LoopbackProxy& server = StartProxyToTls(ProxyKind::kHttps);
  server.AskClientsFor(Certified::Get().authority.ca_file().string());
  proxy_.tls_profile = "client";
  const Dialled stream = Dial(To("origin.test", "https"));

  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(Echo(**stream, "ping"), "ping");
}

TEST_F(ProxiedDialTest, ProxyThatWantsACertificateSaysSo) {
  LoopbackProxy& server = StartProxyToTls(ProxyKind::kHttps);
  server.AskClientsFor(Certified::Get().authority.ca_file().string());
  const Dialled stream = Dial(To("origin.test", "https"));

  const Reason reason = GetReason(stream.status()).value_or(Reason{});
  EXPECT_TRUE(absl::IsFailedPrecondition(stream.status())) << stream.status();
  EXPECT_EQ(reason.reason, "TLS_CLIENT_CERTIFICATE");
  EXPECT_THAT(reason.metadata, Contains(Pair("check", "CERTIFICATE_WANTED")));
  EXPECT_THAT(MessageOf(stream.status()), StartsWith("TLS proxy corp: "));
  EXPECT_THAT(server.requests, IsEmpty());
}

TEST_F(ProxiedDialTest, UnknownTlsProfileIsInvalidBeforeAnythingConnects) {
  LoopbackProxy& server = StartProxyToTls(ProxyKind::kHttp);
  DialRequest request = To("origin.test", "https");
  request.tls_profile = "missing";

  EXPECT_TRUE(absl::IsInvalidArgument(Dial(request).status()));
  EXPECT_EQ(server.connections(), 0);
}

// --- TLS inside TLS ---

TEST_F(ProxiedDialTest, TlsInsideTlsEndsAsTlsDoes) {
  StartProxyToTls(ProxyKind::kHttps);
  const Dialled stream = Dial(To("origin.test", "https"));
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(Echo(**stream, "ping"), "ping");
  EXPECT_FALSE((*stream)->IsStale());
  EXPECT_EQ((*stream)->Available(), 0u);
  std::byte byte;
  std::optional<IoResult> result;
  loop_.Start((*stream)->ReadSome(std::span(&byte, 1)), &result);
  loop_.Poll();
  EXPECT_FALSE(result);

  (*stream)->Close();
  (*stream)->Close();
  loop_.RunUntil([&] { return result.has_value(); });
  EXPECT_EQ(result->error, asio::error::operation_aborted);
  EXPECT_TRUE((*stream)->IsStale());
}

TEST_F(ProxiedDialTest, TlsInsideTlsThatIsCutIsTruncation) {
  StartProxyToTls(ProxyKind::kHttps);
  const Dialled stream = Dial(To("origin.test", "https"));
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(Echo(**stream, "ping"), "ping");

  echo_->CutAll();
  std::byte byte;
  const IoResult end = loop_.Run((*stream)->ReadSome(std::span(&byte, 1)));
  EXPECT_TRUE(end.error == asio::ssl::error::stream_truncated ||
              end.error == asio::error::connection_reset)
      << end.error.message();
  EXPECT_TRUE((*stream)->IsStale());
}

TEST_F(ProxiedDialTest, TlsInsideTlsReadsAndWritesAtOnce) {
  StartProxyToTls(ProxyKind::kHttps);
  const Dialled stream = Dial(To("origin.test", "https"));
  ASSERT_TRUE(stream.ok()) << stream.status();
  const std::string text(1'000'000, 'y');
  std::optional<IoResult> written;
  loop_.Start((*stream)->WriteAll(std::as_bytes(std::span(text))), &written);
  std::size_t got = 0;
  std::vector<std::byte> buffer(65536);
  while (got < text.size()) {
    const IoResult read = loop_.Run((*stream)->ReadSome(buffer));
    ASSERT_FALSE(read.error) << read.error.message();
    got += read.bytes;
  }

  loop_.RunUntil([&] { return written.has_value(); });
  EXPECT_FALSE(written->error);
  EXPECT_EQ(got, text.size());
}

}  // namespace
}  // namespace fetchd::net
