// Where one exchange takes place: an HTTP/1.1 connection, or a stream of an HTTP/2 one.
#pragma once

#include <span>
#include <string_view>

#include "http/client.h"
#include "http/framing.h"

namespace fetchd::http {

/// Begin -> Exchange -> (TakeBuffered or ReadBody)* until at_end(). Lives on one shard, used by one
/// task at a time. After an error, or a cancelled call, only destruction is left.
class Channel {
 public:
  virtual ~Channel() = default;

  /// Prepares an exchange. INVALID_ARGUMENT when the request cannot be written as a head.
  virtual absl::Status Begin(const Request& request, std::string_view user_agent,
                             const Timeouts& timeouts, Deadline deadline) = 0;
  /// Writes the request and reads the final head; 1xx heads are skipped. On error failed_phase()
  /// says where.
  virtual Task<absl::Status> Exchange() = 0;
  /// What Exchange read; taken once.
  virtual ResponseHead TakeHead() = 0;
  virtual const Framing& framing() const = 0;
  virtual Duration first_byte() const = 0;
  virtual Phase failed_phase() const = 0;
  /// No byte of a response has come since Begin.
  virtual bool silent() const = 0;
  /// The peer said that it did not process the request (RFC 9113 8.7).
  virtual bool unprocessed() const = 0;

  /// Body bytes that are here already; 0 when the network must be asked (or at_end()).
  virtual absl::StatusOr<std::size_t> TakeBuffered(std::span<std::byte> out) = 0;
  /// Reads 1..out.size() bytes; 0 only at the end of the body.
  virtual Task<absl::StatusOr<std::size_t>> ReadBody(std::span<std::byte> out) = 0;
  virtual bool at_end() const = 0;
  /// What came behind the body; at_end(), taken once.
  virtual Headers TakeTrailers() = 0;
  /// Bytes of the response that could be read without waiting; an upper bound.
  virtual std::size_t Available() const = 0;
};

}  // namespace fetchd::http
