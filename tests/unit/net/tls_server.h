// A TLS server on the test's loop.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <list>
#include <string>

#include "base/task.h"
#include "support/certificates.h"

namespace fetchd::net {

/// Accepts TLS and sends what it is told, one connection after the other. All servers of a process
/// can resume each other's sessions.
class TlsServer {
 public:
  struct Options {
    int min_version = TLS1_VERSION;
    int max_version = TLS1_3_VERSION;
    std::string ciphers = "ALL";    ///< Of TLS 1.2 and before.
    std::string client_ca_file;     ///< Not empty: the client must show a certificate of it.
    bool knows_no_name = false;     ///< Refuses every SNI.
    bool insists_on_http2 = false;  ///< By ALPN, whether it was offered or not.
    asio::ip::address address = asio::ip::address_v4::loopback();
    std::uint16_t port = 0;
  };
  enum class End { kStayOpen, kCloseNotify, kCut };
  struct Script {
    std::string greeting = "hello";
    End end = End::kStayOpen;
  };

  TlsServer(const asio::any_io_executor& executor, const testing::CertificateFiles& files,
            const Options& options)
      : acceptor_(executor, {options.address, options.port}),
        context_(asio::ssl::context::tls_server) {
    SSL_CTX* ctx = context_.native_handle();
    SSL_CTX_set_security_level(ctx, 0);  // It serves the bad and the old, too.
    context_.use_certificate_chain_file(files.certificate.string());
    context_.use_private_key_file(files.key.string(), asio::ssl::context::pem);
    SSL_CTX_set_min_proto_version(ctx, options.min_version);
    SSL_CTX_set_max_proto_version(ctx, options.max_version);
    EXPECT_EQ(SSL_CTX_set_cipher_list(ctx, options.ciphers.c_str()), 1);
    constexpr unsigned char kId[] = "test";
    SSL_CTX_set_session_id_context(ctx, kId, sizeof kId);
    std::array<unsigned char, 80> ticket_keys{};
    SSL_CTX_set_tlsext_ticket_keys(ctx, ticket_keys.data(), ticket_keys.size());
    if (!options.client_ca_file.empty()) {
      context_.load_verify_file(options.client_ca_file);
      context_.set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert);
    }
    if (options.knows_no_name) SSL_CTX_set_tlsext_servername_callback(ctx, &RefuseName);
    if (options.insists_on_http2) SSL_CTX_set_alpn_select_cb(ctx, &ChooseHttp2, nullptr);
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
        stream.next_layer().shutdown(asio::ip::tcp::socket::shutdown_send);
      }
      ++handshakes_;
    }
  }

 private:
  static int RefuseName(SSL*, int* alert, void*) {
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  static int ChooseHttp2(SSL*, const unsigned char** chosen, unsigned char* size,
                         const unsigned char*, unsigned, void*) {
    *chosen = reinterpret_cast<const unsigned char*>("h2");
    *size = 2;
    return SSL_TLSEXT_ERR_OK;
  }

  asio::ip::tcp::acceptor acceptor_;
  asio::ssl::context context_;
  std::list<asio::ssl::stream<asio::ip::tcp::socket>> open_;
  int handshakes_ = 0;
};

}  // namespace fetchd::net
