// Which connections resume a session, in either version of the protocol.
#include <chrono>
#include <string>

#include "unit/net/tls_fixture.h"

namespace fetchd::net {
namespace {

using namespace std::chrono_literals;
using ::testing::StartsWith;

/// The parameter is the protocol's version.
class TlsResumptionTest : public TlsFixture, public ::testing::WithParamInterface<int> {
 protected:
  TlsResumptionTest() {
    const std::string ca = authority_.ca_file().string();
    UseProfiles({{"", {ca}}, {"second", {ca}}, {"strangers", {}}});
  }
  TlsServer& ServeAt(const std::string& address, std::uint16_t port = 0) {
    return Serve(
        files_,
        {.max_version = GetParam(), .address = asio::ip::make_address(address), .port = port});
  }

  const testing::TempFolder folder_;
  const testing::CertificateAuthority authority_{folder_.path()};
  const testing::CertificateFiles files_ =
      authority_.Issue("both", {"DNS:good.test", "DNS:other.test"});
};

TEST_P(TlsResumptionTest, TheSameServerIsMetAgainAndAgain) {
  ServeAt("127.0.0.1");

  EXPECT_FALSE(Visit("good.test"));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Visit("good.test"));
  EXPECT_THAT(record_.tls_description,
              StartsWith(GetParam() == TLS1_2_VERSION ? "TLSv1.2 " : "TLSv1.3 "));
}

TEST_P(TlsResumptionTest, NotForAnotherHost) {
  ServeAt("127.0.0.1");
  Visit("good.test");

  EXPECT_FALSE(Visit("other.test"));
}

TEST_P(TlsResumptionTest, NotForAnotherProfile) {
  ServeAt("127.0.0.1");
  Visit("good.test");

  EXPECT_FALSE(Visit("good.test", "second"));
  EXPECT_TRUE(Visit("good.test", "second"));
}

TEST_P(TlsResumptionTest, NotForAnotherPort) {
  ServeAt("127.0.0.1");
  Visit("good.test");
  ServeAt("127.0.0.1");

  EXPECT_FALSE(Visit("good.test"));
}

TEST_P(TlsResumptionTest, NotAtAnotherAddress) {
  const TlsServer& first = ServeAt("127.0.0.1");
  ServeAt("127.0.0.2", first.port());
  Visit("good.test");
  resolver_.Set("good.test", {"127.0.0.2"});

  EXPECT_FALSE(Visit("good.test"));
  EXPECT_TRUE(Visit("good.test"));
}

TEST_P(TlsResumptionTest, NeverStandsInForAnotherProfilesTrust) {
  ServeAt("127.0.0.1");
  Visit("good.test");

  ExpectRefused(Dial("good.test", "strangers"), "UNKNOWN_ISSUER", "unknown issuer");
}

TEST_P(TlsResumptionTest, NothingIsKeptOfARefusedConnection) {
  ServeAt("127.0.0.1");
  resolver_.Set("third.test", {"127.0.0.1"});

  for (int i = 0; i < 2; ++i) {
    ExpectRefused(Dial("third.test"), "WRONG_HOST", "third.test");
    ExpectRefused(Dial("good.test", "strangers"), "UNKNOWN_ISSUER", "unknown issuer");
  }
}

TEST_P(TlsResumptionTest, CertificateIsLookedAtAgainAfterAnHourHoweverOftenItWasResumed) {
  ServeAt("127.0.0.1");
  EXPECT_FALSE(Visit("good.test"));
  clock_.Advance(59min);
  EXPECT_TRUE(Visit("good.test"));

  clock_.Advance(1min);
  EXPECT_FALSE(Visit("good.test"));
  clock_.Advance(59min);
  EXPECT_TRUE(Visit("good.test"));
}

INSTANTIATE_TEST_SUITE_P(Version, TlsResumptionTest,
                         ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION), [](const auto& each) {
                           return each.param == TLS1_2_VERSION ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace fetchd::net
