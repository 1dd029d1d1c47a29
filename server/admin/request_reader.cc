#include "admin/request_reader.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace fetchd::admin {
namespace {

namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

/// In which bodies are counted: what one read may bring.
constexpr std::size_t kBodyPieceBytes = kMaxHeadBytes;

absl::StatusOr<std::optional<Answer>> RefusalOf(error_code error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Answer{431, "request head too large"};
  }
  if (error == http::error::body_limit) return Answer{413, "a body has 1 MiB at most"};
  const bool has_left =
      error == http::error::end_of_stream || error == http::error::partial_message;
  if (!has_left && error.category() == http::make_error_code(http::error::bad_method).category()) {
    return Answer{400, "bad request"};
  }
  return absl::UnavailableError(error.message());
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

}  // namespace

template <typename Stream>
Task<typename RequestReader<Stream>::Refusal> RequestReader<Stream>::ReadHead() {
  parser_.emplace();
  parser_->header_limit(kMaxHeadBytes);
  parser_->body_limit(kMaxBodyBytes);
  const auto [error, bytes] = co_await http::async_read_header(stream_, buffer_, *parser_, kTuple);
  if (error) co_return RefusalOf(error);
  if (HasOneLength(head())) co_return std::nullopt;
  co_return Answer{400,
                   "a body has one Content-Length, or Transfer-Encoding: chunked and nothing else"};
}

template <typename Stream>
HttpRequest RequestReader<Stream>::Request(std::string peer) const {
  HttpRequest request;
  request.method = View(head().method_string());
  request.target = View(head().target());
  for (const auto& field : head()) {
    request.fields.push_back(
        {std::string(View(field.name_string())), std::string(View(field.value()))});
  }
  request.peer = std::move(peer);
  return request;
}

template <typename Stream>
Task<typename RequestReader<Stream>::Refusal> RequestReader<Stream>::ReadBody(
    HttpRequest& request) {
  if (EqualsIgnoreCase(View(head()[http::field::expect]), "100-continue")) {
    http::response<http::empty_body> go_on(http::status::continue_, 11);
    const auto [error, sent] = co_await http::async_write(stream_, go_on, kTuple);
    if (error) co_return absl::UnavailableError(error.message());
  }
  std::string& body = parser_->get().body();
  std::vector<Permit>& counted = request.body_bytes;
  parser_->eager(true);
  while (!parser_->is_done()) {
    // To wait for others' bodies to be done would be to wait for each other.
    while (counted.size() * kBodyPieceBytes < body.size() + kBodyPieceBytes) {
      counted.push_back(body_bytes_.TryAcquire(kBodyPieceBytes));
      if (counted.back()) continue;
      co_return Answer{503,
                       "other requests' bodies take all the memory that there is for them: come "
                       "back"};
    }
    const auto [error, read] = co_await http::async_read_some(stream_, buffer_, *parser_, kTuple);
    if (error) co_return RefusalOf(error);
  }
  counted.resize((body.size() + kBodyPieceBytes - 1) / kBodyPieceBytes);
  request.body = std::move(body);
  co_return std::nullopt;
}

template <typename Stream>
Task<void> RequestReader<Stream>::ClientGoes() {
  while (buffer_.size() < buffer_.max_size()) {
    const auto room = buffer_.prepare(buffer_.max_size() - buffer_.size());
    const auto [error, bytes] = co_await stream_.async_read_some(room, kTuple);
    if (error) co_return;
    buffer_.commit(bytes);
  }
  asio::steady_timer never(stream_.get_executor(), asio::steady_timer::time_point::max());
  co_await Expiry(never);
}

template class RequestReader<tcp::socket>;
template class RequestReader<TlsStream>;

}  // namespace fetchd::admin
