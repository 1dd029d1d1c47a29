#include "admin/connection.h"

#include <array>
#include <boost/asio/ssl/context.hpp>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "admin/answer_writer.h"
#include "admin/client_stream.h"
#include "admin/dashboard.h"
#include "admin/health.h"
#include "admin/listen_address.h"
#include "admin/request_reader.h"
#include "base/strings.h"
#include "telemetry/log.h"

namespace fetchd::admin {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

/// How much of a refused request is read and dropped, so that its sender sees the answer.
constexpr std::size_t kMaxLingerBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxLoggedPathBytes = 200;

HttpReply ReplyOf(Answer answer) {
  HttpReply reply;
  reply.status = answer.status;
  reply.content_type = answer.content_type;
  reply.body = std::move(answer.body);
  if (reply.status == 405) reply.fields.push_back({"Allow", "GET, HEAD"});
  return reply;
}

std::string PeerText(const tcp::endpoint& peer) {
  return Concat(peer.address().is_v6() ? "ipv6:" : "ipv4:", FormatAddress(peer));
}

/// What is answered to which request, and when the connection ends.
template <typename Stream>
class Connection {
 public:
  Connection(Stream stream, const ConnectionDeps& deps, const tcp::endpoint& peer,
             ClientPlace& client)
      : stream_(std::move(stream)),
        deps_(deps),
        peer_(PeerText(peer)),
        client_(client),
        reader_(stream_, deps_.body_bytes),
        writer_(stream_, deps_.clock, deps_.request_timeout) {}

  Task<absl::Status> Serve();

 private:
  static constexpr bool kHasTls = std::is_same_v<Stream, TlsStream>;
  using Step = Task<absl::StatusOr<bool>>;
  using Refusal = typename RequestReader<Stream>::Refusal;

  Deadline NextDeadline() const { return Deadline::After(deps_.clock, deps_.request_timeout); }
  /// False also when it takes longer than request_timeout.
  Task<bool> Within(const char* what, Step step);
  /// False when there will be no request.
  Step ShakeHands();
  /// False when there will be no further one.
  Task<bool> ServeRequest();
  /// These leave the answer in reply_; false when nobody is there to be answered.
  Task<bool> ReadHead();
  Task<bool> ReadBody(HttpRequest& request);
  Task<bool> AskApi();
  Step AnswerItself();
  std::optional<HttpReply> JudgeHead(const HttpRequest& request);
  void Refuse(int status, const std::string& message);
  void LogRefusal(const HttpRequest& request, const std::string& why);

  /// False when it has not arrived.
  Task<bool> SendReply();
  Task<bool> SendStream(std::unique_ptr<HttpBodyStream> stream, AnswerForm form);
  Step Linger();

  bool is_for_api() const {
    return deps_.api != nullptr && !IsHealthPath(View(reader_.head().target()));
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
  RequestReader<Stream> reader_;
  AnswerWriter<Stream> writer_;
  bool has_certificate_ = false;
  // Of the request at hand.
  std::optional<HttpReply> reply_;
  bool keep_alive_ = false;
};

template <typename Stream>
Task<absl::Status> Connection<Stream>::Serve() {
  bool go_on = co_await Within("admin handshake", ShakeHands());
  while (go_on) go_on = co_await ServeRequest();
  co_return absl::OkStatus();
}

template <typename Stream>
Task<bool> Connection<Stream>::Within(const char* what, Step step) {
  const absl::StatusOr<bool> done =
      co_await WithDeadline(deps_.clock, NextDeadline(), what, std::move(step));
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
  reply_.reset();
  keep_alive_ = false;
  if (!co_await ReadHead()) co_return false;
  if (!reply_) {
    const bool answered =
        is_for_api() ? co_await AskApi() : co_await Within("admin answer", AnswerItself());
    if (!answered) co_return false;
  }
  const bool sent = co_await SendReply();
  client_.EndApi();
  if (sent && keep_alive_) co_return true;
  if (sent) co_await Within("admin farewell", Linger());
  co_return false;
}

template <typename Stream>
Task<bool> Connection<Stream>::ReadHead() {
  const Refusal refusal =
      co_await WithDeadline(deps_.clock, NextDeadline(), "admin request", reader_.ReadHead());
  if (!refusal.ok()) co_return false;
  if (*refusal) {
    Refuse((*refusal)->status, (*refusal)->body);
  } else {
    keep_alive_ = reader_.head().keep_alive() && !client_.crowded();
  }
  co_return true;
}

template <typename Stream>
Task<bool> Connection<Stream>::ReadBody(HttpRequest& request) {
  const Refusal refusal =
      co_await WithDeadline(deps_.clock, NextDeadline(), "admin body", reader_.ReadBody(request));
  if (absl::IsDeadlineExceeded(refusal.status())) {
    Refuse(408, "the body did not come in time");
  } else if (!refusal.ok()) {
    co_return false;
  } else if (*refusal) {
    Refuse((*refusal)->status, (*refusal)->body);
  }
  co_return true;
}

template <typename Stream>
void Connection<Stream>::Refuse(int status, const std::string& message) {
  keep_alive_ = false;
  reply_ = deps_.api == nullptr ? ReplyOf({status, message}) : deps_.api->Refuse(status, message);
  if (status == 503) reply_->fields.push_back({"Retry-After", "1"});
}

template <typename Stream>
typename Connection<Stream>::Step Connection<Stream>::AnswerItself() {
  const std::string_view method = View(reader_.head().method_string());
  const std::string_view target = View(reader_.head().target());
  if (!reader_.is_done()) keep_alive_ = false;
  if (!reader_.is_done() && IsRead(method)) {
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
  HttpRequest request = reader_.Request(peer_);
  reply_ = JudgeHead(request);
  if (reply_) {
    keep_alive_ = keep_alive_ && reader_.is_done();
    co_return true;
  }
  if (!reader_.is_done()) {
    if (!co_await ReadBody(request)) co_return false;
    if (reply_) co_return true;
  }
  const std::size_t first =
      co_await FirstOf(KeepIn(reply_, deps_.api->Handle(std::move(request))), reader_.ClientGoes());
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
  return reader_.is_done() ? std::nullopt : deps_.api->Judge(request);
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
Task<bool> Connection<Stream>::SendReply() {
  AnswerForm form{.version = reader_.head().version(),
                  .is_head = View(reader_.head().method_string()) == "HEAD",
                  .keep_alive = keep_alive_};
  if (reply_->stream == nullptr) co_return co_await writer_.Send(*std::move(reply_), form);
  keep_alive_ = form.keep_alive = keep_alive_ && form.chunked();
  co_return co_await SendStream(std::move(reply_->stream), form);
}

template <typename Stream>
Task<bool> Connection<Stream>::SendStream(std::unique_ptr<HttpBodyStream> stream, AnswerForm form) {
  if (!co_await writer_.SendStreamHead(*reply_, form)) co_return false;
  while (true) {
    std::optional<absl::StatusOr<std::string>> piece;
    const std::size_t first = co_await FirstOf(KeepIn(piece, stream->Next()), reader_.ClientGoes());
    if (first != 0 || !piece->ok()) co_return false;
    const bool is_last = (*piece)->empty();
    if (!co_await writer_.SendPiece(**std::move(piece), form)) co_return false;
    if (is_last) co_return true;
  }
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
