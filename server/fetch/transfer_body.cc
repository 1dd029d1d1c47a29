// Transfer, second half: how a body gets into the target.
#include <boost/asio/post.hpp>
#include <utility>

#include "base/strings.h"
#include "fetch/transfer.h"

namespace fetchd::fetch {
namespace {

// Pumps whose reads and writes never suspend let others run every so many buffers.
constexpr int kBuffersBetweenYields = 8;

}  // namespace

// Leaves in `asked` how far it came.
Task<absl::Status> Transfer::ReadBody(http::Response response, Asked& asked,
                                      std::optional<std::uint64_t> total,
                                      const Validator& validator) {
  // A second time there are no pieces: those of the first did not fit.
  if (!segmented_ && MaySegment(asked.offset, total, validator)) {
    segments_.emplace(deps_.config.segments, facts_.segments, deps_.clock.Now());
  } else {
    segments_.reset();
  }
  const Source source = SourceOf(response.url);
  CO_RETURN_IF_ERROR(co_await Pump(*response.body, asked.offset, total));
  if (!total || asked.offset == *total) {
    Declare(response.head.status, response.body->Trailers());
    co_return absl::OkStatus();
  }
  WholeBody whole{*total, validator, source};
  CO_RETURN_IF_ERROR(co_await ReadSegments(std::move(response), whole, asked.offset));
  asked.validator = validator;
  asked.total_bytes = total;
  asked.source = source;
  asked.other_url = false;
  co_return absl::OkStatus();
}

// Until the end of the body, or until it is to be read over several connections.
Task<absl::Status> Transfer::Pump(http::Body& body, std::uint64_t& offset,
                                  std::optional<std::uint64_t> total) {
  bool ended = false;
  const absl::Status waited_for_others = co_await bodies_.WaitForRates(0, deadline_);
  if (!waited_for_others.ok()) co_return FailBody(waited_for_others);
  for (int buffers = 1; !ended; ++buffers) {
    if (total && offset >= *total) {
      const absl::Status end = co_await bodies_.ExpectEnd(body);
      co_return end.ok() ? end : FailBody(end);
    }
    const auto left = total ? std::optional(*total - offset) : std::nullopt;
    absl::StatusOr<sink::Buffer> buffer = co_await bodies_.Acquire(left, deadline_);
    if (!buffer.ok()) co_return FailBody(buffer.status());
    unwritten_ = *std::move(buffer);
    const absl::Status filled = co_await bodies_.Fill(body, left, unwritten_, ended);
    // What came before an error counts: a later attempt goes on behind it.
    const std::uint64_t got = unwritten_.size();
    if (got > 0) CO_RETURN_IF_ERROR(co_await Deliver(offset));
    unwritten_ = sink::Buffer();
    if (!filled.ok()) co_return FailBody(filled);
    const bool more = !ended && offset != total;
    if (!more) bodies_.TakeFromRates(got, deps_.clock.Now());  // Who comes next waits for it.
    if (more) {
      const absl::Status waited = co_await bodies_.WaitForRates(got, deadline_);
      if (!waited.ok()) co_return FailBody(waited);
      if (WantsSegments(got)) co_return absl::OkStatus();
    }
    if (buffers % kBuffersBetweenYields == 0) {
      co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    }
  }
  if (total && offset != *total) {
    co_return Fail(
        Phase::kBody, true,
        absl::DataLossError(Concat("the body ended at ", offset, " of ", *total, " bytes")));
  }
  co_return absl::OkStatus();
}

// Writes what has come. A transfer that is stopped learns of it at its next co_await: before this.
Task<absl::Status> Transfer::Deliver(std::uint64_t& offset) {
  sink::Buffer buffer = std::exchange(unwritten_, sink::Buffer());
  const std::uint64_t size = buffer.size();
  CO_RETURN_IF_ERROR(CheckFits(offset + size));
  if (spec_.expected_size && offset + size > *spec_.expected_size) {
    co_return Fail(Phase::kVerify, true, verifier_.CheckSize(offset + size));
  }
  verifier_.Update(buffer.bytes());
  const AttemptClock::Pause pause(time_);
  absl::Status written = co_await target_.Write(offset, std::move(buffer));
  if (!written.ok()) co_return FailSink(std::move(written));
  offset += size;
  progress_.Add(size, deps_.clock.Now());
  co_return absl::OkStatus();
}

// For the whole time of the body. A total timeout is that of one exchange; of the rest see
// WantsSegments.
bool Transfer::MaySegment(std::uint64_t offset, std::optional<std::uint64_t> total,
                          const Validator& validator) const {
  const SegmentConfig& config = deps_.config.segments;
  const bool whole = !spec_.range || spec_.range == ByteRange{};
  return options_.segments && deps_.spares != nullptr && config.max_connections > 1 && whole &&
         !spec_.decode && !spec_.timeouts.total && !spec_.max_bytes_per_sec && total &&
         *total - offset >= config.min_bytes && !validator.empty() && target_.CanWriteAhead();
}

// `got` bytes have come.
bool Transfer::WantsSegments(std::uint64_t got) {
  if (!segments_) return false;
  const SteadyTime now = deps_.clock.Now();
  segments_->Received(got, now);
  if (segments_->wanted() <= 1) return false;
  const bool shared = sharing_ && sharing_->others_read();
  if (!shared && !IsRateLimited(deps_, *facts_.answered_by)) return true;
  segments_->Refused(now);
  return false;
}

// `offset` is how far it came: not to the end where what the pieces are of has changed meanwhile.
Task<absl::Status> Transfer::ReadSegments(http::Response response, WholeBody whole,
                                          std::uint64_t& offset) {
  segmented_ = true;
  SegmentedRead read({deps_, spec_, url_, target_, verifier_, progress_, facts_, bodies_,
                      *segments_, *facts_.answered_by, deadline_},
                     std::move(whole), offset, co_await asio::this_coro::executor);
  SegmentedRead::End end = co_await read.Run(std::move(response.body));
  offset = end.offset;
  if (end.status.ok()) co_return absl::OkStatus();
  co_return end.of_target ? FailSink(std::move(end.status)) : FailBody(std::move(end.status));
}

}  // namespace fetchd::fetch
