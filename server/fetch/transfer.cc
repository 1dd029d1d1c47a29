#include "fetch/transfer.h"

#include <algorithm>
#include <utility>

#include "base/http_date.h"
#include "base/strings.h"
#include "fetch/declared_digests.h"
#include "fetch/pushback.h"
#include "fetch/request.h"
#include "http/error.h"

namespace fetchd::fetch {
namespace {

/// How long a job is put off whose redirect leads to an origin that is on hold until somebody lets
/// it go on.
constexpr Duration kHeldForUnknown = std::chrono::seconds(30);

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
      client_(sharing_ ? static_cast<http::Client&>(*sharing_) : deps_.client, deps_.subject),
      spec_(spec),
      url_(std::move(url)),
      target_(target),
      verifier_(verifier),
      progress_(progress),
      facts_(facts),
      options_(std::move(options)),
      time_(deps_.clock, facts_.hops),
      bodies_({deps_, spec_, facts_, time_, options_.buffer_bytes, options_.use}) {}

Transfer::~Transfer() {
  if (unwritten_.size() > 0) target_.KeepRest(std::move(unwritten_));
}

absl::Status Transfer::Fail(Phase phase, bool retryable, absl::Status status) {
  facts_.phase = phase;
  facts_.retryable = retryable;
  return status;
}

absl::Status Transfer::FailBody(absl::Status status) {
  // A body that grows beyond its limits will do so again.
  const bool limit = absl::IsResourceExhausted(status);
  const bool retryable = (IsPassing(status) && !limit) || absl::IsCancelled(status);
  return Fail(Phase::kBody, retryable, std::move(status));
}

absl::Status Transfer::FailSink(absl::Status status) {
  const bool retryable = absl::IsUnavailable(status);
  return Fail(Phase::kSink, retryable, std::move(status));
}

std::uint64_t Transfer::limit_bytes() const {
  return std::min(spec_.max_bytes.value_or(deps_.config.max_body_bytes),
                  deps_.config.max_body_bytes);
}

// Of so much of the body, or of all of it.
absl::Status Transfer::CheckFits(std::uint64_t size_bytes) {
  if (size_bytes > limit_bytes()) {
    return Fail(Phase::kVerify, false,
                WithReason(absl::ResourceExhaustedError(
                               Concat("the body is larger than the limit of ", limit_bytes())),
                           {"BODY_TOO_LARGE", {{"limit", Concat(limit_bytes())}}}));
  }
  if (!options_.room || size_bytes <= options_.room->bytes) return absl::OkStatus();
  return Fail(Phase::kSink, false, options_.room->exceeded);  // No fault of the origin's.
}

Task<absl::StatusOr<http::Response>> Transfer::Send(const Asked& asked) {
  http::Call call;
  call.deadline = deadline_;
  call.timeouts = TimeoutsOf(spec_, deps_.config.timeouts);
  call.records = &facts_.hops;
  facts_.phase = Phase::kPoolWait;
  absl::StatusOr<http::Request> request =
      MakeRequest(spec_, url_, asked, deps_.config, facts_.span_id);
  if (!request.ok()) co_return Fail(facts_.phase, false, request.status());
  if (spec_.decode) {
    request->decode = deps_.config.decode;
    request->decode->max_bytes = limit_bytes();
  }
  http::RedirectConfig redirects = RedirectsOf(spec_, deps_.config.redirects);
  redirects.may_ask = [this](const Origin& origin) { return MayAsk(origin); };
  absl::StatusOr<http::Response> response =
      co_await client_.Send(*std::move(request), call, redirects);
  if (!response.ok()) {
    const bool retryable = IsPassing(response.status()) || absl::IsCancelled(response.status());
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
  co_return restarted.ok() ? restarted : FailSink(std::move(restarted));
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
  RETURN_IF_ERROR(CheckFits(*total_bytes));
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

// Once; and once more for what is left when what several connections read does not fit together.
Task<absl::Status> Transfer::FetchAll(Asked asked) {
  CO_RETURN_IF_ERROR(co_await Prepare(asked));
  bool all = false;
  while (!all) {
    CO_ASSIGN_OR_RETURN(all, co_await FetchRest(asked));
  }
  co_return absl::OkStatus();
}

// False when `asked` says now what is to be asked for again.
Task<absl::StatusOr<bool>> Transfer::FetchRest(Asked& asked) {
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
  if (!begun.ok()) co_return FailSink(std::move(begun));
  const bool no_body = facts_.not_modified || judged.answer == Answer::kComplete ||
                       spec_.method == jobs::Method::kHead;
  if (no_body) co_return true;
  const SteadyTime from = deps_.clock.Now();
  const absl::Status read =
      co_await ReadBody(*std::move(response), asked, judged.total_bytes, validator);
  facts_.body_took += deps_.clock.Now() - from;
  CO_RETURN_IF_ERROR(read);
  co_return !judged.total_bytes || asked.offset == *judged.total_bytes;
}

}  // namespace fetchd::fetch
