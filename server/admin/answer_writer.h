// The answers to one client, as they go.
#pragma once

#include <string>

#include "admin/client_stream.h"
#include "base/http_handler.h"
#include "base/task.h"
#include "base/time.h"

namespace fetchd::admin {

/// What of the request says how it is answered.
struct AnswerForm {
  unsigned version = 11;  ///< 10 and 11, as Beast counts.
  bool is_head = false;   ///< Its answer has no body.
  bool keep_alive = false;

  /// Before HTTP/1.1 the end of the connection is the end of a stream.
  bool chunked() const { return version >= 11; }
};

/// Sends in pieces, each within its time. Lives as long as the connection, on its shard. `Stream`
/// is tcp::socket or TlsStream. What returns false has not arrived: the connection is of no use any
/// more.
template <typename Stream>
class AnswerWriter {
 public:
  AnswerWriter(Stream& stream, Clock& clock, Duration piece_timeout)
      : stream_(stream), clock_(clock), piece_timeout_(piece_timeout) {}

  Task<bool> Send(HttpReply reply, AnswerForm form);
  /// Of an answer whose body is a stream; its pieces follow.
  Task<bool> SendStreamHead(const HttpReply& reply, AnswerForm form);
  /// An empty one is the end.
  Task<bool> SendPiece(std::string piece, AnswerForm form);

 private:
  /// What `send` does, within its time.
  Task<bool> InTime(const char* what, Task<absl::StatusOr<bool>> send);

  Stream& stream_;
  Clock& clock_;
  const Duration piece_timeout_;
};

extern template class AnswerWriter<asio::ip::tcp::socket>;
extern template class AnswerWriter<TlsStream>;

}  // namespace fetchd::admin
