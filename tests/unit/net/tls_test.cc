#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/error.hpp>
#include <optional>
#include <string>

#include "unit/net/tls_fixture.h"

namespace fetchd::net {
namespace {

using asio::ip::tcp;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class TlsTest : public TlsFixture {
 protected:
  TlsTest() {
    const std::string ca = authority_.ca_file().string();
    UseProfiles({{"", {ca}}, {"second", {ca}}, {"strangers", {}}});
  }
  testing::CertificateFiles Good() { return authority_.Issue("good", {"DNS:good.test"}); }

  const testing::TempFolder folder_;
  const testing::CertificateAuthority authority_{folder_.path()};
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

TEST_F(TlsTest, OneReadTakesAllRecordsThatHaveCome) {
  TlsServer& server = Serve(Good());
  const Dialled stream = Dial("good.test");
  ASSERT_TRUE(stream.ok()) << stream.status();
  EXPECT_EQ(Read(**stream).second, "hello");
  const std::size_t record_bytes = 4 + 22;  // RFC 8446 5.2
  server.Say("one ");
  server.Say("two ");
  while ((*stream)->Available() < 2 * record_bytes) loop_.Poll();  // The kernel may take its time.

  EXPECT_EQ(Read(**stream).second, "one two ");
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
  TlsServer& server = Serve(Good());
  server.script.end = TlsServer::End::kCut;
  const Dialled stream = Dial("good.test");
  ASSERT_TRUE(stream.ok()) << stream.status();
  loop_.RunUntil([&] { return server.handshakes() == 1; });  // Bytes and end come together.

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

}  // namespace
}  // namespace fetchd::net
