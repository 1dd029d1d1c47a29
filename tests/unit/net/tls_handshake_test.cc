// Handshakes that fail, client certificates and pins.
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <string>

#include "net/error.h"
#include "net/tls_error.h"
#include "unit/net/tls_fixture.h"

namespace fetchd::net {
namespace {

using asio::ip::tcp;
using testing::Certificate;
using ::testing::HasSubstr;

class TlsHandshakeTest : public TlsFixture {
 protected:
  TlsHandshakeTest() {
    const std::string ca = authority_.ca_file().string();
    const auto client =
        authority_.certificate().Issue({.common_name = "client"}).Write(folder_.path(), "client");
    const auto strange =
        Certificate::SelfSigned({.common_name = "strange"}).Write(folder_.path(), "strange");
    UseProfiles({{"", {ca}},
                 {"modern", {.ca_file = ca, .min_version = TlsVersion::k13}},
                 {"client", {ca, client.certificate.string(), client.key.string()}},
                 {"strange", {ca, strange.certificate.string(), strange.key.string()}}});
  }
  testing::CertificateFiles Good() { return authority_.Issue("good", {"DNS:good.test"}); }
  TlsServer& ServeClientsOf(int version) {
    return Serve(Good(), {.min_version = version,
                          .max_version = version,
                          .client_ca_file = authority_.ca_file().string()});
  }
  void ExpectFault(const Dialled& stream, const std::string& check, const std::string& says) {
    ExpectError(stream.status(), absl::StatusCode::kUnavailable, "TLS_FAILED", check, says);
  }

  const testing::TempFolder folder_;
  const testing::CertificateAuthority authority_{folder_.path()};
};

TEST_F(TlsHandshakeTest, OldProtocolIsNamed) {
  Serve(Good(), {.max_version = TLS1_1_VERSION});

  ExpectFault(Dial("good.test"), "PROTOCOL_VERSION", "no version of TLS that is allowed");
}

TEST_F(TlsHandshakeTest, ProfileMayAskForTls13) {
  Serve(Good(), {.max_version = TLS1_2_VERSION});
  EXPECT_TRUE(Dial("good.test").ok());
  ExpectFault(Dial("good.test", "modern"), "PROTOCOL_VERSION", "no version of TLS that is allowed");

  Serve(Good());
  EXPECT_TRUE(Dial("good.test", "modern").ok());
}

TEST_F(TlsHandshakeTest, ServerWithoutACipherOfOursIsNamed) {
  Serve(Good(), {.max_version = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-NULL-SHA"});

  ExpectFault(Dial("good.test"), "NO_SHARED_CIPHER", "none of the ciphers");
}

TEST_F(TlsHandshakeTest, ServerThatDoesNotKnowTheNameIsNamed) {
  Serve(Good(), {.knows_no_name = true});

  ExpectFault(Dial("good.test"), "UNKNOWN_NAME", "does not know this host name");
}

TEST_F(TlsHandshakeTest, ProtocolThatWasNotOfferedIsRefused) {
  Serve(Good(), {.insists_on_http2 = true});
  const Dialled stream = Dial("good.test");

  EXPECT_TRUE(absl::IsUnavailable(stream.status())) << stream.status();
  EXPECT_EQ(GetReason(stream.status()).value_or(Reason{}).reason, "TLS_FAILED");
}

Task<absl::Status> AnswerInPlainText(tcp::acceptor& acceptor) {
  tcp::socket socket(acceptor.get_executor());
  co_await acceptor.async_accept(socket, kTuple);
  const std::string answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
  co_await asio::async_write(socket, asio::buffer(answer), kTuple);
  co_return absl::OkStatus();
}

TEST_F(TlsHandshakeTest, PlainHttpServerIsNamed) {
  tcp::acceptor plain(loop_.executor(), {asio::ip::address_v4::loopback(), 0});
  loop_.tasks().Spawn("plain", AnswerInPlainText(plain));
  const DialRequest request{.origin = {"https", "good.test", plain.local_endpoint().port()}};
  const Dialled stream = loop_.Run(dialer_->Dial(request, Deadline::Never(), &record_));

  ExpectFault(stream, "NOT_TLS", "does not speak TLS");
}

TEST_F(TlsHandshakeTest, AddressWithoutTlsIsTriedLastTheNextTime) {
  const TlsServer& good = Serve(Good());
  tcp::acceptor plain(loop_.executor(), {asio::ip::make_address("127.0.0.2"), good.port()});
  loop_.tasks().Spawn("plain", AnswerInPlainText(plain));
  resolver_.Set("good.test", {"127.0.0.2", "127.0.0.1"});
  ExpectFault(Dial("good.test"), "NOT_TLS", "does not speak TLS");

  EXPECT_TRUE(Dial("good.test").ok());
}

TEST_F(TlsHandshakeTest, ClientCertificateIsShownToWhoAsks) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ServeClientsOf(version);
    const Dialled stream = Dial("good.test", "client");

    ASSERT_TRUE(stream.ok()) << stream.status();
    EXPECT_EQ(Read(**stream).second, "hello");
  }
}

TEST_F(TlsHandshakeTest, ClientWithoutACertificateIsToldThatOneIsWanted) {
  ServeClientsOf(TLS1_2_VERSION);

  ExpectError(Dial("good.test").status(), absl::StatusCode::kFailedPrecondition,
              "TLS_CLIENT_CERTIFICATE", "CERTIFICATE_WANTED",
              "the server asks for a client certificate");
}

TEST_F(TlsHandshakeTest, ClientCertificateOfAnotherAuthorityIsRefused) {
  ServeClientsOf(TLS1_2_VERSION);

  ExpectError(Dial("good.test", "strange").status(), absl::StatusCode::kFailedPrecondition,
              "TLS_CLIENT_CERTIFICATE", "CERTIFICATE_REFUSED", "refuses our client certificate");
}

/// In TLS 1.3 the client is done before the server has seen its certificate.
TEST_F(TlsHandshakeTest, Tls13SaysTheSameWithTheFirstRead) {
  ServeClientsOf(TLS1_3_VERSION);
  const Dialled without = Dial("good.test");
  const Dialled strange = Dial("good.test", "strange");
  ASSERT_TRUE(without.ok() && strange.ok());

  const auto wanted = Read(**without).first;
  EXPECT_EQ(wanted, TlsFault::kCertificateWanted);
  EXPECT_EQ(Read(**strange).first, TlsFault::kCertificateRefused);
  const absl::Status status = NetworkError(wanted, Phase::kFirstByte, "good.test:443");
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_EQ(GetReason(status)->reason, "TLS_CLIENT_CERTIFICATE");
}

class TlsPinTest : public TlsHandshakeTest {
 protected:
  TlsPinTest() {
    const testing::Certificate leaf =
        middle_.Issue({.common_name = "leaf", .names = {"DNS:good.test"}});
    files_ = leaf.Write(folder_.path(), "pinned", {&middle_});
    UseProfiles({{"leaf", Pinned({leaf.Pin()})},
                 {"middle", Pinned({middle_.Pin()})},
                 {"root", Pinned({authority_.certificate().Pin()})},
                 {"spare", Pinned({stranger_.Pin(), leaf.Pin()})},
                 {"other", Pinned({stranger_.Pin()})}});
  }
  TlsProfile Pinned(std::vector<std::string> pins) {
    return {.ca_file = authority_.ca_file().string(), .pins = std::move(pins)};
  }

  const Certificate middle_ =
      authority_.certificate().Issue({.common_name = "middle", .authority = true});
  const Certificate stranger_ = Certificate::SelfSigned({.common_name = "stranger"});
  testing::CertificateFiles files_;
};

TEST_F(TlsPinTest, AnyCertificateOfTheChainMayHaveThePinnedKey) {
  Serve(files_);

  for (const char* profile : {"leaf", "middle", "root", "spare"}) {
    const Dialled stream = Dial("good.test", profile);
    EXPECT_TRUE(stream.ok()) << profile << ": " << stream.status();
  }
}

TEST_F(TlsPinTest, ChainWithoutAPinnedKeyIsRefused) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Serve(files_, {.max_version = version});

    // Not at the second time either: no session is kept of a connection that was refused.
    for (int i = 0; i < 2; ++i) {
      ExpectRefused(Dial("good.test", "other"), "PIN_MISMATCH", "key that is pinned");
    }
  }
}

TEST_F(TlsPinTest, PinDoesNotStandInForTrust) {
  const Certificate self =
      Certificate::SelfSigned({.common_name = "self", .names = {"DNS:good.test"}});
  UseProfiles({{"", Pinned({self.Pin()})}});
  Serve(self.Write(folder_.path(), "self"));

  ExpectRefused(Dial("good.test"), "SELF_SIGNED", "self-signed");
}

TEST_F(TlsPinTest, PinnedKeyDoesNotStandInForTheName) {
  Serve(files_);

  ExpectRefused(Dial("other.test", "leaf"), "WRONG_HOST", "other.test");
}

}  // namespace
}  // namespace fetchd::net
