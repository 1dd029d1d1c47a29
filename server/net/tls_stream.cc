#include "net/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "base/strings.h"
#include "net/tls_carrier.h"
#include "net/tls_error.h"

namespace fetchd::net {

namespace {

using asio::ip::tcp;
using boost::system::error_code;

/// By ALPN; empty when the server declined to choose.
std::string_view ChosenProtocol(const SSL* ssl) {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

template <typename Carrier>
class TlsStream final : public Stream {
  using WaitType = typename Carrier::WaitType;

 public:
  TlsStream(Carrier carrier, SslPtr ssl) : carrier_(std::move(carrier)), ssl_(std::move(ssl)) {
    BIO* bio = NewCarrierBio(&carrier_);
    SSL_set_bio(ssl_.get(), bio, bio);
  }
  ~TlsStream() override { TlsStream::Close(); }

  Task<error_code> Handshake() {
    const IoResult result =
        co_await Drive<Output::kFlush>([this] { return SSL_do_handshake(ssl_.get()); });
    co_return result.error;
  }

  Task<IoResult> ReadSome(std::span<std::byte> out) override {
    if (deferred_) co_return IoResult{deferred_};
    std::size_t bytes = 0;
    IoResult result = co_await Drive<Output::kLeave>([&] { return ReadRecords(out, bytes); });
    if (!result.error) result.bytes = bytes;
    co_return result;
  }

  Task<IoResult> WriteAll(std::span<const std::byte> bytes) override {
    IoResult total;
    while (total.bytes < bytes.size()) {
      const std::span<const std::byte> rest = bytes.subspan(total.bytes);
      std::size_t written = 0;
      const IoResult step = co_await Drive<Output::kFlush>(
          [&] { return SSL_write_ex(ssl_.get(), rest.data(), rest.size(), &written); });
      total.error = step.error;
      if (step.error) break;
      total.bytes += written;
    }
    co_return total;
  }

  void Close() noexcept override {
    if (!carrier_.is_open()) return;
    // A close_notify, if the carrier takes it at once: OpenSSL drops the session of a connection
    // that ends without one.
    if (!broken_ && SSL_is_init_finished(ssl_.get())) SSL_shutdown(ssl_.get());
    ERR_clear_error();
    carrier_.Close();
  }

  bool IsStale() noexcept override {
    if (broken_ || deferred_ || !carrier_.is_open()) return true;
    // Takes in what is not application data, such as a session ticket that came late.
    std::byte next;
    std::size_t bytes = 0;
    ERR_clear_error();
    const int result = SSL_peek_ex(ssl_.get(), &next, sizeof next, &bytes);
    return result == 1 || SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ ||
           carrier_.HidesBytes();
  }

  void WatchForInput(std::function<void()> notify) override {
    carrier_.WatchForInput(std::move(notify));
  }
  void StopWatching() noexcept override { carrier_.StopWatching(); }

  std::size_t SendNow(std::span<const std::byte> bytes) noexcept override {
    // What stays in the carrier until it is flushed does not leave at once.
    if (Carrier::kBuffers || broken_ || !carrier_.is_open()) return 0;
    std::size_t written = 0;
    ERR_clear_error();
    const int result = SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
    if (result == 1) return written;
    std::optional<WaitType> retry;
    Classify(SSL_get_error(ssl_.get(), result), &retry);
    return 0;
  }

  std::size_t Available() noexcept override {
    return static_cast<std::size_t>(SSL_pending(ssl_.get())) + carrier_.Available();
  }

  const tcp::endpoint& peer() const override { return carrier_.peer(); }
  std::string tls_description() const override {
    return Concat(std::string_view(SSL_get_version(ssl_.get())), " ",
                  std::string_view(SSL_get_cipher_name(ssl_.get())));
  }

  bool speaks_http2() const override { return ChosenProtocol(ssl_.get()) == "h2"; }

  SSL* ssl() const { return ssl_.get(); }

 private:
  /// Who reads leaves what OpenSSL wants to say (a key update's answer) to the next write: another
  /// task may be writing.
  enum class Output { kLeave, kFlush };

  /// As SSL_read_ex, which gives one record at a time, but takes all that has come and fits.
  int ReadRecords(std::span<std::byte> out, std::size_t& bytes) {
    while (bytes < out.size()) {
      const std::span<std::byte> rest = out.subspan(bytes);
      std::size_t record_bytes = 0;
      const int result = SSL_read_ex(ssl_.get(), rest.data(), rest.size(), &record_bytes);
      if (result != 1 && bytes == 0) return result;
      if (result != 1) {
        DeferError(SSL_get_error(ssl_.get(), result));
        break;
      }
      bytes += record_bytes;
    }
    return 1;
  }

  /// The bytes before it go first. OpenSSL would not say it again: after a fatal alert it claims a
  /// clean end.
  void DeferError(int ssl_error) {
    std::optional<WaitType> wait;
    const error_code error = Classify(ssl_error, &wait);
    if (!wait) deferred_ = error;
  }

  /// Calls `step` until it is done or failed, waiting for the carrier as OpenSSL asks.
  template <Output kOutput, typename Step>
  Task<IoResult> Drive(Step step) {
    while (true) {
      if (!carrier_.is_open()) co_return IoResult{asio::error::operation_aborted};
      ERR_clear_error();
      errno = 0;
      const int result = step();
      std::optional<WaitType> wait;
      error_code error;
      if (result != 1) error = Classify(SSL_get_error(ssl_.get(), result), &wait);
      if constexpr (Carrier::kBuffers && kOutput == Output::kFlush) {
        const error_code unsent = co_await carrier_.Flush();
        if (!error) error = unsent;
      }
      if (error) co_return IoResult{error};
      if (!wait) {
        co_await YieldNowAndThen();
        co_return IoResult{};
      }
      immediate_ = 0;
      const auto [failed] = co_await carrier_.Wait(*wait);
      if (failed) co_return IoResult{failed};
    }
  }

  /// Sets `*wait` when the call is to be repeated.
  error_code Classify(int ssl_error, std::optional<WaitType>* wait) {
    switch (ssl_error) {
      case SSL_ERROR_WANT_READ:
        *wait = WaitType::wait_read;
        return {};
      case SSL_ERROR_WANT_WRITE:
        *wait = WaitType::wait_write;
        return {};
      case SSL_ERROR_ZERO_RETURN:
        return asio::error::eof;
      default:
        broken_ = true;
        return SslFailure(ssl_.get());
    }
  }

  /// A fast peer would keep this task from ever leaving the thread to others.
  Task<void> YieldNowAndThen() {
    constexpr int kMaxImmediate = 16;
    if (++immediate_ < kMaxImmediate) co_return;
    immediate_ = 0;
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  }

  Carrier carrier_;
  SslPtr ssl_;
  error_code deferred_;  ///< What the next read ends with.
  bool broken_ = false;  ///< After a fatal error OpenSSL forbids any further call.
  int immediate_ = 0;
};

/// A server may decline ALPN, but not choose what was not offered.
bool AcceptableAlpn(const SSL* ssl, bool offered_http2) {
  const std::string_view chosen = ChosenProtocol(ssl);
  return chosen.empty() || chosen == "http/1.1" || (offered_http2 && chosen == "h2");
}

template <typename Carrier>
Task<absl::StatusOr<TlsHandshake>> ShakeHandsOver(Carrier carrier, SslPtr ssl,
                                                  std::string peer_name, bool offered_http2) {
  auto stream = std::make_unique<TlsStream<Carrier>>(std::move(carrier), std::move(ssl));
  const error_code error = co_await stream->Handshake();
  if (error) co_return HandshakeError(error, stream->ssl(), peer_name);
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

}  // namespace

Task<absl::StatusOr<TlsHandshake>> ShakeHands(tcp::socket socket, tcp::endpoint peer, SslPtr ssl,
                                              std::string peer_name, bool offered_http2) {
  return ShakeHandsOver(SocketCarrier(std::move(socket), std::move(peer)), std::move(ssl),
                        std::move(peer_name), offered_http2);
}

Task<absl::StatusOr<TlsHandshake>> ShakeHands(std::unique_ptr<Stream> inner, SslPtr ssl,
                                              std::string peer_name, bool offered_http2) {
  return ShakeHandsOver(StreamCarrier(std::move(inner)), std::move(ssl), std::move(peer_name),
                        offered_http2);
}

}  // namespace fetchd::net
