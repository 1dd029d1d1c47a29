#include "http/connection.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cstring>

#include "base/check.h"
#include "http/error.h"
#include "http/request_head.h"
#include "net/error.h"
#include "net/proxy_error.h"

namespace fetchd::http {
namespace {

constexpr std::size_t kFirstBufferBytes = 16 * 1024;
constexpr std::size_t kMaxBufferBytes = 128 * 1024;  ///< A whole head, and what came with it.
/// Shorter runs of chunk data go through the buffer, so that what follows them comes with the same
/// read.
constexpr std::size_t kMinDirectBytes = 4096;
constexpr std::size_t kMaxInformationalBytes = 64 * 1024;
/// What is sent of a request in one wait.
constexpr std::size_t kSendBytes = 256 * 1024;

}  // namespace

Http1Connection::Http1Connection(std::unique_ptr<net::Stream> stream, std::string peer,
                                 Watchdog& watchdog, net::ProxyPtr forwarding)
    : stream_(std::move(stream)),
      peer_(std::move(peer)),
      watchdog_(watchdog),
      forwarding_(std::move(forwarding)) {}

absl::Status Http1Connection::Begin(const Request& request, std::string_view user_agent,
                                    const Timeouts& timeouts, Deadline deadline) {
  FETCHD_CHECK(at_end_ && begin_ == end_);
  RETURN_IF_ERROR(ComposeRequestHead(request, user_agent, forwarding_.get(), request_text_));
  request_body_ = request.body;
  if (forwarding_ != nullptr) forwarded_peer_ = net::PeerName(request.url.origin());
  head_request_ = request.method == "HEAD";
  first_byte_timeout_ = timeouts.first_byte;
  read_idle_timeout_ = timeouts.read_idle;
  speed_floor_ = {timeouts.min_speed_bytes_per_sec, timeouts.min_speed_window};
  total_ = deadline;
  head_ = ResponseHead();
  framing_ = Framing();
  chunks_ = ChunkedDecoder();
  remaining_ = 0;
  informational_heads_ = 0;
  informational_bytes_ = 0;
  first_byte_ = Duration::zero();
  silent_ = true;
  at_end_ = false;
  watch_.Reset(speed_floor_);
  return absl::OkStatus();
}

Task<boost::system::error_code> Http1Connection::SendRest(std::size_t head_bytes_sent) {
  const std::span<const std::byte> head = std::as_bytes(std::span<const char>(request_text_));
  boost::system::error_code error = co_await SendBlock(head.subspan(head_bytes_sent));
  for (const std::span<const std::byte> block : request_body_) {
    if (!error) error = co_await SendBlock(block);
  }
  co_return error;
}

Task<boost::system::error_code> Http1Connection::SendBlock(std::span<const std::byte> block) {
  while (!block.empty()) {
    const std::span<const std::byte> next = block.first(std::min(block.size(), kSendBytes));
    block = block.subspan(next.size());
    const SteadyTime begun = watchdog_.clock().Now();
    const Deadline phase = Deadline::After(begun, read_idle_timeout_);
    const ArmedWatch armed(watchdog_, watch_,
                           {.target = *this, .now = begun, .phase = phase, .total = total_});
    const net::IoResult sent = co_await stream_->WriteAll(next);
    if (sent.error) co_return sent.error;
  }
  co_return boost::system::error_code();
}

Task<absl::Status> Http1Connection::Exchange() {
  const std::span<const std::byte> head = std::as_bytes(std::span<const char>(request_text_));
  const std::size_t sent = stream_->SendNow(head);
  boost::system::error_code send_error;
  if (sent < head.size() || !request_body_.empty()) send_error = co_await SendRest(sent);
  request_body_.clear();  // It was only lent.
  // A server may answer and close without reading the request: its answer counts.
  if (send_error && watch_.expiry() != Expiry::kNone) {
    co_return FailedWait(Phase::kSend, send_error);
  }
  const SteadyTime begun = watchdog_.clock().Now();
  const Deadline phase = Deadline::After(begun, first_byte_timeout_);
  const ArmedWatch armed(watchdog_, watch_,
                         {.target = *this, .now = begun, .phase = phase, .total = total_});
  HeadParser parser;
  absl::StatusOr<bool> complete = false;
  boost::system::error_code read_error;
  while (complete.ok() && !*complete) {
    const net::IoResult received = co_await stream_->ReadSome(MakeRoom());
    read_error = received.error;
    complete = TakeHeadBytes(received, parser);
  }
  first_byte_ = watchdog_.clock().Now() - begun;
  if (complete.ok()) {
    CO_RETURN_IF_ERROR(TakeFinalHead());
    // What was not sent of the body would be taken for the next request (RFC 9112 9.3).
    if (send_error) framing_.reusable = false;
    co_return absl::OkStatus();
  }
  // So does what it says in its last words, such as that it wants a client certificate.
  const bool told = !silent_ || net::IsTlsFault(read_error);
  if (send_error && !told) co_return FailedWait(Phase::kSend, send_error);
  co_return complete.status();
}

absl::StatusOr<bool> Http1Connection::TakeHeadBytes(const net::IoResult& received,
                                                    HeadParser& parser) {
  failed_phase_ = Phase::kFirstByte;
  if (received.error) {
    const bool cut = !silent_ && received.error == asio::error::eof;
    return cut ? MalformedError(peer_, "a head that ends early")
               : FailedWait(Phase::kFirstByte, received.error);
  }
  silent_ = false;
  end_ += received.bytes;
  while (begin_ < end_) {
    const auto head_bytes = parser.Feed({buffer_.get() + begin_, end_ - begin_}, head_);
    if (!head_bytes) return MalformedError(peer_, head_bytes.error());
    if (*head_bytes == 0) return false;
    begin_ += *head_bytes;
    if (head_.status >= 200) return true;
    RETURN_IF_ERROR(TakeInformationalHead(*head_bytes));
    parser = HeadParser();
    head_ = ResponseHead();
  }
  return false;
}

absl::Status Http1Connection::TakeInformationalHead(std::size_t head_bytes) {
  if (head_.status == 101) return MalformedError(peer_, "a protocol switch that nobody asked for");
  informational_bytes_ += head_bytes;
  if (++informational_heads_ > kMaxInformationalHeads ||
      informational_bytes_ > kMaxInformationalBytes) {
    return MalformedError(peer_, "too many 1xx responses");
  }
  return absl::OkStatus();
}

absl::Status Http1Connection::TakeFinalHead() {
  if (forwarding_ != nullptr && head_.status == 407) {
    failed_phase_ = Phase::kProxy;
    return net::ProxyAuthError(*forwarding_, forwarded_peer_, "HTTP 407");
  }
  const auto framing = JudgeFraming(head_, head_request_);
  if (!framing) return MalformedError(peer_, framing.error());
  framing_ = *framing;
  remaining_ = framing_.length;
  at_end_ = framing_.mode == BodyMode::kNone;
  failed_phase_ = Phase::kBody;
  return absl::OkStatus();
}

/// Where to read to: at least one byte, at the end of the buffer.
std::span<std::byte> Http1Connection::MakeRoom() {
  if (begin_ == end_) {
    begin_ = end_ = 0;
  } else if (end_ == capacity_ && begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == capacity_) Grow();
  return std::as_writable_bytes(std::span(buffer_.get() + end_, capacity_ - end_));
}

void Http1Connection::Grow() {
  const std::size_t capacity = capacity_ == 0 ? kFirstBufferBytes : 2 * capacity_;
  FETCHD_CHECK(capacity <= kMaxBufferBytes);
  auto buffer = std::make_unique_for_overwrite<char[]>(capacity);
  if (end_ > 0) std::memcpy(buffer.get(), buffer_.get(), end_);
  buffer_ = std::move(buffer);
  capacity_ = capacity;
}

void Http1Connection::Relax(std::size_t keep_bytes) {
  if (keep_bytes == 0) request_text_ = std::string();  // It may hold credentials.
  if (capacity_ <= keep_bytes || begin_ != end_) return;
  buffer_.reset();
  capacity_ = begin_ = end_ = 0;
}

absl::StatusOr<std::size_t> Http1Connection::TakeBuffered(std::span<std::byte> out) {
  const std::size_t available = end_ - begin_;
  if (at_end_ || available == 0) return 0;
  if (framing_.mode == BodyMode::kChunked) {
    const auto progress = chunks_.Decode({buffer_.get() + begin_, available}, out);
    if (!progress) return MalformedError(peer_, progress.error());
    begin_ += progress->consumed;
    at_end_ = chunks_.done();
    return progress->produced;
  }
  const std::uint64_t limit = framing_.mode == BodyMode::kFixed
                                  ? std::min<std::uint64_t>(available, remaining_)
                                  : available;
  const auto bytes = static_cast<std::size_t>(std::min<std::uint64_t>(limit, out.size()));
  if (bytes != 0) std::memcpy(out.data(), buffer_.get() + begin_, bytes);
  begin_ += bytes;
  CountBody(bytes);
  return bytes;
}

Task<absl::StatusOr<std::size_t>> Http1Connection::ReadBody(std::span<std::byte> out) {
  FETCHD_CHECK(!out.empty());
  while (true) {
    CO_ASSIGN_OR_RETURN(const std::size_t taken, TakeBuffered(out));
    if (taken > 0 || at_end_) co_return taken;
    const std::size_t direct = DirectBytes(out.size());
    const std::span<std::byte> room = direct > 0 ? out.first(direct) : MakeRoom();
    const net::IoResult received = co_await Receive(room);
    if (received.error) {
      CO_RETURN_IF_ERROR(EndOfStream(received.error));
      co_return 0;
    }
    if (direct > 0) {
      if (framing_.mode == BodyMode::kChunked) chunks_.Skip(received.bytes);
      CountBody(received.bytes);
      co_return received.bytes;
    }
    end_ += received.bytes;
  }
}

/// How much may be read past the buffer, because it is body for sure.
std::size_t Http1Connection::DirectBytes(std::size_t room) const {
  std::uint64_t known = room;
  if (framing_.mode == BodyMode::kFixed) known = remaining_;
  if (framing_.mode == BodyMode::kChunked) known = chunks_.data_remaining();
  const auto direct = static_cast<std::size_t>(std::min<std::uint64_t>(known, room));
  return framing_.mode == BodyMode::kChunked && direct < kMinDirectBytes ? 0 : direct;
}

void Http1Connection::CountBody(std::size_t bytes) {
  if (framing_.mode != BodyMode::kFixed) return;
  remaining_ -= bytes;
  at_end_ = remaining_ == 0;
}

Task<net::IoResult> Http1Connection::Receive(std::span<std::byte> out) {
  const SteadyTime begun = watchdog_.clock().Now();
  const ArmedWatch armed(watchdog_, watch_,
                         {.target = *this,
                          .now = begun,
                          .phase = Deadline::After(begun, read_idle_timeout_),
                          .total = total_,
                          .judge_speed = true});
  net::IoResult received = co_await stream_->ReadSome(out);
  if (received.error) co_return received;
  watch_.Count(received.bytes, watchdog_.clock().Now());
  if (watch_.expiry() != Expiry::kNone) received.error = asio::error::operation_aborted;
  co_return received;
}

/// The stream ended or failed while a body was being read: OK only where that is how the body ends.
absl::Status Http1Connection::EndOfStream(boost::system::error_code error) {
  // A TLS stream that ends without close_notify may have been cut by anybody: never a clean end.
  const bool cut = error == asio::error::eof || error == asio::ssl::error::stream_truncated;
  if (watch_.expiry() != Expiry::kNone || !cut) return FailedWait(Phase::kBody, error);
  failed_phase_ = Phase::kBody;
  if (framing_.mode != BodyMode::kUntilClose || error != asio::error::eof) {
    return TruncatedError(peer_);
  }
  at_end_ = true;
  return absl::OkStatus();
}

absl::Status Http1Connection::FailedWait(Phase phase, boost::system::error_code error) {
  failed_phase_ = phase;
  switch (watch_.expiry()) {
    case Expiry::kNone:
      return LostError(peer_, phase, error);
    case Expiry::kTotal:
      return TotalTimeoutError(peer_, PhaseName(phase));
    case Expiry::kMinimumSpeed:
      return TooSlowError(peer_, speed_floor_.bytes_per_sec, speed_floor_.window);
    case Expiry::kPhase:
      break;
  }
  if (phase == Phase::kBody) return TimeoutError(peer_, "read idle", read_idle_timeout_);
  const Duration timeout = phase == Phase::kSend ? read_idle_timeout_ : first_byte_timeout_;
  return TimeoutError(peer_, PhaseName(phase), timeout);
}

}  // namespace fetchd::http
