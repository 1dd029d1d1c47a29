#include "net/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "net/error.h"

namespace fetchd::net {

namespace {

using asio::ip::tcp;
using boost::system::error_code;

// --- A BIO over tcp::socket. OpenSSL's own socket BIO raises SIGPIPE. ---

int Descriptor(BIO* bio) { return static_cast<tcp::socket*>(BIO_get_data(bio))->native_handle(); }

int Settle(BIO* bio, ssize_t result, int retry_flags) {
  BIO_clear_retry_flags(bio);
  if (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
    BIO_set_flags(bio, retry_flags | BIO_FLAGS_SHOULD_RETRY);
  }
  return static_cast<int>(result);
}

int BioRead(BIO* bio, char* out, int size) {
  const ssize_t got = recv(Descriptor(bio), out, static_cast<std::size_t>(size), MSG_DONTWAIT);
  return Settle(bio, got, BIO_FLAGS_READ);
}

int BioWrite(BIO* bio, const char* bytes, int size) {
  const ssize_t sent =
      send(Descriptor(bio), bytes, static_cast<std::size_t>(size), MSG_DONTWAIT | MSG_NOSIGNAL);
  return Settle(bio, sent, BIO_FLAGS_WRITE);
}

long BioControl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* SocketBioMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tcp::socket");
    FETCHD_CHECK(made != nullptr);
    BIO_meth_set_read(made, &BioRead);
    BIO_meth_set_write(made, &BioWrite);
    BIO_meth_set_ctrl(made, &BioControl);
    return made;
  }();
  return method;
}

// --- The stream ---

/// By ALPN; empty when the server declined to choose.
std::string_view ChosenProtocol(const SSL* ssl) {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

class TlsStream final : public Stream {
 public:
  TlsStream(tcp::socket socket, tcp::endpoint peer, SslPtr ssl)
      : socket_(std::move(socket)), peer_(std::move(peer)), ssl_(std::move(ssl)) {
    BIO* bio = BIO_new(SocketBioMethod());
    FETCHD_CHECK(bio != nullptr);
    BIO_set_data(bio, &socket_);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
  }
  ~TlsStream() override { TlsStream::Close(); }

  Task<error_code> Handshake() {
    const IoResult result = co_await Drive([this] { return SSL_do_handshake(ssl_.get()); });
    co_return result.error;
  }

  Task<IoResult> ReadSome(std::span<std::byte> out) override {
    std::size_t bytes = 0;
    IoResult result =
        co_await Drive([&] { return SSL_read_ex(ssl_.get(), out.data(), out.size(), &bytes); });
    if (!result.error) result.bytes = bytes;
    co_return result;
  }

  Task<IoResult> WriteAll(std::span<const std::byte> bytes) override {
    IoResult total;
    while (total.bytes < bytes.size()) {
      const std::span<const std::byte> rest = bytes.subspan(total.bytes);
      std::size_t written = 0;
      const IoResult step = co_await Drive(
          [&] { return SSL_write_ex(ssl_.get(), rest.data(), rest.size(), &written); });
      total.error = step.error;
      if (step.error) break;
      total.bytes += written;
    }
    co_return total;
  }

  void Close() noexcept override {
    if (!socket_.is_open()) return;
    // A close_notify, if the socket takes it at once: OpenSSL drops the session of a connection
    // that ends without one.
    if (!broken_ && SSL_is_init_finished(ssl_.get())) SSL_shutdown(ssl_.get());
    ERR_clear_error();
    error_code ignored;  // close(2) frees the descriptor in any case.
    socket_.close(ignored);
  }

  bool IsStale() noexcept override {
    if (broken_ || !socket_.is_open()) return true;
    // Takes in what is not application data, such as a session ticket that came late.
    std::byte next;
    std::size_t bytes = 0;
    ERR_clear_error();
    const int result = SSL_peek_ex(ssl_.get(), &next, sizeof next, &bytes);
    return result == 1 || SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ;
  }

  std::size_t Available() noexcept override {
    error_code none;  // A socket that cannot say has nothing to give.
    return static_cast<std::size_t>(SSL_pending(ssl_.get())) + socket_.available(none);
  }

  const tcp::endpoint& peer() const override { return peer_; }
  std::string tls_description() const override {
    return Concat(std::string_view(SSL_get_version(ssl_.get())), " ",
                  std::string_view(SSL_get_cipher_name(ssl_.get())));
  }

  bool speaks_http2() const override { return ChosenProtocol(ssl_.get()) == "h2"; }

  SSL* ssl() const { return ssl_.get(); }

 private:
  /// Calls `step` until it is done or failed, waiting for the socket as OpenSSL asks.
  template <typename Step>
  Task<IoResult> Drive(Step step) {
    while (true) {
      if (!socket_.is_open()) co_return IoResult{asio::error::operation_aborted};
      ERR_clear_error();
      errno = 0;
      const int result = step();
      if (result == 1) {
        co_await YieldNowAndThen();
        co_return IoResult{};
      }
      std::optional<tcp::socket::wait_type> wait;
      const error_code failed = Classify(SSL_get_error(ssl_.get(), result), &wait);
      if (!wait) co_return IoResult{failed};
      immediate_ = 0;
      const auto [error] = co_await socket_.async_wait(*wait, kTuple);
      if (error) co_return IoResult{error};
    }
  }

  /// Sets `*wait` when the call is to be repeated.
  error_code Classify(int ssl_error, std::optional<tcp::socket::wait_type>* wait) {
    switch (ssl_error) {
      case SSL_ERROR_WANT_READ:
        *wait = tcp::socket::wait_read;
        return {};
      case SSL_ERROR_WANT_WRITE:
        *wait = tcp::socket::wait_write;
        return {};
      case SSL_ERROR_ZERO_RETURN:
        return asio::error::eof;
      default:
        broken_ = true;
        return Broken();
    }
  }

  static error_code Broken() {
    const unsigned long code = ERR_peek_error();
    if (code == 0 && errno != 0) return {errno, boost::system::system_category()};
    if (code == 0 || ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
      return asio::ssl::error::stream_truncated;
    }
    return {static_cast<int>(code), asio::error::get_ssl_category()};
  }

  /// A fast peer would keep this task from ever leaving the thread to others.
  Task<void> YieldNowAndThen() {
    constexpr int kMaxImmediate = 16;
    if (++immediate_ < kMaxImmediate) co_return;
    immediate_ = 0;
    co_await asio::post(socket_.get_executor(), asio::use_awaitable);
  }

  tcp::socket socket_;
  const tcp::endpoint peer_;
  SslPtr ssl_;
  bool broken_ = false;  ///< After a fatal error OpenSSL forbids any further call.
  int immediate_ = 0;
};

// --- Errors of the handshake ---

struct Refusal {
  const char* check;
  std::string message;
};

Refusal RefusalFor(long verify_result, const std::string& host) {
  switch (verify_result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return {"EXPIRED", "the certificate has expired"};
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return {"NOT_YET_VALID", "the certificate is not valid yet"};
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return {"WRONG_HOST", Concat("wrong host: the certificate does not name ", host)};
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return {"SELF_SIGNED", "the certificate is self-signed"};
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return {"UNKNOWN_ISSUER", "unknown issuer: the chain ends in a root that is not trusted"};
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return {"UNKNOWN_ISSUER", "unknown issuer: no trusted certificate signed this one"};
    default:
      return {"OTHER", X509_verify_cert_error_string(verify_result)};
  }
}

absl::Status HandshakeError(const error_code& error, const SSL* ssl, const std::string& host,
                            const std::string& peer_name) {
  const long verified = SSL_get_verify_result(ssl);
  if (verified == X509_V_OK) return NetworkError(error, Phase::kTls, peer_name);
  const Refusal refusal = RefusalFor(verified, host);
  return WithReason(absl::FailedPreconditionError(Concat("TLS ", peer_name, ": ", refusal.message)),
                    {"TLS_VERIFY_FAILED", {{"check", refusal.check}, {"peer", peer_name}}});
}

/// A server may decline ALPN, but not choose what was not offered.
bool AcceptableAlpn(const SSL* ssl, bool offered_http2) {
  const std::string_view chosen = ChosenProtocol(ssl);
  return chosen.empty() || chosen == "http/1.1" || (offered_http2 && chosen == "h2");
}

}  // namespace

Task<absl::StatusOr<TlsHandshake>> ShakeHands(tcp::socket socket, tcp::endpoint peer, SslPtr ssl,
                                              std::string host, std::string peer_name,
                                              bool offered_http2) {
  auto stream = std::make_unique<TlsStream>(std::move(socket), std::move(peer), std::move(ssl));
  const error_code error = co_await stream->Handshake();
  if (error) co_return HandshakeError(error, stream->ssl(), host, peer_name);
  if (!AcceptableAlpn(stream->ssl(), offered_http2)) {
    co_return WithReason(
        absl::UnavailableError(Concat("TLS ", peer_name, ": chose a protocol nobody offered")),
        {"TLS_FAILED", {{"peer", peer_name}}});
  }
  TlsHandshake done;
  done.resumed = SSL_session_reused(stream->ssl()) == 1;
  done.stream = std::move(stream);
  co_return done;
}

}  // namespace fetchd::net
