#include "admin/connection.h"

#include <array>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "admin/dashboard.h"
#include "admin/health.h"
#include "admin/listen_address.h"
#include "base/strings.h"

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
std::optional<Answer> AnswerUnreadable(error_code error) {
  if (error == http::error::end_of_stream || error == http::error::partial_message) {
    return std::nullopt;
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Answer{431, "request head too large"};
  }
  if (error == http::error::body_limit) return Answer{413, "a body has 1 MiB at most"};
  if (error.category() == http::make_error_code(http::error::bad_method).category()) {
    return Answer{400, "bad request"};
  }
  return std::nullopt;
}

HttpReply ReplyOf(Answer answer) {
  HttpReply reply;
  reply.status = answer.status;
  reply.content_type = answer.content_type;
  reply.body = std::move(answer.body);
  if (reply.status == 405) reply.fields.push_back({"Allow", "GET, HEAD"});
  return reply;
}

std::string PeerText(const tcp::socket& socket) {
  error_code error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  return Concat(peer.address().is_v6() ? "ipv6:" : "ipv4:", FormatAddress(peer));
}

template <typename Stream>
class Connection {
 public:
  Connection(Stream stream, const ConnectionDeps& deps) : stream_(std::move(stream)), deps_(deps) {}

  Task<absl::Status> Serve();

 private:
  static constexpr bool kHasTls = std::is_same_v<Stream, TlsStream>;
  using Step = Task<absl::StatusOr<bool>>;

  /// False also when it takes longer than request_timeout.
  Task<bool> InTime(const char* what, Step step);
  /// False when there will be no request.
  Step ShakeHands();
  /// False when there will be no further one.
  Task<bool> ServeRequest();
  /// False when nobody is there any more; reply_ is the answer to what cannot be read.
  Step ReadHead();
  Step ReadBody();
  void RefuseUnreadable(const error_code& error);
  /// These leave the answer in reply_.
  Step AnswerItself();
  Task<bool> AskApi();
  HttpRequest TakeRequest();

  Step Send();
  Task<bool> SendStream(std::unique_ptr<HttpBodyStream> stream);
  Step SendStreamHead(unsigned version, bool chunked);
  Step SendPiece(std::string piece, bool chunked);
  template <typename Body>
  void Describe(http::response<Body>& response) const;
  Step Linger();

  bool is_for_api() const {
    return deps_.api != nullptr && !IsHealthPath(View(parser_->get().target()));
  }
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
  // Of the request at hand.
  std::optional<http::request_parser<http::string_body>> parser_;
  Permit body_bytes_;
  std::optional<HttpReply> reply_;
  bool keep_alive_ = false;
};

template <typename Stream>
Task<absl::Status> Connection<Stream>::Serve() {
  bool go_on = co_await InTime("admin handshake", ShakeHands());
  while (go_on) go_on = co_await ServeRequest();
  co_return absl::OkStatus();
}

template <typename Stream>
Task<bool> Connection<Stream>::InTime(const char* what, Step step) {
  const Deadline deadline = Deadline::After(deps_.clock, deps_.request_timeout);
  const absl::StatusOr<bool> done =
      co_await WithDeadline(deps_.clock, deadline, what, std::move(step));
  co_return done.ok() && *done;
}

template <typename Stream>
typename Connection<Stream>::Step Connection<Stream>::ShakeHands() {
  if constexpr (kHasTls) {
    const auto [error] = co_await stream_.async_handshake(TlsStream::server, kTuple);
    if (error) co_return false;
    // One that was shown has been verified.
    has_certificate_ = SSL_get0_peer_certificate(stream_.native_handle()) != nullptr;
  }
  co_return true;
}

template <typename Stream>
Task<bool> Connection<Stream>::ServeRequest() {
  parser_.emplace();
  parser_->header_limit(kMaxHeadBytes);
  parser_->body_limit(kMaxBodyBytes);
  reply_.reset();
  keep_alive_ = false;
  if (!co_await InTime("admin request", ReadHead())) co_return false;
  if (!reply_) {
    const bool answered =
        is_for_api() ? co_await AskApi() : co_await InTime("admin answer", AnswerItself());
    if (!answered) co_return false;
  }
  body_bytes_.Release();
  std::unique_ptr<HttpBodyStream> stream = std::move(reply_->stream);
  const bool is_stream = stream != nullptr;
  bool sent = false;
  if (is_stream) {
    sent = co_await SendStream(std::move(stream));
  } else {
    sent = co_await InTime("admin answer", Send());
  }
  if (sent && keep_alive_) co_return true;
  if (sent) co_await InTime("admin farewell", Linger());
  co_return false;
}

template <typename Stream>
typename Connection<Stream>::Step Connection<Stream>::ReadHead() {
  const auto [error, bytes] = co_await http::async_read_header(stream_, buffer_, *parser_, kTuple);
  if (!error) {
    keep_alive_ = parser_->get().keep_alive();
    co_return true;
  }
  RefuseUnreadable(error);
  co_return reply_.has_value();
}

template <typename Stream>
void Connection<Stream>::RefuseUnreadable(const error_code& error) {
  keep_alive_ = false;
  std::optional<Answer> answer = AnswerUnreadable(error);
  if (!answer) return;
  reply_ = deps_.api == nullptr ? ReplyOf(*std::move(answer))
                                : deps_.api->Refuse(answer->status, answer->body);
}

template <typename Stream>
typename Connection<Stream>::Step Connection<Stream>::AnswerItself() {
  const auto& request = parser_->get();
  const std::string_view method = View(request.method_string());
  const std::string_view target = View(request.target());
  if (!parser_->is_done()) keep_alive_ = false;
  if (!parser_->is_done() && IsRead(method)) {
    reply_ = ReplyOf({413, "no body is accepted"});
  } else if (!IsRead(method) || PathOf(target) != "/metrics") {
    reply_ = ReplyOf(AnswerHealth(method, target, deps_.drain_signal.draining()));
  } else if (deps_.metrics_need_certificate && !has_certificate_) {
    reply_ = ReplyOf({403, "a client certificate is needed"});
  } else {
    absl::StatusOr<std::string> scraped = co_await deps_.metrics.Scrape();
    reply_ = ReplyOf(
        scraped.ok() ? Answer{200, *std::move(scraped), "text/plain; version=0.0.4; charset=utf-8"}
                     : Answer{503, MessageOf(scraped.status())});
  }
  co_return true;
}

template <typename Stream>
Task<bool> Connection<Stream>::AskApi() {
  HttpRequest request = TakeRequest();
  const Asset* page = FindAsset(request.path());
  const auto refused = page == nullptr ? CheckPassage(request, deps_.guard, has_certificate_)
                                       : CheckPlace(request, deps_.guard, has_certificate_);
  if (refused || page != nullptr) {
    keep_alive_ = keep_alive_ && parser_->is_done();
    reply_ =
        refused ? deps_.api->Refuse(refused->status, refused->body) : AnswerAsset(*page, request);
    co_return true;
  }
  if (!parser_->is_done()) {
    if (!co_await InTime("admin body", ReadBody())) co_return false;
    if (reply_) co_return true;
    request.body = std::move(parser_->get().body());
  }
  reply_ = co_await deps_.api->Handle(std::move(request));
  co_return true;
}

template <typename Stream>
HttpRequest Connection<Stream>::TakeRequest() {
  const auto& head = parser_->get();
  HttpRequest request;
  request.method = View(head.method_string());
  request.target = View(head.target());
  for (const auto& field : head) {
    request.fields.push_back(
        {std::string(View(field.name_string())), std::string(View(field.value()))});
  }
  request.peer = PeerText(Socket());
  return request;
}

template <typename Stream>
typename Connection<Stream>::Step Connection<Stream>::ReadBody() {
  const auto length = parser_->content_length();
  const std::uint64_t bytes = length ? *length : kMaxBodyBytes;
  CO_ASSIGN_OR_RETURN(body_bytes_, co_await deps_.body_bytes.Acquire(
                                       bytes, deps_.clock, Deadline::Never(), "admin bodies"));
  if (EqualsIgnoreCase(View(parser_->get()[http::field::expect]), "100-continue")) {
    http::response<http::empty_body> go_on(http::status::continue_, 11);
    const auto [error, sent] = co_await http::async_write(stream_, go_on, kTuple);
    if (error) co_return false;
  }
  const auto [error, read] = co_await http::async_read(stream_, buffer_, *parser_, kTuple);
  if (!error) co_return true;
  RefuseUnreadable(error);
  co_return reply_.has_value();
}

template <typename Stream>
template <typename Body>
void Connection<Stream>::Describe(http::response<Body>& response) const {
  response.set(http::field::content_type, reply_->content_type);
  response.set(http::field::cache_control, "no-store");
  for (const HttpField& field : reply_->fields) response.set(field.name, field.value);
  response.keep_alive(keep_alive_);
}

template <typename Stream>
typename Connection<Stream>::Step Connection<Stream>::Send() {
  http::response<http::string_body> response(
      http::int_to_status(static_cast<unsigned>(reply_->status)), parser_->get().version());
  Describe(response);
  if (reply_->status != 304) response.content_length(reply_->body.size());
  if (parser_->get().method() != http::verb::head) response.body() = std::move(reply_->body);
  const auto [error, bytes] = co_await http::async_write(stream_, response, kTuple);
  co_return !error;
}

template <typename Stream>
Task<bool> Connection<Stream>::SendStream(std::unique_ptr<HttpBodyStream> stream) {
  const unsigned version = parser_->get().version();
  const bool chunked = version >= 11;  // Before that, the end of the connection is the end.
  keep_alive_ = keep_alive_ && chunked;
  if (!co_await InTime("admin stream", SendStreamHead(version, chunked))) co_return false;
  while (true) {
    absl::StatusOr<std::string> piece = co_await stream->Next();
    if (!piece.ok()) co_return false;
    const bool is_last = piece->empty();
    if (!co_await InTime("admin stream", SendPiece(*std::move(piece), chunked))) co_return false;
    if (is_last) co_return true;
  }
}

template <typename Stream>
typename Connection<Stream>::Step Connection<Stream>::SendStreamHead(unsigned version,
                                                                     bool chunked) {
  http::response<http::empty_body> head(http::int_to_status(static_cast<unsigned>(reply_->status)),
                                        version);
  Describe(head);
  head.chunked(chunked);
  http::response_serializer<http::empty_body> serializer(head);
  const auto [error, bytes] = co_await http::async_write_header(stream_, serializer, kTuple);
  co_return !error;
}

template <typename Stream>
typename Connection<Stream>::Step Connection<Stream>::SendPiece(std::string piece, bool chunked) {
  error_code error;
  std::size_t bytes = 0;
  if (!chunked) {
    std::tie(error, bytes) = co_await asio::async_write(stream_, asio::buffer(piece), kTuple);
  } else if (piece.empty()) {
    std::tie(error, bytes) = co_await asio::async_write(stream_, http::make_chunk_last(), kTuple);
  } else {
    std::tie(error, bytes) =
        co_await asio::async_write(stream_, http::make_chunk(asio::buffer(piece)), kTuple);
  }
  co_return !error;
}

/// Closing with bytes unread resets the connection, and the answer may be lost on the way.
template <typename Stream>
typename Connection<Stream>::Step Connection<Stream>::Linger() {
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
  co_return false;
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
