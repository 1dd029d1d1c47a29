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
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <iterator>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "admin/dashboard.h"
#include "admin/health.h"
#include "admin/listen_address.h"
#include "base/strings.h"
#include "telemetry/log.h"

namespace fetchd::admin {
namespace {

namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using TlsStream = asio::ssl::stream<tcp::socket>;

/// How much of a refused request is read and dropped, so that its sender sees the answer.
constexpr std::size_t kMaxLingerBytes = std::size_t{64} << 10;
/// Of an answer, each within its time.
constexpr std::size_t kSliceBytes = std::size_t{64} << 10;
/// In which bodies are counted: what one read may bring.
constexpr std::size_t kBodyPieceBytes = kMaxHeadBytes;
constexpr std::size_t kMaxLoggedPathBytes = 200;

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

/// RFC 9112, 6.1 and 6.3: who reads another length than whoever stands in front takes a part of a
/// body for a request. Lengths that are lists of equal ones are refused, which Beast would take.
bool HasOneLength(const http::request<http::string_body>& head) {
  const std::size_t lengths = head.count(http::field::content_length);
  if (lengths > 1) return false;
  if (lengths == 1 && !ParseDecimal(View(head[http::field::content_length]))) return false;
  const auto [first, last] = head.equal_range(http::field::transfer_encoding);
  if (first == last) return true;
  return head.version() == 11 && std::next(first) == last && lengths == 0 &&
         EqualsIgnoreCase(TrimWhitespace(View(first->value())), "chunked");
}

std::string PeerText(const tcp::endpoint& peer) {
  return Concat(peer.address().is_v6() ? "ipv6:" : "ipv4:", FormatAddress(peer));
}

template <typename Stream>
class Connection {
 public:
  Connection(Stream stream, const ConnectionDeps& deps, const tcp::endpoint& peer,
             ClientPlace& client)
      : stream_(std::move(stream)), deps_(deps), peer_(PeerText(peer)), client_(client) {}

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
  Task<bool> ReadBodyInTime(HttpRequest& request);
  Step ReadBody(HttpRequest& request);
  Task<void> ClientGoes();
  void Refuse(int status, const std::string& message);
  void RefuseUnreadable(const error_code& error);
  void LogRefusal(const HttpRequest& request, const std::string& why);
  /// These leave the answer in reply_.
  Step AnswerItself();
  Task<bool> AskApi();
  std::optional<HttpReply> JudgeHead(const HttpRequest& request);
  HttpRequest TakeRequest();

  Task<bool> Send();
  Step SendSlice(http::response_serializer<http::string_body>& serializer);
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
  const std::string peer_;
  ClientPlace& client_;
  bool has_certificate_ = false;
  boost::beast::flat_static_buffer<kMaxHeadBytes> buffer_;
  // Of the request at hand.
  std::optional<http::request_parser<http::string_body>> parser_;
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
  std::unique_ptr<HttpBodyStream> stream = std::move(reply_->stream);
  const bool is_stream = stream != nullptr;
  bool sent = false;
  if (is_stream) {
    sent = co_await SendStream(std::move(stream));
  } else {
    sent = co_await Send();
  }
  client_.EndApi();
  if (sent && keep_alive_) co_return true;
  if (sent) co_await InTime("admin farewell", Linger());
  co_return false;
}

template <typename Stream>
typename Connection<Stream>::Step Connection<Stream>::ReadHead() {
  const auto [error, bytes] = co_await http::async_read_header(stream_, buffer_, *parser_, kTuple);
  if (!error && HasOneLength(parser_->get())) {
    keep_alive_ = parser_->get().keep_alive() && !client_.crowded();
    co_return true;
  }
  if (error) {
    RefuseUnreadable(error);
  } else {
    Refuse(400, "a body has one Content-Length, or Transfer-Encoding: chunked and nothing else");
  }
  co_return reply_.has_value();
}

template <typename Stream>
void Connection<Stream>::Refuse(int status, const std::string& message) {
  keep_alive_ = false;
  reply_ = deps_.api == nullptr ? ReplyOf({status, message}) : deps_.api->Refuse(status, message);
  if (status == 503) reply_->fields.push_back({"Retry-After", "1"});
}

template <typename Stream>
void Connection<Stream>::RefuseUnreadable(const error_code& error) {
  keep_alive_ = false;
  if (const auto answer = AnswerUnreadable(error)) Refuse(answer->status, answer->body);
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
  if (!client_.BeginApi()) {
    Refuse(503, "as many requests as there may be are at work already: come back");
    co_return true;
  }
  HttpRequest request = TakeRequest();
  reply_ = JudgeHead(request);
  if (reply_) {
    keep_alive_ = keep_alive_ && parser_->is_done();
    co_return true;
  }
  if (!parser_->is_done()) {
    if (!co_await ReadBodyInTime(request)) co_return false;
    if (reply_) co_return true;
  }
  const std::size_t first =
      co_await FirstOf(KeepIn(reply_, deps_.api->Handle(std::move(request))), ClientGoes());
  co_return first == 0;
}

/// What there is to say before the body is read.
template <typename Stream>
std::optional<HttpReply> Connection<Stream>::JudgeHead(const HttpRequest& request) {
  const Asset* page = FindAsset(request.path());
  const auto refused = page == nullptr ? CheckPassage(request, deps_.guard, has_certificate_)
                                       : CheckPlace(request, deps_.guard, has_certificate_);
  if (refused) {
    LogRefusal(request, refused->body);
    return deps_.api->Refuse(refused->status, refused->body);
  }
  if (page != nullptr) return AnswerAsset(*page, request);
  return parser_->is_done() ? std::nullopt : deps_.api->Judge(request);
}

template <typename Stream>
void Connection<Stream>::LogRefusal(const HttpRequest& request, const std::string& why) {
  const auto left_out = deps_.refusals.Take(deps_.clock.Now());
  if (!left_out) return;
  deps_.log.Warning("admin refused a request",
                    {{"peer", request.peer},
                     {"method", request.method},
                     {"path", request.path().substr(0, kMaxLoggedPathBytes)},
                     {"why", why},
                     {"left_out", *left_out}});
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
  request.peer = peer_;
  return request;
}

template <typename Stream>
Task<bool> Connection<Stream>::ReadBodyInTime(HttpRequest& request) {
  const Deadline deadline = Deadline::After(deps_.clock, deps_.request_timeout);
  const absl::StatusOr<bool> read =
      co_await WithDeadline(deps_.clock, deadline, "admin body", ReadBody(request));
  if (absl::IsDeadlineExceeded(read.status())) {
    Refuse(408, "the body did not come in time");
    co_return true;
  }
  co_return read.ok() && *read;
}

/// Counts what has come, not what was announced. False when nobody is there any more.
template <typename Stream>
typename Connection<Stream>::Step Connection<Stream>::ReadBody(HttpRequest& request) {
  if (EqualsIgnoreCase(View(parser_->get()[http::field::expect]), "100-continue")) {
    http::response<http::empty_body> go_on(http::status::continue_, 11);
    const auto [error, sent] = co_await http::async_write(stream_, go_on, kTuple);
    if (error) co_return false;
  }
  std::string& body = parser_->get().body();
  std::vector<Permit>& counted = request.body_bytes;
  parser_->eager(true);
  while (!parser_->is_done()) {
    // To wait for others' bodies to be done would be to wait for each other.
    while (counted.size() * kBodyPieceBytes < body.size() + kBodyPieceBytes) {
      counted.push_back(deps_.body_bytes.TryAcquire(kBodyPieceBytes));
      if (counted.back()) continue;
      Refuse(503, "other requests' bodies take all the memory that there is for them: come back");
      co_return true;
    }
    const auto [error, read] = co_await http::async_read_some(stream_, buffer_, *parser_, kTuple);
    if (!error) continue;
    RefuseUnreadable(error);
    co_return reply_.has_value();
  }
  counted.resize((body.size() + kBodyPieceBytes - 1) / kBodyPieceBytes);
  request.body = std::move(body);
  co_return true;
}

/// Completes when the client is gone: who closes his half of the connection is, too. What comes
/// meanwhile is the next request; when there is no room for more of it nobody looks.
template <typename Stream>
Task<void> Connection<Stream>::ClientGoes() {
  while (buffer_.size() < buffer_.max_size()) {
    const auto room = buffer_.prepare(buffer_.max_size() - buffer_.size());
    const auto [error, bytes] = co_await stream_.async_read_some(room, kTuple);
    if (error) co_return;
    buffer_.commit(bytes);
  }
  asio::steady_timer never(stream_.get_executor(), asio::steady_timer::time_point::max());
  co_await Expiry(never);
}

template <typename Stream>
template <typename Body>
void Connection<Stream>::Describe(http::response<Body>& response) const {
  response.set(http::field::content_type, reply_->content_type);
  response.set(http::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  for (const HttpField& field : reply_->fields) response.set(field.name, field.value);
  response.keep_alive(keep_alive_);
}

template <typename Stream>
Task<bool> Connection<Stream>::Send() {
  http::response<http::string_body> response(
      http::int_to_status(static_cast<unsigned>(reply_->status)), parser_->get().version());
  Describe(response);
  if (reply_->status != 304) response.content_length(reply_->body.size());
  if (parser_->get().method() != http::verb::head) response.body() = std::move(reply_->body);
  http::response_serializer<http::string_body> serializer(response);
  serializer.limit(kSliceBytes);
  bool sent = true;
  while (sent && !serializer.is_done()) {
    sent = co_await InTime("admin answer", SendSlice(serializer));
  }
  co_return sent;
}

template <typename Stream>
typename Connection<Stream>::Step Connection<Stream>::SendSlice(
    http::response_serializer<http::string_body>& serializer) {
  const auto [error, bytes] = co_await http::async_write_some(stream_, serializer, kTuple);
  co_return !error;
}

template <typename Stream>
Task<bool> Connection<Stream>::SendStream(std::unique_ptr<HttpBodyStream> stream) {
  const unsigned version = parser_->get().version();
  const bool chunked = version >= 11;  // Before that, the end of the connection is the end.
  keep_alive_ = keep_alive_ && chunked;
  if (!co_await InTime("admin stream", SendStreamHead(version, chunked))) co_return false;
  while (true) {
    std::optional<absl::StatusOr<std::string>> piece;
    const std::size_t first = co_await FirstOf(KeepIn(piece, stream->Next()), ClientGoes());
    if (first != 0 || !piece->ok()) co_return false;
    const bool is_last = (*piece)->empty();
    if (!co_await InTime("admin stream", SendPiece(**std::move(piece), chunked))) co_return false;
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

Task<absl::Status> ServeClient(tcp::socket socket, tcp::endpoint peer, TlsContext tls,
                               ConnectionDeps deps, std::unique_ptr<ClientPlace> client) {
  if (tls == nullptr) {
    const auto plain =
        std::make_unique<Connection<tcp::socket>>(std::move(socket), deps, peer, *client);
    co_return co_await plain->Serve();
  }
  const auto secure = std::make_unique<Connection<TlsStream>>(TlsStream(std::move(socket), *tls),
                                                              deps, peer, *client);
  co_return co_await secure->Serve();
}

}  // namespace fetchd::admin
