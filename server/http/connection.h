// One HTTP/1.1 connection: one exchange at a time over a stream.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "http/chunked_decoder.h"
#include "http/client.h"
#include "http/framing.h"
#include "http/head_parser.h"
#include "http/watchdog.h"
#include "net/stream.h"

namespace fetchd::http {

/// Begin -> Exchange -> ReadBody* until at_end(), then Begin again if reusable(). Destruction
/// closes the stream. Lives on one shard, used by one task at a time; the watchdog outlives it.
/// After an error, or a cancelled call, only destruction is left.
class Http1Connection {
 public:
  /// `peer` names the other side in messages: "example.org:80".
  Http1Connection(std::unique_ptr<net::Stream> stream, std::string peer, Watchdog& watchdog);
  Http1Connection(const Http1Connection&) = delete;
  Http1Connection& operator=(const Http1Connection&) = delete;

  /// Prepares an exchange. INVALID_ARGUMENT when the request cannot be written as a head.
  absl::Status Begin(const Request& request, std::string_view user_agent, const Timeouts& timeouts,
                     Deadline deadline);
  /// Writes the request and reads the final head; 1xx heads are skipped. On error failed_phase()
  /// says where.
  Task<absl::Status> Exchange();
  /// What Exchange read; taken once.
  ResponseHead TakeHead() { return std::move(head_); }
  const Framing& framing() const { return framing_; }
  Duration first_byte() const { return first_byte_; }
  Phase failed_phase() const { return failed_phase_; }
  /// No byte of a response has come since Begin.
  bool silent() const { return silent_; }

  /// Body bytes that are here already; 0 when the network must be asked (or at_end()).
  absl::StatusOr<std::size_t> TakeBuffered(std::span<std::byte> out);
  /// Reads 1..out.size() bytes; 0 only at the end of the body.
  Task<absl::StatusOr<std::size_t>> ReadBody(std::span<std::byte> out);
  bool at_end() const { return at_end_; }
  /// Bytes of the response that are here or wait in the socket; an upper bound.
  std::size_t Available() const { return at_end_ ? 0 : end_ - begin_ + stream_->Available(); }
  /// At a clean end, with nothing left over, and neither side said close.
  bool reusable() const { return at_end_ && framing_.reusable && begin_ == end_; }

  bool IsStale() noexcept { return stream_->IsStale(); }
  /// Gives up memory beyond what an idle connection may hold.
  void Relax();

 private:
  Task<absl::Status> ReadHead();
  /// Takes one head from the buffer: true when it was the final one, false when more bytes are
  /// needed.
  absl::StatusOr<bool> TakeHeadFromBuffer(HeadParser& parser);
  absl::Status TakeFinalHead();
  absl::Status TakeInformationalHead(std::size_t head_bytes);
  void MakeRoom();
  std::size_t DirectBytes(std::size_t room) const;
  void CountBody(std::size_t bytes);
  Task<net::IoResult> Receive(std::span<std::byte> out);
  absl::Status EndOfStream(boost::system::error_code error);
  absl::Status FailedWait(Phase phase, boost::system::error_code error);

  std::unique_ptr<net::Stream> stream_;
  std::string peer_;
  Watchdog& watchdog_;
  Watch watch_;

  // The exchange.
  std::string request_text_;
  bool head_request_ = false;
  Duration first_byte_timeout_{};
  Duration read_idle_timeout_{};
  SpeedFloor speed_floor_;
  Deadline total_;
  ResponseHead head_;
  Framing framing_;
  ChunkedDecoder chunks_;
  std::uint64_t remaining_ = 0;  ///< Of a body of known length.
  int informational_heads_ = 0;
  std::size_t informational_bytes_ = 0;
  Duration first_byte_{};
  Phase failed_phase_ = Phase::kSend;
  bool silent_ = true;
  bool at_end_ = true;

  // Received and not yet taken: buffer_[begin_, end_).
  std::unique_ptr<char[]> buffer_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace fetchd::http
