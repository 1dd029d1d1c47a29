#include "admin/answer_writer.h"

#include <boost/asio/write.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cstddef>
#include <tuple>
#include <utility>

namespace fetchd::admin {
namespace {

namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

/// Of an answer, each within its time.
constexpr std::size_t kSliceBytes = std::size_t{64} << 10;

template <typename Body>
http::response<Body> Describe(const HttpReply& reply, AnswerForm form) {
  http::response<Body> response(http::int_to_status(static_cast<unsigned>(reply.status)),
                                form.version);
  if (reply.status != 204) response.set(http::field::content_type, reply.content_type);
  response.set(http::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  for (const HttpField& field : reply.fields) response.set(field.name, field.value);
  response.keep_alive(form.keep_alive);
  return response;
}

template <typename Stream>
Task<absl::StatusOr<bool>> WriteSlice(Stream& stream,
                                      http::response_serializer<http::string_body>& serializer) {
  const auto [error, bytes] = co_await http::async_write_some(stream, serializer, kTuple);
  co_return !error;
}

template <typename Stream>
Task<absl::StatusOr<bool>> WriteHead(Stream& stream, http::response<http::empty_body> head) {
  http::response_serializer<http::empty_body> serializer(head);
  const auto [error, bytes] = co_await http::async_write_header(stream, serializer, kTuple);
  co_return !error;
}

template <typename Stream>
Task<absl::StatusOr<bool>> WritePiece(Stream& stream, std::string piece, bool chunked) {
  error_code error;
  std::size_t bytes = 0;
  if (!chunked) {
    std::tie(error, bytes) = co_await asio::async_write(stream, asio::buffer(piece), kTuple);
  } else if (piece.empty()) {
    std::tie(error, bytes) = co_await asio::async_write(stream, http::make_chunk_last(), kTuple);
  } else {
    std::tie(error, bytes) =
        co_await asio::async_write(stream, http::make_chunk(asio::buffer(piece)), kTuple);
  }
  co_return !error;
}

}  // namespace

template <typename Stream>
Task<bool> AnswerWriter<Stream>::InTime(const char* what, Task<absl::StatusOr<bool>> send) {
  const Deadline deadline = Deadline::After(clock_, piece_timeout_);
  const absl::StatusOr<bool> sent = co_await WithDeadline(clock_, deadline, what, std::move(send));
  co_return sent.ok() && *sent;
}

template <typename Stream>
Task<bool> AnswerWriter<Stream>::Send(HttpReply reply, AnswerForm form) {
  auto response = Describe<http::string_body>(reply, form);
  if (reply.status != 204 && reply.status != 304) response.content_length(reply.body.size());
  if (!form.is_head) response.body() = std::move(reply.body);
  http::response_serializer<http::string_body> serializer(response);
  serializer.limit(kSliceBytes);
  bool sent = true;
  while (sent && !serializer.is_done()) {
    sent = co_await InTime("admin answer", WriteSlice(stream_, serializer));
  }
  co_return sent;
}

template <typename Stream>
Task<bool> AnswerWriter<Stream>::SendStreamHead(const HttpReply& reply, AnswerForm form) {
  auto head = Describe<http::empty_body>(reply, form);
  head.chunked(form.chunked());
  co_return co_await InTime("admin stream", WriteHead(stream_, std::move(head)));
}

template <typename Stream>
Task<bool> AnswerWriter<Stream>::SendPiece(std::string piece, AnswerForm form) {
  co_return co_await InTime("admin stream", WritePiece(stream_, std::move(piece), form.chunked()));
}

template class AnswerWriter<tcp::socket>;
template class AnswerWriter<TlsStream>;

}  // namespace fetchd::admin
