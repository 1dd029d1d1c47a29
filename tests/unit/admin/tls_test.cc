// The admin listener over TLS. Real time: a wait ends when the server does something.
#include "admin/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "admin/listen_address.h"
#include "admin/server.h"
#include "base/strings.h"
#include "support/certificates.h"

namespace fetchd::admin {
namespace {

using asio::ip::tcp;
using boost::system::error_code;
using fetchd::testing::Certificate;
using fetchd::testing::CertificateAuthority;
using fetchd::testing::CertificateFiles;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

class AdminTlsTest : public ::testing::Test {
 protected:
  AdminTlsTest() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "fetchd-admin-tls-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    ours_ = std::make_unique<CertificateAuthority>(folder_);
    Use("first");
  }
  ~AdminTlsTest() override {
    server_.reset();
    runtime_.Stop();
    std::filesystem::remove_all(folder_);
  }

  /// The server's files are what this certificate's are.
  void Use(const std::string& stem) {
    const CertificateFiles files = ours_->Issue(stem, {"IP:127.0.0.1"});
    for (const auto& [from, to] :
         {std::pair(files.certificate, "now.pem"), std::pair(files.key, "now.key")}) {
      std::filesystem::copy_file(from, folder_ / "next");
      std::filesystem::rename(folder_ / "next", folder_ / to);
    }
  }
  ServerTls Tls() const {
    return {.certificate_file = folder_ / "now.pem", .key_file = folder_ / "now.key"};
  }
  void Start(ServerTls tls, Duration request_timeout = 10s) {
    auto started = Server::Start(
        {runtime_, clock_, drain_signal_, log_, metrics_},
        {.listen = "127.0.0.1:0", .tls = std::move(tls), .request_timeout = request_timeout});
    ASSERT_TRUE(started.ok()) << started.status();
    server_ = *std::move(started);
  }

  /// What a client got, who trusts our authority.
  struct Got {
    std::string answer;
    std::string certificate;  ///< The server's, PEM.
  };
  Got Get(const std::string& target, const std::optional<CertificateFiles>& own = std::nullopt,
          int newest = TLS1_3_VERSION) {
    asio::ssl::context trust(asio::ssl::context::tls_client);
    trust.load_verify_file(ours_->ca_file().string());
    trust.set_verify_mode(asio::ssl::verify_peer);
    SSL_CTX_set_max_proto_version(trust.native_handle(), newest);
    if (own) {
      trust.use_certificate_chain_file(own->certificate.string());
      trust.use_private_key_file(own->key.string(), asio::ssl::context::pem);
    }
    asio::io_context context;
    asio::ssl::stream<tcp::socket> stream(context, trust);
    stream.next_layer().connect(*ParseListenAddress(server_->address()));
    Got got;
    error_code error;
    stream.handshake(asio::ssl::stream_base::client, error);
    if (error) return got;
    got.certificate = PemOf(stream);
    asio::write(stream,
                asio::buffer(Concat("GET ", target, " HTTP/1.1\r\nConnection: close\r\n\r\n")),
                error);
    asio::read(stream, asio::dynamic_buffer(got.answer), error);
    stream.shutdown(error);
    return got;
  }

  RealClock clock_;
  telemetry::Metrics metrics_{clock_};
  runtime::DrainSignal drain_signal_;
  std::atomic<int> log_lines_{0};
  telemetry::Logger log_{telemetry::LogConfig(),
                         [this](std::string_view) {
                           ++log_lines_;
                           log_lines_.notify_all();
                         },
                         [] { return WallTime(); }};
  runtime::Runtime runtime_{runtime::RuntimeConfig{.shards = 1, .blocking_threads = 1}};
  std::filesystem::path folder_;
  std::unique_ptr<CertificateAuthority> ours_;
  std::unique_ptr<Server> server_;

 private:
  static std::string PemOf(asio::ssl::stream<tcp::socket>& stream) {
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(
        SSL_get1_peer_certificate(stream.native_handle()), &X509_free);
    const std::unique_ptr<BIO, decltype(&BIO_free)> out(BIO_new(BIO_s_mem()), &BIO_free);
    PEM_write_bio_X509(out.get(), certificate.get());
    char* text = nullptr;
    const auto size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
  }
};

TEST_F(AdminTlsTest, EverybodyIsAnsweredWhereNoCertificateIsAskedFor) {
  Start(Tls());

  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    EXPECT_THAT(Get("/livez", std::nullopt, version).answer, EndsWith("\r\n\r\nok"));
    EXPECT_THAT(Get("/metrics", std::nullopt, version).answer, StartsWith("HTTP/1.1 200 "));
  }
}

TEST_F(AdminTlsTest, OlderVersionsAreRefused) {
  Start(Tls());

  EXPECT_EQ(Get("/livez", std::nullopt, TLS1_1_VERSION).certificate, "");
}

TEST_F(AdminTlsTest, MetricsAreForWhoShowsACertificateAndHealthIsForAll) {
  ServerTls tls = Tls();
  tls.client_ca_file = ours_->ca_file();
  Start(std::move(tls));
  const CertificateFiles client = ours_->Issue("client", {"DNS:prometheus.test"});

  EXPECT_THAT(Get("/metrics", client).answer, StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/metrics").answer,
              ::testing::AllOf(StartsWith("HTTP/1.1 403 "), HasSubstr("certificate is needed")));
  EXPECT_THAT(Get("/metrics?a").answer, StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(Get("/readyz").answer, StartsWith("HTTP/1.1 200 "));
}

TEST_F(AdminTlsTest, ACertificateOfAnotherAuthorityIsRefused) {
  ServerTls tls = Tls();
  tls.client_ca_file = ours_->ca_file();
  Start(std::move(tls));
  std::filesystem::create_directory(folder_ / "other");
  const CertificateAuthority other(folder_ / "other");

  EXPECT_EQ(Get("/metrics", other.Issue("client", {"DNS:prometheus.test"})).answer, "");
  EXPECT_EQ(Get("/livez", ours_->Issue("old", {"DNS:prometheus.test"}, /*expired=*/true)).answer,
            "");
}

TEST_F(AdminTlsTest, ANewCertificateIsServedWithoutARestart) {
  ServerTls tls = Tls();
  tls.reload_interval = 5ms;
  Start(std::move(tls));
  const std::string first = Get("/livez").certificate;

  Use("second");

  const auto deadline = std::chrono::steady_clock::now() + 20s;
  std::string now = first;
  while (now == first && std::chrono::steady_clock::now() < deadline) {
    now = Get("/livez").certificate;
  }
  EXPECT_NE(now, first);
  EXPECT_NE(now, "");
}

TEST_F(AdminTlsTest, FilesThatAreOfNoUseLeaveWhatWasThereAndAreToldOnce) {
  ServerTls tls = Tls();
  tls.reload_interval = 5ms;
  Start(std::move(tls));
  const std::string first = Get("/livez").certificate;

  std::ofstream(folder_ / "next") << "no key";
  std::filesystem::rename(folder_ / "next", folder_ / "now.key");
  log_lines_.wait(0);

  EXPECT_EQ(Get("/livez").certificate, first);
  EXPECT_EQ(log_lines_, 1);
}

TEST_F(AdminTlsTest, FilesThatAreOfNoUseAreNamed) {
  const auto error = [](const ServerTls& tls) { return MessageOf(LoadTls(tls).status()); };
  ServerTls tls = Tls();
  tls.certificate_file = folder_ / "absent";
  EXPECT_THAT(error(tls), StartsWith("admin.tls.certificate_file: cannot use "));
  tls = Tls();
  tls.key_file = ours_->Issue("another", {"IP:127.0.0.1"}).key;
  EXPECT_THAT(error(tls), StartsWith("admin.tls.key_file: cannot use "));
  std::ofstream(folder_ / "locked.key") << ours_->certificate().KeyPem("passphrase");
  tls.key_file = folder_ / "locked.key";
  EXPECT_THAT(error(tls), StartsWith("admin.tls.key_file: cannot use "));
  tls = Tls();
  tls.client_ca_file = folder_ / "now.key";
  EXPECT_THAT(error(tls), StartsWith("admin.tls.client_ca_file: cannot use "));
}

TEST_F(AdminTlsTest, WhoSaysNothingOrSpeaksPlainTextIsCutOff) {
  Start(Tls(), 100ms);
  asio::io_context context;
  for (const std::string_view said : {"", "GET /livez HTTP/1.1\r\n\r\n"}) {
    tcp::socket socket(context);
    socket.connect(*ParseListenAddress(server_->address()));
    asio::write(socket, asio::buffer(said));
    std::string got;
    error_code error;

    asio::read(socket, asio::dynamic_buffer(got), error);

    EXPECT_TRUE(error) << "the connection has ended";
    EXPECT_THAT(got, ::testing::Not(HasSubstr("HTTP")));
  }
}

}  // namespace
}  // namespace fetchd::admin
