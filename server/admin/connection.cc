#include "admin/connection.h"

#include <array>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "admin/health.h"

namespace fetchd::admin {
namespace {

namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using TlsStream = asio::ssl::stream<tcp::socket>;

/// How much of a refused request is read and dropped, so that its sender sees the answer.
constexpr std::size_t kMaxLingerBytes = std::size_t{64} << 10;

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

/// Nullopt: nobody is there to be answered.
std::optional<Answer> AnswerBadHead(error_code error) {
  if (error == http::error::end_of_stream || error == http::error::partial_message) {
    return std::nullopt;
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Answer{431, "request head too large"};
  }
  if (error == http::error::body_limit) return Answer{413, "no body is accepted"};
  if (error.category() == http::make_error_code(http::error::bad_method).category()) {
    return Answer{400, "bad request"};
  }
  return std::nullopt;
}

template <typename Stream>
class Connection {
 public:
  Connection(Stream stream, const ConnectionDeps& deps) : stream_(std::move(stream)), deps_(deps) {}

  Task<absl::Status> Serve();

 private:
  static constexpr bool kHasTls = std::is_same_v<Stream, TlsStream>;

  struct Reply {
    Answer answer;
    unsigned version = 11;
    bool head_only = false;
    bool keep_alive = false;
  };

  /// False when there will be no request.
  Task<absl::StatusOr<bool>> ShakeHands();
  /// False when there will be no further one.
  Task<absl::StatusOr<bool>> ServeRequest();
  Task<Answer> AnswerTo(std::string_view method, std::string_view target);
  Task<bool> Send(Reply reply);
  Task<void> Linger();
  tcp::socket& Socket() {
    if constexpr (kHasTls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }

  Stream stream_;
  const ConnectionDeps deps_;
  bool has_certificate_ = false;
  boost::beast::flat_static_buffer<kMaxHeadBytes> buffer_;
};

template <typename Stream>
Task<absl::Status> Connection<Stream>::Serve() {
  const auto within_time = [this](const char* what, Task<absl::StatusOr<bool>> step) {
    return WithDeadline(deps_.clock, Deadline::After(deps_.clock, deps_.request_timeout), what,
                        std::move(step));
  };
  absl::StatusOr<bool> go_on = co_await within_time("admin handshake", ShakeHands());
  while (go_on.ok() && *go_on) go_on = co_await within_time("admin request", ServeRequest());
  co_return absl::OkStatus();
}

template <typename Stream>
Task<absl::StatusOr<bool>> Connection<Stream>::ShakeHands() {
  if constexpr (kHasTls) {
    const auto [error] = co_await stream_.async_handshake(TlsStream::server, kTuple);
    if (error) co_return false;
    // One that was shown has been verified.
    has_certificate_ = SSL_get0_peer_certificate(stream_.native_handle()) != nullptr;
  }
  co_return true;
}

template <typename Stream>
Task<absl::StatusOr<bool>> Connection<Stream>::ServeRequest() {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(kMaxHeadBytes);
  const auto [error, bytes] = co_await http::async_read_header(stream_, buffer_, parser, kTuple);
  Reply reply;
  if (error) {
    const std::optional<Answer> answer = AnswerBadHead(error);
    if (!answer) co_return false;
    reply.answer = *answer;
  } else {
    const auto& request = parser.get();
    const std::string_view method = View(request.method_string());
    const bool has_body = !parser.is_done();
    if (has_body && IsRead(method)) {
      reply.answer = {413, "no body is accepted"};
    } else {
      reply.answer = co_await AnswerTo(method, View(request.target()));
    }
    reply.version = request.version();
    reply.head_only = request.method() == http::verb::head;
    reply.keep_alive = request.keep_alive() && !has_body;
  }
  const bool keep_alive = reply.keep_alive;
  const bool sent = co_await Send(std::move(reply));
  if (sent && !keep_alive) co_await Linger();
  co_return sent&& keep_alive;
}

template <typename Stream>
Task<Answer> Connection<Stream>::AnswerTo(std::string_view method, std::string_view target) {
  if (!IsRead(method) || PathOf(target) != "/metrics") {
    co_return AnswerHealth(method, target, deps_.drain_signal.draining());
  }
  if (deps_.metrics_need_certificate && !has_certificate_) {
    co_return Answer{403, "a client certificate is needed"};
  }
  absl::StatusOr<std::string> scraped = co_await deps_.metrics.Scrape();
  if (!scraped.ok()) co_return Answer{503, MessageOf(scraped.status())};
  co_return Answer{200, *std::move(scraped), "text/plain; version=0.0.4; charset=utf-8"};
}

template <typename Stream>
Task<bool> Connection<Stream>::Send(Reply reply) {
  http::response<http::string_body> response(
      http::int_to_status(static_cast<unsigned>(reply.answer.status)), reply.version);
  response.set(http::field::content_type, reply.answer.content_type);
  response.set(http::field::cache_control, "no-store");
  if (reply.answer.status == 405) response.set(http::field::allow, "GET, HEAD");
  response.keep_alive(reply.keep_alive);
  response.content_length(reply.answer.body.size());
  if (!reply.head_only) response.body() = std::move(reply.answer.body);
  const auto [error, bytes] = co_await http::async_write(stream_, response, kTuple);
  co_return !error;
}

/// Closing with bytes unread resets the connection, and the answer may be lost on the way.
template <typename Stream>
Task<void> Connection<Stream>::Linger() {
  if constexpr (kHasTls) co_await stream_.async_shutdown(kTuple);  // Until the client says so, too.
  tcp::socket& socket = Socket();
  error_code error;
  socket.shutdown(tcp::socket::shutdown_send, error);
  std::array<std::byte, 4096> dropped;
  for (std::size_t total = 0; !error && total < kMaxLingerBytes;) {
    const auto [read_error, bytes] = co_await socket.async_read_some(asio::buffer(dropped), kTuple);
    error = read_error;
    total += bytes;
  }
}

}  // namespace

Task<absl::Status> ServeClient(tcp::socket socket, TlsContext tls, ConnectionDeps deps) {
  if (tls == nullptr) {
    const auto plain = std::make_unique<Connection<tcp::socket>>(std::move(socket), deps);
    co_return co_await plain->Serve();
  }
  const auto secure =
      std::make_unique<Connection<TlsStream>>(TlsStream(std::move(socket), *tls), deps);
  co_return co_await secure->Serve();
}

}  // namespace fetchd::admin
