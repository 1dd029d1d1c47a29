#include "net/tunnel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace fetchd::net {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kPeer[] = "example.org:443";

Proxy HttpProxy() { return {.name = "corp", .kind = ProxyKind::kHttp}; }
Proxy SocksProxy() { return {.name = "corp", .kind = ProxyKind::kSocks5}; }
Proxy WithPassword(Proxy proxy) {
  proxy.username = "me";
  proxy.password = Secret("s3cret");
  return proxy;
}

/// What was said when the proxy's bytes are `answers`, given `step` at a time at most.
struct Conversation {
  std::vector<std::string> sent;
  TunnelOutcome outcome;
  std::string unread;  ///< What belongs to the tunnel.
  bool over = true;    ///< False: it waits for more.
};
Conversation Talk(const Proxy& proxy, TunnelTarget target, std::string answers,
                  std::size_t step = 1000) {
  Conversation result;
  const auto negotiation = NegotiateTunnel(proxy, std::move(target), kPeer);
  while (true) {
    const std::string output = negotiation->TakeOutput();
    if (!output.empty()) result.sent.push_back(output);
    if (negotiation->wanted() == 0) break;
    const std::size_t bytes = std::min({negotiation->wanted(), answers.size(), step});
    if (bytes == 0) {
      result.over = false;
      return result;
    }
    negotiation->Feed(answers.substr(0, bytes));
    answers.erase(0, bytes);
  }
  result.outcome = negotiation->outcome();
  result.unread = std::move(answers);
  return result;
}

std::string AnswerOf(const absl::Status& status) {
  const std::optional<Reason> reason = GetReason(status);
  if (!reason) return "";
  for (const auto& [key, value] : reason->metadata) {
    if (key == "answer") return value;
  }
  return "";
}

// --- CONNECT ---

TEST(ConnectTest, AsksForTheTargetAndNothingElse) {
  EXPECT_THAT(Talk(HttpProxy(), {"192.0.2.7", 443}, "").sent,
              ElementsAre("CONNECT 192.0.2.7:443 HTTP/1.1\r\nHost: 192.0.2.7:443\r\n\r\n"));
  EXPECT_THAT(Talk(HttpProxy(), {"2001:db8::1", 80}, "").sent,
              ElementsAre("CONNECT [2001:db8::1]:80 HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"));
  EXPECT_THAT(Talk(WithPassword(HttpProxy()), {"example.org", 443}, "").sent,
              ElementsAre("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n"
                          "Proxy-Authorization: Basic bWU6czNjcmV0\r\n\r\n"));
}

struct OpenCase {
  std::string name;
  std::string answer;
};
class ConnectOpensTest : public ::testing::TestWithParam<OpenCase> {};

TEST_P(ConnectOpensTest, AndLeavesTheTunnelsBytesAlone) {
  for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{1000}}) {
    const Conversation talk =
        Talk(HttpProxy(), {"192.0.2.7", 443}, GetParam().answer + "inside", step);

    EXPECT_TRUE(talk.over);
    EXPECT_TRUE(talk.outcome.status.ok()) << talk.outcome.status;
    EXPECT_EQ(talk.outcome.summary, "connected");
    EXPECT_EQ(talk.unread, "inside");
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, ConnectOpensTest,
    ::testing::Values(
        OpenCase{"Plain", "HTTP/1.1 200 Connection established\r\n\r\n"},
        OpenCase{"Http10", "HTTP/1.0 200 OK\r\nServer: x\r\n\r\n"},
        OpenCase{"NoPhrase", "HTTP/1.1 200\r\n\r\n"}, OpenCase{"Other2xx", "HTTP/1.1 204 \r\n\r\n"},
        OpenCase{"LengthMeansNothing", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"},
        OpenCase{"ChunkedMeansNothing", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
        OpenCase{"AfterInterimAnswers",
                 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n"
                 "HTTP/1.1 200 OK\r\n\r\n"}),
    [](const auto& info) { return info.param.name; });

struct RefusedCase {
  std::string name;
  std::string answer;
  absl::StatusCode code;
  std::string reason;
  std::string summary;
  bool other_address_may_work = false;
};
class ConnectRefusedTest : public ::testing::TestWithParam<RefusedCase> {};

TEST_P(ConnectRefusedTest, SaysWhoAndWhy) {
  const RefusedCase& expected = GetParam();
  const Conversation talk =
      Talk(HttpProxy(), {"192.0.2.7", 443}, expected.answer + "Content-Length: 5\r\n\r\nerror");

  EXPECT_EQ(talk.outcome.status.code(), expected.code) << talk.outcome.status;
  EXPECT_EQ(GetReason(talk.outcome.status)->reason, expected.reason);
  EXPECT_EQ(AnswerOf(talk.outcome.status), expected.summary);
  EXPECT_EQ(talk.outcome.summary, expected.summary);
  EXPECT_EQ(talk.outcome.other_address_may_work, expected.other_address_may_work);
  EXPECT_THAT(MessageOf(talk.outcome.status), StartsWith("proxy corp, asked for example.org:443:"));
  EXPECT_THAT(MessageOf(talk.outcome.status), Not(HasSubstr("192.0.2.7")));
}
INSTANTIATE_TEST_SUITE_P(
    All, ConnectRefusedTest,
    ::testing::Values(
        RefusedCase{"Redirect", "HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n",
                    absl::StatusCode::kFailedPrecondition, "PROXY_PROTOCOL_ERROR", "HTTP 302"},
        RefusedCase{"BadRequest", "HTTP/1.1 400 Bad Request\r\n",
                    absl::StatusCode::kFailedPrecondition, "PROXY_PROTOCOL_ERROR", "HTTP 400"},
        RefusedCase{"Forbidden", "HTTP/1.1 403 Forbidden\r\n", absl::StatusCode::kPermissionDenied,
                    "PROXY_DENIED", "HTTP 403"},
        RefusedCase{"NoConnect", "HTTP/1.1 405 Method Not Allowed\r\n",
                    absl::StatusCode::kFailedPrecondition, "PROXY_PROTOCOL_ERROR", "HTTP 405"},
        RefusedCase{"Credentials", "HTTP/1.1 407 Proxy Authentication Required\r\n",
                    absl::StatusCode::kFailedPrecondition, "PROXY_AUTH_REQUIRED", "HTTP 407"},
        RefusedCase{"TooMany", "HTTP/1.1 429 Too Many Requests\r\n", absl::StatusCode::kUnavailable,
                    "PROXY_CONNECT_FAILED", "HTTP 429"},
        RefusedCase{"BadGateway", "HTTP/1.1 502 Bad Gateway\r\n", absl::StatusCode::kUnavailable,
                    "PROXY_CONNECT_FAILED", "HTTP 502", true},
        RefusedCase{"Unavailable", "HTTP/1.1 503 Service Unavailable\r\n",
                    absl::StatusCode::kUnavailable, "PROXY_CONNECT_FAILED", "HTTP 503", true},
        RefusedCase{"GatewayTimeout", "HTTP/1.1 504 Gateway Timeout\r\n",
                    absl::StatusCode::kUnavailable, "PROXY_CONNECT_FAILED", "HTTP 504", true},
        RefusedCase{"NotImplemented", "HTTP/1.1 501 Not Implemented\r\n",
                    absl::StatusCode::kFailedPrecondition, "PROXY_PROTOCOL_ERROR", "HTTP 501"}),
    [](const auto& info) { return info.param.name; });

TEST(ConnectTest, CredentialsThatAreRefusedAreNotMissing) {
  const std::string answer = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";

  EXPECT_THAT(MessageOf(Talk(HttpProxy(), {"x", 1}, answer).outcome.status),
              HasSubstr("asks for credentials, and none are configured"));
  const absl::Status refused = Talk(WithPassword(HttpProxy()), {"x", 1}, answer).outcome.status;
  EXPECT_THAT(MessageOf(refused), HasSubstr("refuses the credentials that are configured"));
  EXPECT_THAT(MessageOf(refused), Not(HasSubstr("s3cret")));
}

class NoAnswerTest : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(NoAnswerTest, IsAnErrorOfTheProxyAtOnce) {
  const Conversation talk = Talk(HttpProxy(), {"192.0.2.7", 443}, GetParam().second);

  EXPECT_TRUE(talk.over);
  EXPECT_TRUE(absl::IsFailedPrecondition(talk.outcome.status)) << talk.outcome.status;
  EXPECT_EQ(GetReason(talk.outcome.status)->reason, "PROXY_PROTOCOL_ERROR");
  EXPECT_FALSE(talk.outcome.other_address_may_work);
}
INSTANTIATE_TEST_SUITE_P(
    All, NoAnswerTest,
    ::testing::Values(std::pair{"OtherProtocol", std::string("SSH-2.0-x")},
                      std::pair{"TlsAlert", std::string("\x15\x03\x01\x00\x02\x02\x46", 7)},
                      std::pair{"Socks", std::string("\x05\x00", 2)},
                      std::pair{"Http09", std::string("<html>")},
                      std::pair{"Http2", std::string("HTTP/2 200\r\n\r\n")},
                      std::pair{"BareLineFeed", std::string("HTTP/1.1 200 OK\n\n")},
                      std::pair{"BareCarriageReturn", std::string("HTTP/1.1 200 OK\rX: y\r\n\r\n")},
                      std::pair{"Nul", std::string("HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", 24)},
                      std::pair{"ShortStatus", std::string("HTTP/1.1 20\r\n\r\n")},
                      std::pair{"LongStatus", std::string("HTTP/1.1 2000\r\n\r\n")},
                      std::pair{"StatusZero", std::string("HTTP/1.1 000 X\r\n\r\n")},
                      std::pair{"StatusSix", std::string("HTTP/1.1 600 X\r\n\r\n")},
                      std::pair{"NoSpace", std::string("HTTP/1.1_200 OK\r\n\r\n")},
                      std::pair{"Switch", std::string("HTTP/1.1 101 Switching Protocols\r\n\r\n")},
                      std::pair{"EndlessHead", "HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'y')},
                      std::pair{"EndlessInterimAnswers",
                                [] {
                                  std::string all;
                                  for (int i = 0; i < 4000; ++i)
                                    all += "HTTP/1.1 100 Continue\r\n\r\n";
                                  return all;
                                }()}),
    [](const auto& info) { return info.param.first; });

TEST(ConnectTest, HeadOf64KibIsTaken) {
  const std::string begin = "HTTP/1.1 200 OK\r\nX: ", end = "\r\n\r\n";
  const std::string fill(64 * 1024 - begin.size() - end.size(), 'y');

  EXPECT_TRUE(Talk(HttpProxy(), {"x", 1}, begin + fill + end).outcome.status.ok());
  EXPECT_FALSE(Talk(HttpProxy(), {"x", 1}, begin + fill + "y" + end).outcome.status.ok());
}

TEST(ConnectTest, EveryBeginningOfAnAnswerWaitsForMore) {
  const std::string answer = "HTTP/1.1 200 Connection established\r\nVia: 1.1 corp\r\n\r\n";
  for (std::size_t size = 0; size < answer.size(); ++size) {
    EXPECT_FALSE(Talk(HttpProxy(), {"x", 1}, answer.substr(0, size)).over) << size;
  }
}

// --- SOCKS5 ---

std::string Bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) out.push_back(static_cast<char>(value));
  return out;
}
std::string Reply(int code) { return Bytes({5, code, 0, 1, 0, 0, 0, 0, 0, 0}); }

TEST(Socks5Test, OffersNoPasswordThatItDoesNotHave) {
  const Conversation talk = Talk(SocksProxy(), {"192.0.2.7", 443}, Bytes({5, 0}) + Reply(0));

  EXPECT_THAT(talk.sent, ElementsAre(Bytes({5, 1, 0}),
                                     Bytes({5, 1, 0, 1, 192, 0, 2, 7, 443 >> 8, 443 & 255})));
  EXPECT_TRUE(talk.outcome.status.ok()) << talk.outcome.status;
  EXPECT_EQ(talk.outcome.summary, "connected");
}

TEST(Socks5Test, SendsItsPasswordWhenAskedForIt) {
  const Conversation talk =
      Talk(WithPassword(SocksProxy()), {"192.0.2.7", 80}, Bytes({5, 2}) + Bytes({1, 0}) + Reply(0));

  EXPECT_THAT(talk.sent, ElementsAre(Bytes({5, 2, 0, 2}), "\x01\x02me\x06s3cret",
                                     Bytes({5, 1, 0, 1, 192, 0, 2, 7, 0, 80})));
  EXPECT_TRUE(talk.outcome.status.ok()) << talk.outcome.status;
}

TEST(Socks5Test, KeepsItsPasswordWhenNobodyAsks) {
  const Conversation talk =
      Talk(WithPassword(SocksProxy()), {"192.0.2.7", 80}, Bytes({5, 0}) + Reply(0));

  EXPECT_THAT(talk.sent,
              ElementsAre(Bytes({5, 2, 0, 2}), Bytes({5, 1, 0, 1, 192, 0, 2, 7, 0, 80})));
}

TEST(Socks5Test, NamesAndIpv6HaveTheirOwnForms) {
  EXPECT_EQ(Talk(SocksProxy(), {"example.org", 443}, Bytes({5, 0})).sent.back(),
            Bytes({5, 1, 0, 3, 11}) + "example.org" + Bytes({1, 187}));
  EXPECT_EQ(Talk(SocksProxy(), {"2001:db8::1", 443}, Bytes({5, 0})).sent.back(),
            Bytes({5, 1, 0, 4, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 187}));
}

class BoundAddressTest : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(BoundAddressTest, IsReadToItsEndAndNoFurther) {
  for (const std::size_t step : {std::size_t{1}, std::size_t{1000}}) {
    const Conversation talk = Talk(SocksProxy(), {"192.0.2.7", 443},
                                   Bytes({5, 0, 5, 0, 0}) + GetParam().second + "inside", step);

    EXPECT_TRUE(talk.outcome.status.ok()) << talk.outcome.status;
    EXPECT_EQ(talk.unread, "inside");
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, BoundAddressTest,
    ::testing::Values(std::pair{"Ipv4", Bytes({1, 10, 0, 0, 1, 4, 56})},
                      std::pair{"Ipv6", Bytes({4}) + std::string(16, '\x11') + Bytes({4, 56})},
                      std::pair{"Name", Bytes({3, 4}) + "name" + Bytes({4, 56})},
                      std::pair{"EmptyName", Bytes({3, 0, 4, 56})},
                      std::pair{"LongName",
                                Bytes({3, 255}) + std::string(255, 'n') + Bytes({4, 56})}),
    [](const auto& info) { return info.param.first; });

struct ReplyCase {
  int code;
  std::string name;
  absl::StatusCode status;
  std::string reason;
  bool other_address_may_work;
};
class ReplyTest : public ::testing::TestWithParam<ReplyCase> {};

TEST_P(ReplyTest, IsNamed) {
  const ReplyCase& expected = GetParam();
  const Conversation talk =
      Talk(SocksProxy(), {"192.0.2.7", 443}, Bytes({5, 0}) + Reply(expected.code));

  EXPECT_EQ(talk.outcome.status.code(), expected.status) << talk.outcome.status;
  EXPECT_EQ(GetReason(talk.outcome.status)->reason, expected.reason);
  EXPECT_EQ(AnswerOf(talk.outcome.status), expected.name);
  EXPECT_EQ(talk.outcome.summary, expected.name);
  EXPECT_EQ(talk.outcome.other_address_may_work, expected.other_address_may_work);
  EXPECT_THAT(MessageOf(talk.outcome.status), Not(HasSubstr("192.0.2.7")));
}
INSTANTIATE_TEST_SUITE_P(
    All, ReplyTest,
    ::testing::Values(
        ReplyCase{1, "general failure", absl::StatusCode::kUnavailable, "PROXY_CONNECT_FAILED",
                  true},
        ReplyCase{2, "not allowed by its rules", absl::StatusCode::kPermissionDenied,
                  "PROXY_DENIED", false},
        ReplyCase{3, "network unreachable", absl::StatusCode::kUnavailable, "PROXY_CONNECT_FAILED",
                  true},
        ReplyCase{4, "host unreachable", absl::StatusCode::kUnavailable, "PROXY_CONNECT_FAILED",
                  true},
        ReplyCase{5, "connection refused", absl::StatusCode::kUnavailable, "PROXY_CONNECT_FAILED",
                  true},
        ReplyCase{6, "TTL expired", absl::StatusCode::kUnavailable, "PROXY_CONNECT_FAILED", true},
        ReplyCase{7, "command not supported", absl::StatusCode::kFailedPrecondition,
                  "PROXY_PROTOCOL_ERROR", false},
        ReplyCase{8, "address type not supported", absl::StatusCode::kFailedPrecondition,
                  "PROXY_PROTOCOL_ERROR", true},
        ReplyCase{9, "a reply that no standard names", absl::StatusCode::kFailedPrecondition,
                  "PROXY_PROTOCOL_ERROR", false}),
    [](const auto& info) { return Concat("Code", info.param.code); });

TEST(Socks5Test, PasswordThatIsMissingOrRefusedIsSaid) {
  const absl::Status missing = Talk(SocksProxy(), {"x", 1}, Bytes({5, 255})).outcome.status;
  const Conversation refused = Talk(WithPassword(SocksProxy()), {"x", 1}, Bytes({5, 2, 1, 1}));

  EXPECT_EQ(GetReason(missing)->reason, "PROXY_AUTH_REQUIRED");
  EXPECT_THAT(MessageOf(missing), HasSubstr("asks for credentials"));
  EXPECT_EQ(GetReason(refused.outcome.status)->reason, "PROXY_AUTH_REQUIRED");
  EXPECT_THAT(MessageOf(refused.outcome.status), HasSubstr("refuses the credentials"));
  EXPECT_THAT(MessageOf(refused.outcome.status), Not(HasSubstr("s3cret")));
  EXPECT_EQ(refused.sent.size(), 2u);  // Nothing is asked for after that.
}

class NoSocksTest : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};

TEST_P(NoSocksTest, IsAnErrorOfTheProxy) {
  const Conversation talk = Talk(WithPassword(SocksProxy()), {"x", 1}, GetParam().second);

  EXPECT_TRUE(talk.over);
  EXPECT_EQ(GetReason(talk.outcome.status)->reason, "PROXY_PROTOCOL_ERROR");
}
INSTANTIATE_TEST_SUITE_P(
    All, NoSocksTest,
    ::testing::Values(std::pair{"Http", std::string("HTTP/1.1 400 Bad Request\r\n\r\n")},
                      std::pair{"Socks4", Bytes({0, 90})},
                      std::pair{"MethodNotOffered", Bytes({5, 1})},
                      std::pair{"PasswordVersion", Bytes({5, 2, 5, 0})},
                      std::pair{"ReplyVersion", Bytes({5, 0, 4, 0, 0, 1, 0})},
                      std::pair{"BoundAddressType", Bytes({5, 0, 5, 0, 0, 2, 0})}),
    [](const auto& info) { return info.param.first; });

TEST(Socks5Test, PasswordIsNotSentToWhoDidNotGetTheOffer) {
  const Conversation talk = Talk(SocksProxy(), {"x", 1}, Bytes({5, 2}));

  EXPECT_EQ(GetReason(talk.outcome.status)->reason, "PROXY_PROTOCOL_ERROR");
  EXPECT_EQ(talk.sent.size(), 1u);
}

TEST(Socks5Test, EveryBeginningOfAnAnswerWaitsForMore) {
  const std::string answer = Bytes({5, 2, 1, 0}) + Reply(0);
  for (std::size_t size = 0; size < answer.size(); ++size) {
    EXPECT_FALSE(Talk(WithPassword(SocksProxy()), {"x", 1}, answer.substr(0, size)).over) << size;
  }
}

}  // namespace
}  // namespace fetchd::net
