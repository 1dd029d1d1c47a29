#include "admin/connection.h"

#include <array>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <optional>
#include <string_view>
#include <utility>

namespace fetchd::admin {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

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

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, Deps deps, Duration request_timeout)
    : socket_(std::move(socket)), deps_(deps), request_timeout_(request_timeout) {}

Task<absl::Status> Connection::Serve() {
  while (true) {
    const Deadline deadline = Deadline::After(deps_.clock, request_timeout_);
    const auto go_on =
        co_await WithDeadline(deps_.clock, deadline, "admin request", ServeRequest());
    if (!go_on.ok() || !*go_on) co_return absl::OkStatus();
  }
}

Task<absl::StatusOr<bool>> Connection::ServeRequest() {
  http::request_parser<http::empty_body> parser;
  parser.header_limit(kMaxHeadBytes);
  const auto [error, bytes] = co_await http::async_read_header(socket_, buffer_, parser, kTuple);
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

Task<Answer> Connection::AnswerTo(std::string_view method, std::string_view target) {
  if (!IsRead(method) || PathOf(target) != "/metrics") {
    co_return AnswerHealth(method, target, deps_.drain_signal.draining());
  }
  absl::StatusOr<std::string> scraped = co_await deps_.metrics.Scrape();
  if (!scraped.ok()) co_return Answer{503, MessageOf(scraped.status())};
  co_return Answer{200, *std::move(scraped), "text/plain; version=0.0.4; charset=utf-8"};
}

Task<bool> Connection::Send(Reply reply) {
  http::response<http::string_body> response(
      http::int_to_status(static_cast<unsigned>(reply.answer.status)), reply.version);
  response.set(http::field::content_type, reply.answer.content_type);
  response.set(http::field::cache_control, "no-store");
  if (reply.answer.status == 405) response.set(http::field::allow, "GET, HEAD");
  response.keep_alive(reply.keep_alive);
  response.content_length(reply.answer.body.size());
  if (!reply.head_only) response.body() = std::move(reply.answer.body);
  const auto [error, bytes] = co_await http::async_write(socket_, response, kTuple);
  co_return !error;
}

/// Closing with bytes unread resets the connection, and the answer may be lost on the way.
Task<void> Connection::Linger() {
  error_code error;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  std::array<std::byte, 4096> dropped;
  for (std::size_t total = 0; !error && total < kMaxLingerBytes;) {
    const auto [read_error, bytes] =
        co_await socket_.async_read_some(asio::buffer(dropped), kTuple);
    error = read_error;
    total += bytes;
  }
}

}  // namespace fetchd::admin
