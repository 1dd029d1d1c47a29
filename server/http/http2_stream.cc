#include "http/http2_stream.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/strings.h"
#include "http/error.h"
#include "http/request_head.h"

namespace fetchd::http {
namespace {

constexpr std::size_t kMaxHeadBytes = 64 * 1024;
constexpr std::size_t kMaxHeadFields = 256;

}  // namespace

Http2Stream::Http2Stream(std::shared_ptr<Http2Session> session)
    : session_(std::move(session)), changed_(session_->tasks_.executor()) {
  session_->Enter(*this);
}

Http2Stream::~Http2Stream() {
  if (id_ != 0) session_->Reset(id_, head_done_ && at_end());
  session_->Leave(*this);
}

absl::Status Http2Stream::Begin(const Request& request, std::string_view user_agent,
                                const Timeouts& timeouts, Deadline deadline) {
  FETCHD_CHECK(id_ == 0 && fields_.empty());
  RETURN_IF_ERROR(ComposeRequestFields(request, user_agent, fields_));
  request_body_ = request.body;
  unsent_bytes_ = SizeOf(request_body_);
  head_request_ = request.method == "HEAD";
  first_byte_timeout_ = timeouts.first_byte;
  read_idle_timeout_ = timeouts.read_idle;
  speed_floor_ = {timeouts.min_speed_bytes_per_sec, timeouts.min_speed_window};
  total_ = deadline;
  watch_.Reset(speed_floor_);
  return absl::OkStatus();
}

Task<absl::Status> Http2Stream::Exchange() {
  if (const auto id = session_->Submit(*this, fields_, unsent_bytes_ > 0); id.ok()) {
    id_ = *id;
  } else {
    unprocessed_ = true;
    co_return id.status();
  }
  if (unsent_bytes_ > 0) co_await SendBody();
  const SteadyTime begun = session_->watchdog_.clock().Now();
  {
    const ArmedWatch armed(session_->watchdog_, watch_,
                           {.target = *this,
                            .now = begun,
                            .phase = Deadline::After(begun, first_byte_timeout_),
                            .total = total_});
    while (!head_done_ && !closed_) co_await changed_.Wait();
  }
  // It is only lent until now; a peer that has answered before its end does not want the rest.
  request_body_.clear();
  first_byte_ = session_->watchdog_.clock().Now() - begun;
  if (!head_done_) co_return Failure(silent_ ? Phase::kSend : Phase::kFirstByte);
  failed_phase_ = Phase::kBody;
  co_return absl::OkStatus();
}

Task<void> Http2Stream::SendBody() {
  while (unsent_bytes_ > 0 && !head_done_ && !closed_) {
    const SteadyTime begun = session_->watchdog_.clock().Now();
    const std::uint64_t before = unsent_bytes_;
    const ArmedWatch armed(session_->watchdog_, watch_,
                           {.target = *this,
                            .now = begun,
                            .phase = Deadline::After(begun, read_idle_timeout_),
                            .total = total_});
    while (unsent_bytes_ == before && !head_done_ && !closed_) co_await changed_.Wait();
  }
}

Http2Stream::ToSend Http2Stream::TakeToSend(std::span<std::byte> out) {
  ToSend taken;
  while (taken.bytes < out.size() && sending_ < request_body_.size()) {
    const std::span<const std::byte> block = request_body_[sending_].subspan(block_sent_);
    const std::size_t bytes = std::min(block.size(), out.size() - taken.bytes);
    if (bytes > 0) std::memcpy(out.data() + taken.bytes, block.data(), bytes);
    taken.bytes += bytes;
    block_sent_ += bytes;
    if (bytes < block.size()) break;
    ++sending_;
    block_sent_ = 0;
  }
  unsent_bytes_ -= taken.bytes;
  taken.last = unsent_bytes_ == 0;
  changed_.Notify();
  return taken;
}

bool Http2Stream::at_end() const {
  if (!head_done_ || taken_ != body_.size() || !error_.ok()) return false;
  switch (framing_.mode) {
    case BodyMode::kNone:
      return true;
    case BodyMode::kFixed:  // The end of the stream is the end: trailers come before it.
      return closed_ && received_ == framing_.length;
    default:
      return closed_;
  }
}

absl::StatusOr<std::size_t> Http2Stream::TakeBuffered(std::span<std::byte> out) {
  const std::size_t bytes = std::min(out.size(), body_.size() - taken_);
  if (bytes == 0) return 0;
  std::memcpy(out.data(), body_.data() + taken_, bytes);
  taken_ += bytes;
  if (taken_ == body_.size()) {
    body_.clear();
    taken_ = 0;
  }
  if (id_ != 0) session_->Consumed(id_, bytes);
  return bytes;
}

Task<absl::StatusOr<std::size_t>> Http2Stream::ReadBody(std::span<std::byte> out) {
  FETCHD_CHECK(!out.empty());
  while (true) {
    CO_ASSIGN_OR_RETURN(const std::size_t taken, TakeBuffered(out));
    if (taken > 0 || at_end()) co_return taken;
    if (closed_) co_return Failure(Phase::kBody);
    const SteadyTime begun = session_->watchdog_.clock().Now();
    const std::uint64_t before = received_;
    const ArmedWatch armed(session_->watchdog_, watch_,
                           {.target = *this,
                            .now = begun,
                            .phase = Deadline::After(begun, read_idle_timeout_),
                            .total = total_,
                            .judge_speed = true});
    while (received_ == before && !closed_) co_await changed_.Wait();
    watch_.Count(received_ - before, session_->watchdog_.clock().Now());
  }
}

void Http2Stream::BeginHead() {
  silent_ = false;
  in_trailers_ = head_done_;
  if (!head_done_) head_ = ResponseHead();
}

bool Http2Stream::AddField(std::string_view name, std::string_view value) {
  head_bytes_ += name.size() + value.size();
  if (head_bytes_ > kMaxHeadBytes || ++head_fields_ > kMaxHeadFields) {
    if (error_.ok()) error_ = MalformedError(session_->peer_, "a head over 64 KiB or 256 fields");
    return false;
  }
  if (in_trailers_) {  // nghttp2 has checked that they hold no pseudo-header field.
    trailers_.Add(name, value);
  } else if (name == ":status") {
    // nghttp2 lets three digits through only.
    head_.status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
  } else {
    head_.headers.Add(name, value);
  }
  return true;
}

void Http2Stream::EndHead() {
  if (in_trailers_) return;
  if (head_.status < 100 || head_.status > 599) return Refuse("a status outside 100..599");
  if (head_.status < 200) {
    if (++informational_heads_ > kMaxInformationalHeads) Refuse("too many 1xx responses");
    return;
  }
  const auto framing = JudgeFraming(head_, head_request_);
  if (!framing) return Refuse(framing.error());
  framing_ = *framing;
  head_done_ = true;
  changed_.Notify();
}

void Http2Stream::Refuse(std::string_view what) {
  error_ = MalformedError(session_->peer_, what);
  Abort();
}

void Http2Stream::BeginLastData(std::size_t bytes) {
  ends_short_ = framing_.mode == BodyMode::kFixed && received_ + bytes < framing_.length;
}

void Http2Stream::AddBody(std::span<const std::byte> bytes) {
  received_ += bytes.size();
  if (taken_ > body_.size() / 2) {
    body_.erase(0, taken_);
    taken_ = 0;
  }
  body_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  changed_.Notify();
}

void Http2Stream::Close(std::uint32_t error_code) {
  id_ = 0;
  closed_ = true;
  if (error_code != NGHTTP2_NO_ERROR && error_.ok()) error_ = ResetError(error_code);
  changed_.Notify();
}

void Http2Stream::Lose(const absl::Status& why) {
  if (std::exchange(closed_, true)) return;
  const bool complete =
      head_done_ && framing_.mode == BodyMode::kFixed && received_ == framing_.length;
  if (!complete && error_.ok()) error_ = why;
  changed_.Notify();
}

void Http2Stream::Abort() noexcept {
  if (id_ != 0) session_->Reset(std::exchange(id_, 0), false);
  closed_ = true;
  if (error_.ok()) error_ = absl::CancelledError("reset");
  changed_.Notify();
}

absl::Status Http2Stream::ResetError(std::uint32_t error_code) {
  if (error_code == NGHTTP2_REFUSED_STREAM) {
    unprocessed_ = true;
    return UnprocessedError(session_->peer_, "the request was refused");
  }
  if (reset_by_peer_) {
    return StreamResetError(session_->peer_, nghttp2_http2_strerror(error_code));
  }
  // nghttp2 reset it, because the response breaks a rule.
  if (ends_short_) return TruncatedError(session_->peer_);
  return MalformedError(session_->peer_, "a response that breaks the rules of HTTP/2");
}

absl::Status Http2Stream::Failure(Phase phase) {
  failed_phase_ = phase;
  const std::string& peer = session_->peer_;
  switch (watch_.expiry()) {
    case Expiry::kNone:
      break;
    case Expiry::kTotal:
      return TotalTimeoutError(peer, PhaseName(phase));
    case Expiry::kMinimumSpeed:
      return TooSlowError(peer, speed_floor_.bytes_per_sec, speed_floor_.window);
    case Expiry::kPhase:
      if (phase == Phase::kBody) return TimeoutError(peer, "read idle", read_idle_timeout_);
      return TimeoutError(peer, PhaseName(phase), first_byte_timeout_);
  }
  return error_.ok() ? TruncatedError(peer) : error_;
}

}  // namespace fetchd::http
