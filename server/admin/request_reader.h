// The requests of one client, as they come.
#pragma once

#include <boost/beast/core/flat_static_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstddef>
#include <optional>
#include <string>

#include "admin/client_stream.h"
#include "admin/health.h"
#include "base/http_handler.h"
#include "base/semaphore.h"
#include "base/status.h"
#include "base/task.h"

namespace fetchd::admin {

/// Tokens may be long, and browsers send the cookies of everything else on localhost.
inline constexpr std::size_t kMaxHeadBytes = std::size_t{16} << 10;
inline constexpr std::size_t kMaxBodyBytes = std::size_t{1} << 20;

/// Reads heads and bodies within their limits; times are its owner's affair. Lives as long as the
/// connection, on its shard. `Stream` is tcp::socket or TlsStream.
template <typename Stream>
class RequestReader {
 public:
  /// Nullopt: it is read. Else the answer to what cannot be, after which nothing more is read.
  /// UNAVAILABLE: nobody is there to be answered.
  using Refusal = absl::StatusOr<std::optional<Answer>>;
  using Head = boost::beast::http::request<boost::beast::http::string_body>;

  /// `body_bytes`: of bodies that have come and are not passed on yet.
  RequestReader(Stream& stream, Semaphore& body_bytes) : stream_(stream), body_bytes_(body_bytes) {}

  /// Of the next request: the one before is forgotten.
  Task<Refusal> ReadHead();
  /// Counts what has come, not what was announced: into `request`, with its bytes.
  Task<Refusal> ReadBody(HttpRequest& request);
  /// Completes when the client is gone: who closes his half of the connection is, too. What comes
  /// meanwhile is the next request; when there is no room for more of it nobody looks.
  Task<void> ClientGoes();

  /// What there is of it, also when it could not be read.
  const Head& head() const { return parser_->get(); }
  /// No body comes, or it is read.
  bool is_done() const { return parser_->is_done(); }
  /// Without its body.
  HttpRequest Request(std::string peer) const;

 private:
  Stream& stream_;
  Semaphore& body_bytes_;
  boost::beast::flat_static_buffer<kMaxHeadBytes> buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
};

extern template class RequestReader<asio::ip::tcp::socket>;
extern template class RequestReader<TlsStream>;

}  // namespace fetchd::admin
