#include "net/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/dialer.h"
#include "support/certificates.h"
#include "support/manual_clock.h"
#include "unit/net/fixed_resolver.h"
#include "unit/net/loop.h"

namespace fetchd::net {
namespace {

using namespace std::chrono_literals;
using asio::ip::tcp;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Dialled = absl::StatusOr<std::unique_ptr<Stream>>;

/// Accepts TLS and sends what it is told, one connection after the other.
class TlsServer {
 public:
  enum class End { kStayOpen, kCloseNotify, kCut };
  struct Script {
    std::string greeting = "hello";
    End end = End::kStayOpen;
  };

  TlsServer(const asio::any_io_executor& executor, const testing::CertificateFiles& files,
            int max_version = TLS1_3_VERSION)
      : acceptor_(executor, {asio::ip::address_v4::loopback(), 0}),
        context_(asio::ssl::context::tls_server) {
    context_.use_certificate_chain_file(files.certificate.string());
    context_.use_private_key_file(files.key.string(), asio::ssl::context::pem);
    SSL_CTX_set_max_proto_version(context_.native_handle(), max_version);
    constexpr unsigned char kId[] = "test";
    SSL_CTX_set_session_id_context(context_.native_handle(), kId, sizeof kId);
  }

  Script script;
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int handshakes() const { return handshakes_; }
  void Say(const std::string& text) { asio::write(open_.back(), asio::buffer(text)); }

  Task<absl::Status> Serve() {
    while (true) {
      auto [accept_error, socket] = co_await acceptor_.async_accept(kTuple);
      if (accept_error) continue;
      auto& stream = open_.emplace_back(std::move(socket), context_);
      const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::server, kTuple);
      if (error) continue;
      co_await asio::async_write(stream, asio::buffer(script.greeting), kTuple);
      if (script.end == End::kCloseNotify) {
        co_await stream.async_shutdown(kTuple);  // Until the client closes, too.
      } else if (script.end == End::kCut) {
        stream.next_layer().shutdown(tcp::socket::shutdown_send);
      }
      ++handshakes_;
    }
  }

 private:
  tcp::acceptor acceptor_;
  asio::ssl::context context_;
  std::list<asio::ssl::stream<tcp::socket>> open_;
  int handshakes_ = 0;
};

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() : folder_(MakeFolder()), authority_(folder_) {
    resolver_.Set("good.test", {"127.0.0.1"});
    resolver_.Set("other.test", {"127.0.0.1"});
    const std::string ca = authority_.ca_file().string();
    UseProfiles({{"", {ca}}, {"second", {ca}}, {"strangers", {}}});
  }
  ~TlsTest() override {
    loop_.Stop();
    std::filesystem::remove_all(folder_);
  }

  static std::filesystem::path MakeFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "tls_test.XXXXXX").string();
    return mkdtemp(name.data());
  }
  void UseProfiles(std::map<std::string, TlsProfile> profiles) {
    egress::PolicyConfig policy;
    policy.allow = {"127.0.0.0/8"};
    dialer_ = MakeDialer(loop_.executor(), clock_, resolver_, *egress::Policy::Create(policy),
                         *TlsContexts::Create(std::move(profiles)));
  }
  TlsServer& Serve(const testing::CertificateFiles& files, int max_version = TLS1_3_VERSION) {
    servers_.push_back(std::make_unique<TlsServer>(loop_.executor(), files, max_version));
    loop_.tasks().Spawn("server", servers_.back()->Serve());
    return *servers_.back();
  }
  testing::CertificateFiles Good() { return authority_.Issue("good", {"DNS:good.test"}); }

  Dialled Dial(const std::string& host, const std::string& profile = "") {
    DialRequest request{.origin = {"https", host, servers_.back()->port()}, .tls_profile = profile};
    return loop_.Run(dialer_->Dial(request, Deadline::Never(), &record_));
  }
  /// Dials, reads the greeting, closes; true when the session was resumed.
  bool Visit(const std::string& host, const std::string& profile = "") {
    const Dialled stream = Dial(host, profile);
    EXPECT_TRUE(stream.ok()) << stream.status();
    if (!stream.ok()) return false;
    EXPECT_EQ(Read(**stream).second, "hello");
    return record_.tls_resumed;
  }
  std::pair<boost::system::error_code, std::string> Read(Stream& stream) {
    std::string text(100, '\0');
    const IoResult got = loop_.Run(stream.ReadSome(std::as_writable_bytes(std::span(text))));
    text.resize(got.bytes);
    return {got.error, text};
  }
  void ExpectRefused(const Dialled& stream, const std::string& check, const std::string& says) {
    EXPECT_TRUE(absl::IsFailedPrecondition(stream.status())) << stream.status();
    ASSERT_TRUE(GetReason(stream.status()).has_value());
    EXPECT_EQ(GetReason(stream.status())->reason, "TLS_VERIFY_FAILED");
    EXPECT_EQ(GetReason(stream.status())->metadata.front(), std::pair(std::string("check"), check));
    EXPECT_THAT(MessageOf(stream.status()), HasSubstr(says));
    EXPECT_EQ(record_.failed_phase, Phase::kTls);
  }

  const std::filesystem::path folder_;
  const testing::CertificateAuthority authority_;
  testing::ManualClock clock_;
  Loop loop_;
  FixedResolver resolver_;
  std::vector<std::unique_ptr<TlsServer>> servers_;  ///< Clients go to the last.
  std::unique_ptr<Dialer> dialer_;
  DialRecord record_;
};

TEST_F(TlsTest, GoodCertificateIsAcceptedAndDescribed) {
  Serve(Good());
  const Dialled stream = Dial("good.test");

  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_THAT((*stream)->tls_description(), StartsWith("TLSv1.3 TLS_"));
  EXPECT_EQ(record_.tls_description, (*stream)->tls_description());
  EXPECT_FALSE(record_.tls_resumed);
}

TEST_F(TlsTest, IpLiteralNeedsAnIpName) {
  Serve(authority_.Issue("ip", {"IP:127.0.0.1"}));
  EXPECT_TRUE(Dial("127.0.0.1").ok());
  ExpectRefused(Dial("good.test"), "WRONG_HOST", "good.test");

  Serve(Good());
  ExpectRefused(Dial("127.0.0.1"), "WRONG_HOST", "127.0.0.1");
}

TEST_F(TlsTest, ExpiredCertificateIsRefused) {
  Serve(authority_.Issue("expired", {"DNS:good.test"}, /*expired=*/true));

  ExpectRefused(Dial("good.test"), "EXPIRED", "expired");
}

TEST_F(TlsTest, CertificateOfAnotherHostIsRefused) {
  Serve(Good());

  ExpectRefused(Dial("other.test"), "WRONG_HOST", "other.test");
}

TEST_F(TlsTest, IssuerThatTheProfileDoesNotTrustIsRefused) {
  Serve(Good());

  ExpectRefused(Dial("good.test", "strangers"), "UNKNOWN_ISSUER", "unknown issuer");
}

TEST_F(TlsTest, SessionIsResumedForTheSameHostAndProfileOnly) {
  Serve(authority_.Issue("both", {"DNS:good.test", "DNS:other.test"}));

  EXPECT_FALSE(Visit("good.test"));
  EXPECT_TRUE(Visit("good.test"));
  EXPECT_FALSE(Visit("other.test"));
  EXPECT_FALSE(Visit("good.test", "second"));
  EXPECT_TRUE(Visit("good.test", "second"));
}

TEST_F(TlsTest, SessionNeverStandsInForAnotherProfilesTrust) {
  Serve(Good());
  Visit("good.test");

  ExpectRefused(Dial("good.test", "strangers"), "UNKNOWN_ISSUER", "unknown issuer");
}

TEST_F(TlsTest, Tls12SessionIsResumedMoreThanOnce) {
  Serve(Good(), TLS1_2_VERSION);

  EXPECT_FALSE(Visit("good.test"));
  EXPECT_TRUE(Visit("good.test"));
  EXPECT_TRUE(Visit("good.test"));
  EXPECT_THAT(record_.tls_description, StartsWith("TLSv1.2 "));
}

TEST_F(TlsTest, OldProtocolIsAFailureOfTheNetworkNotOfTheCertificate) {
  Serve(Good(), TLS1_1_VERSION);
  const Dialled stream = Dial("good.test");

  EXPECT_TRUE(absl::IsUnavailable(stream.status())) << stream.status();
  EXPECT_EQ(GetReason(stream.status())->reason, "TLS_FAILED");
}

TEST_F(TlsTest, SessionTicketDoesNotMakeAConnectionStale) {
  TlsServer& server = Serve(Good());
  server.script.greeting = "";
  const Dialled stream = Dial("good.test");
  ASSERT_TRUE(stream.ok()) << stream.status();
  loop_.RunUntil([&] { return server.handshakes() == 1; });  // Its tickets are underway.
  EXPECT_FALSE((*stream)->IsStale());
  EXPECT_FALSE((*stream)->IsStale());

  server.Say("unasked");
  while (!(*stream)->IsStale()) loop_.Poll();  // The kernel may take its time.
}

TEST_F(TlsTest, EndWithCloseNotifyIsEof) {
  Serve(Good()).script.end = TlsServer::End::kCloseNotify;
  const Dialled stream = Dial("good.test");
  ASSERT_TRUE(stream.ok()) << stream.status();

  EXPECT_EQ(Read(**stream).second, "hello");
  EXPECT_EQ(Read(**stream).first, asio::error::eof);
  EXPECT_TRUE((*stream)->IsStale());
}

TEST_F(TlsTest, EndWithoutCloseNotifyIsTruncation) {
  Serve(Good()).script.end = TlsServer::End::kCut;
  const Dialled stream = Dial("good.test");
  ASSERT_TRUE(stream.ok()) << stream.status();

  EXPECT_EQ(Read(**stream).second, "hello");
  EXPECT_EQ(Read(**stream).first, asio::ssl::error::stream_truncated);
  EXPECT_TRUE((*stream)->IsStale());
}

TEST_F(TlsTest, CloseEndsAReadInProgress) {
  Serve(Good());
  const Dialled stream = Dial("good.test");
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(Read(**stream).second, "hello");
  std::byte byte;
  std::optional<IoResult> result;
  loop_.Start((*stream)->ReadSome(std::span(&byte, 1)), &result);
  loop_.Poll();
  EXPECT_FALSE(result);

  (*stream)->Close();
  (*stream)->Close();
  loop_.RunUntil([&] { return result.has_value(); });
  EXPECT_EQ(result->error, asio::error::operation_aborted);
}

TEST_F(TlsTest, SilentServerEndsInATlsTimeout) {
  tcp::acceptor silent(loop_.executor(), {asio::ip::address_v4::loopback(), 0});
  DialRequest request{.origin = {"https", "good.test", silent.local_endpoint().port()}};
  std::optional<Dialled> stream;
  loop_.Start(dialer_->Dial(request, Deadline::Never(), &record_), &stream);
  loop_.RunUntil([&] {
    return clock_.NextWakeAt() == clock_.Now() + request.timeouts.tls && !record_.tries.empty();
  });

  clock_.Advance(request.timeouts.tls);
  loop_.RunUntil([&] { return stream.has_value(); });
  EXPECT_TRUE(absl::IsDeadlineExceeded(stream->status())) << stream->status();
  EXPECT_THAT(MessageOf(stream->status()), HasSubstr("TLS timed out"));
}

TEST(TlsContextsTest, DefaultProfileIsAlwaysThere) {
  const auto contexts = TlsContexts::Create({{"extra", {}}});

  ASSERT_TRUE(contexts.ok()) << contexts.status();
  EXPECT_TRUE((*contexts)->Has(""));
  EXPECT_TRUE((*contexts)->Has("extra"));
  EXPECT_FALSE((*contexts)->Has("missing"));
}

TEST(TlsContextsTest, UnreadableCaFileIsNamedWithItsProfile) {
  const auto contexts = TlsContexts::Create({{"corp", {"/nonexistent/ca.pem"}}});

  EXPECT_TRUE(absl::IsInvalidArgument(contexts.status()));
  EXPECT_THAT(MessageOf(contexts.status()), HasSubstr("corp"));
  EXPECT_THAT(MessageOf(contexts.status()), HasSubstr("/nonexistent/ca.pem"));
}

}  // namespace
}  // namespace fetchd::net
