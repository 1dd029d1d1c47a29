#include "fetch/transfer.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "base/strings.h"
#include "fetch/declared_digests.h"
#include "fetch/http_date.h"
#include "fetch/pushback.h"
#include "fetch/request.h"
#include "http/error.h"

namespace fetchd::fetch {
namespace {

// Pumps whose reads and writes never suspend let others run every so many buffers.
constexpr int kBuffersBetweenYields = 8;

/// How long a job is put off whose redirect leads to an origin that is on hold until somebody lets
/// it go on.
constexpr Duration kHeldForUnknown = std::chrono::seconds(30);

// May the same request succeed later? Decided by what went wrong before any head came.
bool IsRetryable(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

std::optional<SharingClient> MakeSharing(SharedReads* reads, const Transfer::Options& options) {
  if (reads == nullptr || !options.share_scope) return std::nullopt;
  return std::optional<SharingClient>(std::in_place, *reads, *options.share_scope);
}

}  // namespace

bool MayShare(const jobs::FetchSpec& spec, bool is_stream) {
  if (spec.timeouts.total || spec.max_bytes_per_sec) return false;
  const bool by_default = is_stream || !spec.digests.empty();
  return spec.share == jobs::Sharing::kAlways ||
         (spec.share == jobs::Sharing::kDefault && by_default);
}

Phase PhaseOf(const std::vector<http::ExchangeRecord>& hops) {
  if (hops.empty()) return Phase::kConnect;
  return hops.back().failed_phase.value_or(Phase::kFirstByte);
}

Phase PhaseOf(const AttemptFacts& facts) {
  const bool asking = facts.phase == Phase::kPoolWait && !facts.hops.empty();
  return asking ? PhaseOf(facts.hops) : facts.phase;
}

Transfer::Transfer(TransferDeps deps, const jobs::FetchSpec& spec, Url url, Target& target,
                   Verifier& verifier, ProgressMeter& progress, AttemptFacts& facts,
                   Options options)
    : deps_(std::move(deps)),
      sharing_(MakeSharing(deps_.shared_reads, options)),
      client_(sharing_ ? static_cast<http::Client&>(*sharing_) : deps_.client, deps_.policy),
      spec_(spec),
      url_(std::move(url)),
      target_(target),
      verifier_(verifier),
      progress_(progress),
      facts_(facts),
      options_(std::move(options)),
      time_(deps_.clock, facts_.hops) {}

absl::Status Transfer::Fail(Phase phase, bool retryable, absl::Status status) {
  facts_.phase = phase;
  facts_.retryable = retryable;
  return status;
}

absl::Status Transfer::FailBody(absl::Status status) {
  // A body that grows beyond its limits will do so again.
  const bool limit = absl::IsResourceExhausted(status);
  const bool retryable = (IsRetryable(status) && !limit) || absl::IsCancelled(status);
  return Fail(Phase::kBody, retryable, std::move(status));
}

std::uint64_t Transfer::limit_bytes() const {
  return std::min(spec_.max_bytes.value_or(deps_.config.max_body_bytes),
                  deps_.config.max_body_bytes);
}

Task<absl::StatusOr<http::Response>> Transfer::Send(const Asked& asked) {
  http::Call call;
  call.deadline = deadline_;
  call.timeouts = TimeoutsOf(spec_, deps_.config.timeouts);
  call.records = &facts_.hops;
  facts_.phase = Phase::kPoolWait;
  http::Request request = BuildRequest(spec_, url_, asked, deps_.config.url);
  if (spec_.decode) {
    request.decode = deps_.config.decode;
    request.decode->max_bytes = limit_bytes();
  }
  http::RedirectConfig redirects = RedirectsOf(spec_, deps_.config.redirects);
  redirects.may_ask = [this](const Origin& origin) { return MayAsk(origin); };
  absl::StatusOr<http::Response> response =
      co_await client_.Send(std::move(request), call, redirects);
  if (!response.ok()) {
    const bool retryable = IsRetryable(response.status()) || absl::IsCancelled(response.status());
    co_return Fail(PhaseOf(facts_.hops), retryable, response.status());
  }
  facts_.http_status = response->head.status;
  facts_.phase = Phase::kBody;
  const WallTime now = deps_.clock.WallNow();
  facts_.retry_after = ParseRetryAfter(response->head.headers.Get("Retry-After"), now);
  // A quota may be that of a caller's own login.
  const bool for_all =
      spec_.headers.empty() && std::holds_alternative<std::monostate>(spec_.credentials);
  facts_.wanted_pause = WantedPause(response->head.status, response->head.headers, now, for_all);
  facts_.answered_by = response->url.origin();
  co_return response;
}

absl::Status Transfer::MayAsk(const Origin& origin) {
  const OriginPacer::OriginState state = deps_.pacer.StateOf(origin);
  if (!HoldsStreams(state.hold)) return absl::OkStatus();
  facts_.held_for = state.held_for.value_or(kHeldForUnknown);
  return OriginHeldError(state);
}

Task<absl::Status> Transfer::StartOver() {
  facts_.restarted = true;
  verifier_.Reset();
  const AttemptClock::Pause pause(time_);
  absl::Status restarted = co_await target_.Restart();
  if (restarted.ok()) co_return restarted;
  const bool retryable = absl::IsUnavailable(restarted);
  co_return Fail(Phase::kSink, retryable, std::move(restarted));
}

// At most two requests: one for what is missing, one for all when that was of no use.
Task<absl::StatusOr<http::Response>> Transfer::SendUntilUsable(Asked& asked, Judged& judged) {
  while (true) {
    CO_ASSIGN_OR_RETURN(http::Response response, co_await Send(asked));
    judged = Judge(response, asked);
    switch (judged.answer) {
      case Answer::kBody:
      case Answer::kComplete:
      case Answer::kNotModified:
        co_return response;
      case Answer::kFailed:
        co_await response.body->Discard();
        co_return Fail(Phase::kFirstByte, judged.retryable, judged.error);
      case Answer::kFromZero:
        CO_RETURN_IF_ERROR(co_await StartOver());
        asked.StartOver();
        co_return response;
      case Answer::kAskAgain:
        response.body.reset();
        CO_RETURN_IF_ERROR(co_await StartOver());
        asked.StartOver();
    }
  }
}

// What is said of the whole body as it is sent says nothing of a part of it, or of it decoded.
void Transfer::Declare(int status, const http::Headers& headers) {
  const bool part = spec_.range && (spec_.range->first != 0 || spec_.range->last);
  if (!deps_.config.verify_declared || spec_.decode || part) return;
  std::vector<Digest> declared = DeclaredDigests(status, headers);
  if (!declared.empty()) verifier_.Declare(std::move(declared));
}

absl::Status Transfer::CheckAnnounced(std::optional<std::uint64_t> total_bytes) {
  if (!total_bytes || spec_.method == jobs::Method::kHead) return absl::OkStatus();
  if (*total_bytes > limit_bytes()) {
    return Fail(
        Phase::kVerify, false,
        WithReason(absl::ResourceExhaustedError(Concat("the body has ", *total_bytes,
                                                       " bytes, the limit is ", limit_bytes())),
                   {"BODY_TOO_LARGE", {{"limit", Concat(limit_bytes())}}}));
  }
  absl::Status size = verifier_.CheckSize(*total_bytes);
  return size.ok() ? size : Fail(Phase::kVerify, true, std::move(size));
}

// What is asked for beyond what is here.
Task<absl::Status> Transfer::Prepare(Asked& asked) {
  const bool whole = spec_.range == ByteRange{};
  if (!whole) asked.range = spec_.range;
  asked.conditional = !spec_.if_none_match.empty() || spec_.if_modified_since.has_value();
  facts_.resumed_from_bytes = asked.offset;
  if (!spec_.decode || asked.offset == 0) co_return absl::OkStatus();
  // Ranges are of the encoded body.
  asked.StartOver();
  co_return co_await StartOver();
}

Task<absl::Status> Transfer::Run(Asked asked, Deadline deadline) {
  deadline_ = deadline;
  const Duration total = spec_.timeouts.total.value_or(Duration::max());
  const absl::StatusOr<Done> done = co_await WithDeadline<Done>(
      time_, Deadline::After(SteadyTime(), total), "total", Fetch(std::move(asked)));
  if (ended_) co_return *std::move(ended_);
  const Phase phase = PhaseOf(facts_);
  co_return Fail(phase, true, http::TotalTimeoutError(url_.origin().ToString(), PhaseName(phase)));
}

Task<absl::StatusOr<Transfer::Done>> Transfer::Fetch(Asked asked) {
  ended_ = co_await FetchAll(std::move(asked));
  co_return Done();
}

Task<absl::Status> Transfer::FetchAll(Asked asked) {
  CO_RETURN_IF_ERROR(co_await Prepare(asked));
  Judged judged;
  absl::StatusOr<http::Response> response = co_await SendUntilUsable(asked, judged);
  CO_RETURN_IF_ERROR(response.status());
  CO_RETURN_IF_ERROR(CheckAnnounced(judged.total_bytes));
  progress_.Begin(asked.offset, judged.total_bytes, deps_.clock.Now());
  Declare(response->head.status, response->head.headers);
  facts_.not_modified = judged.answer == Answer::kNotModified;
  Validator validator = asked.validator;
  if (validator.empty()) validator = ValidatorOf(response->head.headers);
  // The validator is that of the encoded body: with it nobody can go on in the decoded one.
  if (spec_.decode) validator = Validator();
  absl::Status begun;
  {
    const AttemptClock::Pause pause(time_);
    begun = co_await target_.Begin(*response, asked.offset, judged.total_bytes, validator);
  }
  if (!begun.ok()) {
    const bool retryable = absl::IsUnavailable(begun);
    co_return Fail(Phase::kSink, retryable, std::move(begun));
  }
  const bool no_body = facts_.not_modified || judged.answer == Answer::kComplete ||
                       spec_.method == jobs::Method::kHead;
  if (no_body) co_return absl::OkStatus();
  const SteadyTime from = deps_.clock.Now();
  const absl::Status pumped = co_await Pump(*response->body, asked.offset, judged.total_bytes);
  facts_.body_took = deps_.clock.Now() - from;
  CO_RETURN_IF_ERROR(pumped);
  Declare(response->head.status, response->body->Trailers());
  co_return absl::OkStatus();
}

Task<absl::StatusOr<sink::Buffer>> Transfer::AcquireBuffer(
    std::optional<std::uint64_t> left_bytes) {
  const std::size_t most = BufferBytes();
  const auto wanted =
      static_cast<std::size_t>(std::min<std::uint64_t>(left_bytes.value_or(most), most));
  const SteadyTime from = deps_.clock.Now();
  const AttemptClock::Pause pause(time_);
  absl::StatusOr<sink::Buffer> buffer =
      co_await deps_.buffers.Acquire(wanted, deps_.clock, deadline_, options_.use);
  facts_.buffer_wait += deps_.clock.Now() - from;
  if (!buffer.ok()) co_return FailBody(buffer.status());
  co_return buffer;
}

// Of a transfer that is to be slow, small ones: so that its bytes come evenly.
std::size_t Transfer::BufferBytes() const {
  constexpr std::uint64_t kSmallest = 4096, kBuffersASecond = 8;
  if (!spec_.max_bytes_per_sec) return options_.buffer_bytes;
  const std::uint64_t even = std::max(*spec_.max_bytes_per_sec / kBuffersASecond, kSmallest);
  return static_cast<std::size_t>(std::min<std::uint64_t>(options_.buffer_bytes, even));
}

// Without a buffer in hand. Who waits does not read, so the origin waits too.
Task<absl::Status> Transfer::WaitForRates(std::uint64_t bytes) {
  const SteadyTime now = deps_.clock.Now();
  SteadyTime until = rate_.Take(bytes, spec_.max_bytes_per_sec, now);
  until = std::max(until, deps_.pacer.TakeBytes(*facts_.answered_by, bytes, now));
  const auto limit = deps_.config.bandwidth.At(deps_.clock.WallNow());
  until = std::max(until, deps_.bandwidth.Take(bytes, limit, now));
  if (until <= now) co_return absl::OkStatus();
  const AttemptClock::Pause pause(time_);
  facts_.rate_wait += std::min(until, deadline_.at()) - now;
  co_await deps_.clock.SleepUntil(std::min(until, deadline_.at()));
  if (!deadline_.Passed(deps_.clock)) co_return absl::OkStatus();
  co_return FailBody(absl::DeadlineExceededError("while the limits on bytes a second were kept"));
}

Task<absl::Status> Transfer::Pump(http::Body& body, std::uint64_t offset,
                                  std::optional<std::uint64_t> total) {
  bool ended = false;
  for (int buffers = 1; !ended; ++buffers) {
    if (total && offset >= *total) co_return co_await ExpectEnd(body);
    const auto left = total ? std::optional(*total - offset) : std::nullopt;
    CO_ASSIGN_OR_RETURN(sink::Buffer buffer, co_await AcquireBuffer(left));
    const absl::Status filled = co_await Fill(body, buffer, ended);
    // What came before an error counts: a later attempt goes on behind it.
    const std::uint64_t got = buffer.size();
    if (got > 0) CO_RETURN_IF_ERROR(co_await Deliver(std::move(buffer), offset));
    CO_RETURN_IF_ERROR(filled);
    const bool more = !ended && offset != total;
    if (more) CO_RETURN_IF_ERROR(co_await WaitForRates(got));
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

// Takes what is there and never waits for more: a slow origin's bytes are passed on as they come, a
// fast one's fill the buffer.
Task<absl::Status> Transfer::Fill(http::Body& body, sink::Buffer& buffer, bool& ended) {
  do {
    const absl::StatusOr<std::size_t> got = co_await body.Read(buffer.free_space());
    if (!got.ok()) co_return FailBody(got.status());
    ended = *got == 0;
    buffer.Grow(*got);
    facts_.received_bytes += *got;
  } while (!ended && !buffer.full() && body.Buffered() > 0);
  co_return absl::OkStatus();
}

Task<absl::Status> Transfer::Deliver(sink::Buffer buffer, std::uint64_t& offset) {
  const std::uint64_t size = buffer.size();
  if (offset + size > limit_bytes()) {
    co_return Fail(Phase::kVerify, false,
                   WithReason(absl::ResourceExhaustedError(
                                  Concat("the body is larger than the limit of ", limit_bytes())),
                              {"BODY_TOO_LARGE", {{"limit", Concat(limit_bytes())}}}));
  }
  if (spec_.expected_size && offset + size > *spec_.expected_size) {
    co_return Fail(Phase::kVerify, true, verifier_.CheckSize(offset + size));
  }
  verifier_.Update(buffer.bytes());
  const AttemptClock::Pause pause(time_);
  absl::Status written = co_await target_.Write(offset, std::move(buffer));
  if (!written.ok()) {
    const bool retryable = absl::IsUnavailable(written);
    co_return Fail(Phase::kSink, retryable, std::move(written));
  }
  offset += size;
  progress_.Add(size, deps_.clock.Now());
  co_return absl::OkStatus();
}

// Reads the end itself, without a buffer: it is what gives the connection back.
Task<absl::Status> Transfer::ExpectEnd(http::Body& body) {
  std::byte probe[1];
  const absl::StatusOr<std::size_t> got = co_await body.Read(probe);
  if (!got.ok()) co_return FailBody(got.status());
  if (*got != 0) co_return FailBody(absl::DataLossError("the body is longer than announced"));
  co_return absl::OkStatus();
}

}  // namespace fetchd::fetch
