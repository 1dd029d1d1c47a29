#include "fetch/stream_run.h"

#include <utility>

#include "base/strings.h"
#include "fetch/attempt_log.h"
#include "fetch/mirrors.h"
#include "fetch/pushback.h"
#include "fetch/request.h"
#include "fetch/shown.h"

namespace fetchd::fetch {
namespace {

// One gRPC message: big ones cost far less a byte.
constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

absl::Status BodyChanged(const std::string& why) {
  return WithReason(absl::AbortedError("cannot go on with the body: " + why), {"BODY_CHANGED", {}});
}

}  // namespace

StreamRun::StreamRun(StreamRunDeps deps, jobs::FetchSpec spec, std::uint64_t offset,
                     Deadline deadline, StreamReceiver& receiver)
    : deps_(std::move(deps)),
      spec_(std::move(spec)),
      first_offset_(offset),
      deadline_(deadline),
      receiver_(receiver),
      retry_(RetryOf(spec_, deps_.transfer.config.retry)),
      verifier_(spec_),
      progress_(deps_.transfer.clock.Now()),
      position_(offset),
      attempts_(deps_.executor) {}

void StreamRun::Interrupt() {
  interrupted_.store(true, std::memory_order_release);
  attempts_.Stop();
}

absl::Status StreamRun::InterruptedError() const {
  const std::uint64_t offset = spec_.decode ? 0 : position_;
  return WithReason(
      absl::UnavailableError(Concat("interrupted by shutdown: resume at offset ", offset)),
      {"INTERRUPTED", {{"offset", Concat(offset)}}});
}

Task<absl::StatusOr<StreamEnd>> StreamRun::Run() {
  absl::Status status = co_await attempts_.Run("stream", AllAttempts());
  if (!status.ok() && interrupted_.load(std::memory_order_acquire)) co_return InterruptedError();
  CO_RETURN_IF_ERROR(status);
  if (facts_.not_modified) co_return std::move(end_);
  end_.size_bytes = position_;
  co_return std::move(end_);
}

Task<absl::Status> StreamRun::AllAttempts() {
  for (int number = 1;; ++number) {
    if (number > 1) {
      if (AllDelivered()) co_return Verify();
      CO_RETURN_IF_ERROR(CheckResumable());
    }
    const absl::Status status = co_await OneAttempt(number);
    // A cancelled caller is no failed attempt: this throws then.
    co_await asio::post(asio::use_awaitable);
    const std::optional<Duration> delay = Decide(number, status);
    if (!delay) co_return EndOf(status);
    co_await deps_.transfer.clock.SleepFor(*delay);
  }
}

// Of one that no url answered, what all of them said.
absl::Status StreamRun::EndOf(const absl::Status& status) const {
  const bool of_urls =
      !status.ok() && asked_ && !head_given_ && failed_ && facts_.phase != Phase::kSink;
  return of_urls ? FinalError(spec_, urls_, *failed_) : status;
}

Task<absl::Status> StreamRun::OneAttempt(int number) {
  Clock& clock = deps_.transfer.clock;
  facts_ = AttemptFacts();
  asked_ = false;
  frame_ = {number, clock.WallNow(), {}, {}};
  const SteadyTime began = clock.Now();
  const absl::StatusOr<Permit> permit = co_await WaitForTurn();
  CO_RETURN_IF_ERROR(permit.status());
  asked_ = true;
  deps_.counters.attempts.fetch_add(1, std::memory_order_relaxed);

  Transfer transfer(
      deps_.transfer, spec_, *url_, *this, verifier_, progress_, facts_,
      {.buffer_bytes = kBufferBytes, .use = sink::BufferUse::kStream, .share_scope = ShareScope()});
  Asked asked;
  // Before the first byte there is nothing to go on with: Begin() says whether the head still
  // holds.
  if (position_ > 0) {
    asked = {.offset = position_,
             .validator = validator_,
             .total_bytes = total_bytes_,
             .source = source_};
  }
  OriginPacer::Turn turn = deps_.transfer.pacer.Begin(url_->origin(), number > 1);
  turn_ = &turn;
  absl::Status status = co_await transfer.Run(std::move(asked), deadline_);
  const bool own = GoesItsOwnWay(spec_) || deadline_.Passed(clock);
  EndTurn(deps_.transfer.pacer, turn, facts_, status, own);
  if (status.ok()) status = Verify();
  frame_.took = clock.Now() - began;
  co_return status;
}

// Once a head is given, the body is that origin's: another's may differ where nobody looks.
absl::Status StreamRun::ChooseUrl() {
  const UrlOptions& options = deps_.transfer.config.url;
  if (!head_given_) {
    const auto facts = FactsOf(spec_, urls_, deps_.transfer.pacer, options, failed_);
    urls_.next = fetch::ChooseUrl(facts, failed_ ? *failed_ + 1 : 0, spec_.expected_size);
  }
  ASSIGN_OR_RETURN(url_, Url::ParseSource(spec_.urls[urls_.next], options));
  return absl::OkStatus();
}

std::optional<std::string> StreamRun::ShareScope() const {
  if (!MayShare(spec_, true)) return std::nullopt;
  return deps_.transfer.subject->tenant;
}

// A permit is never held while an origin is waited for, and an origin may be put on hold while a
// permit is.
Task<absl::StatusOr<Permit>> StreamRun::WaitForTurn() {
  Clock& clock = deps_.transfer.clock;
  while (true) {
    CO_RETURN_IF_ERROR(ChooseUrl());
    CO_RETURN_IF_ERROR(co_await WaitForOrigin());
    const SteadyTime from = clock.Now();
    CO_ASSIGN_OR_RETURN(Permit permit,
                        co_await deps_.transfers.Acquire(1, clock, deadline_, "transfer permit"));
    frame_.permit_wait += clock.Now() - from;
    if (!HoldsStreams(deps_.transfer.pacer.StateOf(url_->origin()).hold)) co_return permit;
  }
}

// A caller is there and waits: what time ends soon enough is waited for, all else is said at once.
// The limit on transfers is for jobs; connections are limited for both.
Task<absl::Status> StreamRun::WaitForOrigin() {
  Clock& clock = deps_.transfer.clock;
  while (true) {
    const OriginPacer::OriginState state = deps_.transfer.pacer.StateOf(url_->origin());
    if (!HoldsStreams(state.hold)) co_return absl::OkStatus();
    const bool short_wait = state.held_for && state.hold != Hold::kCircuitOpen &&
                            !deadline_.Passed(clock.Now() + *state.held_for);
    if (!short_wait) co_return OriginHeldError(state);
    co_await clock.SleepFor(*state.held_for);
  }
}

// Part of the attempt: one that brought other bytes than were asked for has failed.
absl::Status StreamRun::Verify() {
  if (facts_.not_modified || spec_.method != jobs::Method::kGet) return absl::OkStatus();
  absl::Status verified;
  if (first_offset_ == 0) {
    absl::StatusOr<std::vector<Digest>> digests = verifier_.Finish();
    verified = digests.status();
    if (digests.ok()) end_.digests = *std::move(digests);
  } else {
    verified = verifier_.CheckSize(position_);
  }
  if (!verified.ok()) facts_.phase = Phase::kVerify;
  return verified;
}

// Behind a range whose end is known there is nothing to ask for.
bool StreamRun::AllDelivered() const {
  return head_given_ && spec_.range && spec_.range->last && total_bytes_ == position_;
}

absl::Status StreamRun::CheckResumable() const {
  if (position_ == first_offset_ || !validator_.empty()) return absl::OkStatus();
  return BodyChanged("the origin gave no strong ETag or Last-Modified to resume with");
}

// What is final for this URL is not so for the caller while another is left.
void StreamRun::LearnOfUrl(Failure& failure) {
  failed_ = urls_.next;
  NoteFailure(urls_, *failed_, failure.status, !failure.retryable);
  failure.retryable = AnyLeft(spec_, urls_);
  const auto facts =
      FactsOf(spec_, urls_, deps_.transfer.pacer, deps_.transfer.config.url, failed_);
  const std::size_t next = fetch::ChooseUrl(facts, *failed_ + 1, spec_.expected_size);
  if (next != *failed_) failure.retry_after.reset();  // The wish of this origin, not of that one.
}

// Also leaves the attempt's record. nullopt: the status is final, OK included.
std::optional<Duration> StreamRun::Decide(int number, const absl::Status& status) {
  jobs::AttemptRecord record = MakeRecord(
      frame_, facts_,
      status.ok() ? jobs::AttemptOutcome::kSucceeded : jobs::AttemptOutcome::kFailed, status);
  std::optional<Duration> delay;
  if (status.ok()) {
    record.decision = "done";
    deps_.counters.succeeded.fetch_add(1, std::memory_order_relaxed);
  } else {
    // Bytes that failed their check, and decoded ones, have been delivered: they cannot be taken
    // back.
    const bool given_away = facts_.phase == Phase::kSink ||
                            (head_given_ && facts_.phase == Phase::kVerify) ||
                            (spec_.decode && position_ > 0);
    Failure failure{status, facts_.phase, facts_.http_status, facts_.retry_after,
                    facts_.retryable && !given_away};
    if (asked_ && !head_given_ && !given_away) LearnOfUrl(failure);
    delay = RetryPolicy(retry_).Next(failure, number, deps_.transfer.clock.Now(), deadline_,
                                     deps_.uniform);
    record.decision = delay ? RetrySentence(failure, *delay, number, retry_.max_attempts)
                            : GiveUpSentence(failure, number, retry_.max_attempts);
    auto& counter = delay ? deps_.counters.retries : deps_.counters.failed;
    counter.fetch_add(1, std::memory_order_relaxed);
    if (delay && url_) deps_.transfer.count_retry(url_->origin());
  }
  record.retry_delay = delay;
  deps_.counters.meter.AttemptEnded(record, frame_.permit_wait, facts_.body_took);
  LogAttempt(deps_.log, "fetch", spec_.trace, record);
  end_.attempts.push_back(std::move(record));
  return delay;
}

Task<absl::Status> StreamRun::Restart() {
  if (position_ == 0) co_return absl::OkStatus();
  if (head_given_) co_return BodyChanged("the origin has another version, or lost the old one");
  co_return WithReason(
      absl::FailedPreconditionError(Concat("the origin does not serve this body from offset ",
                                           position_, ": fetch it from 0")),
      {"RANGE_NOT_SUPPORTED", {}});
}

Task<absl::Status> StreamRun::Begin(const http::Response& response, std::uint64_t offset,
                                    std::optional<std::uint64_t> total_bytes,
                                    const Validator& validator) {
  if (facts_.hops.size() <= 1) turn_->Answered();
  // A first request with an offset has no validator of its own: the head that answers it gives one.
  const Validator earlier = validator_;
  validator_ = validator.empty() ? ValidatorOf(response.head.headers) : validator;
  const bool same_total = !total_bytes_ || !total_bytes || *total_bytes_ == *total_bytes;
  total_bytes_ = total_bytes;
  if (std::exchange(head_given_, true)) {
    const bool same = !facts_.not_modified && same_total &&
                      earlier.if_range() == validator_.if_range() &&
                      Continues(response.url, source_, validator_);
    co_return same ? absl::OkStatus() : BodyChanged("the origin has another version");
  }
  source_ = SourceOf(response.url);
  StreamHead head;
  head.final_url = ShownUrl(response.url, *url_);
  head.http_status = response.head.status;
  head.headers = ShownHeaders(response.head.headers);
  head.total_bytes = total_bytes;
  head.offset = offset;
  co_return co_await receiver_.OnHead(std::move(head));
}

Task<absl::Status> StreamRun::Write(std::uint64_t offset, sink::Buffer bytes) {
  const std::uint64_t size = bytes.size();
  deps_.counters.meter.Received(BodyPlace::kStream, size);
  // Before: what was handed over is delivered, also when the wait for it is interrupted.
  position_ = offset + size;
  CO_RETURN_IF_ERROR(co_await receiver_.OnBytes(offset, std::move(bytes)));
  deps_.counters.meter.Delivered(BodyPlace::kStream, size);
  co_return absl::OkStatus();
}

}  // namespace fetchd::fetch
