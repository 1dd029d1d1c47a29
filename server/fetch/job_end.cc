// JobRun, second half: how an attempt's end is recorded.
#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "fetch/attempt_log.h"
#include "fetch/job_run.h"

namespace fetchd::fetch {
namespace {

constexpr int kMaxClaimsInVain = 20;  ///< Delays do not double more often.
constexpr Duration kRecordPatience = std::chrono::seconds(10);
constexpr Duration kAbortPatience = std::chrono::seconds(10);

bool IsMismatch(const absl::Status& status) {
  const std::optional<Reason> reason = GetReason(status);
  return reason && (reason->reason == "DIGEST_MISMATCH" || reason->reason == "SIZE_MISMATCH");
}

}  // namespace

Task<absl::Status> JobRun::Conclude(absl::Status outcome) {
  if (stop_reason() != StopReason::kCancel) {
    absl::Status ended = co_await End(std::move(outcome));
    // Lost claim: the cancellation, or the deletion after it, came while the end was recorded.
    if (!absl::IsAborted(ended)) co_return ended;
    const bool over = co_await IsOverForAll();
    if (!over) {
      deps_.log.Warning("a job was taken from this process", {{"job", id_.name()}});
      co_return ended;
    }
  }
  co_return co_await EndCancelled();
}

Task<absl::Status> JobRun::End(absl::Status outcome) {
  if (absl::IsAborted(outcome)) co_return outcome;
  if (outcome.ok()) {
    outcome = co_await CheckClaim();
    if (!outcome.ok() && !absl::IsAborted(outcome)) co_return co_await EndStopped();
  }
  if (!outcome.ok() && stop_reason() >= StopReason::kLost) {
    co_return absl::AbortedError("the job was taken from this process");
  }
  if (!outcome.ok() && stop_reason() != StopReason::kNone) co_return co_await EndStopped();
  if (outcome.ok()) outcome = co_await Publish();
  if (outcome.ok() || absl::IsAborted(outcome)) co_return outcome;
  if (absl::IsCancelled(outcome) && stop_reason() >= StopReason::kLost) {
    co_return absl::AbortedError("taken away while the object was completed");
  }
  if (absl::IsCancelled(outcome) && stop_reason() != StopReason::kNone) {
    co_return co_await EndStopped();
  }
  co_return co_await FailOrRetry(std::move(outcome));
}

Task<absl::Status> JobRun::EndCancelled() {
  co_await AbortSink();
  const absl::Status cancelled = absl::CancelledError("cancelled by a caller");
  jobs::AttemptRecord record = MakeRecord(jobs::AttemptOutcome::kCancelled, cancelled);
  record.decision = "cancelled by a caller";
  jobs::Change change = jobs::AttemptCancelled{std::move(record)};
  // Refused when the job is deleted or claimed anew: then there is nobody to show it to. Nor is a
  // run of a later retry kept waiting for it.
  const Deadline until = Deadline::After(deps_.transfer.clock, kRecordPatience);
  const absl::Status recorded = co_await Record(std::move(change), until);
  recorded.IgnoreError();
  co_return cancelled;
}

Task<absl::Status> JobRun::Publish() {
  if (facts_.not_modified) co_return co_await SucceedUntouched();
  if (sink_ == nullptr) co_return co_await Succeed();
  absl::StatusOr<std::vector<Digest>> verified = verifier_.Finish();
  if (!verified.ok()) co_return Fail(Phase::kVerify, true, verified.status());
  result_.digests = *std::move(verified);
  result_.size_bytes = verifier_.size_bytes();
  absl::StatusOr<sink::Receipt> receipt = co_await Commit();
  if (absl::IsCancelled(receipt.status())) co_return receipt.status();
  if (!receipt.ok()) {
    const bool again = absl::IsUnavailable(receipt.status());
    co_return OfDeadline(Fail(Phase::kSink, again, receipt.status()));
  }
  NoteDeliveries(*std::move(receipt));
  CountDelivered();
  absl::Status delivered = StatusOf(result_.deliveries);
  if (delivered.ok()) co_return co_await Succeed();
  partly_done_ = true;
  co_return Fail(Phase::kSink, false, std::move(delivered));
}

// CANCELLED: it was stopped.
Task<absl::StatusOr<sink::Receipt>> JobRun::Commit() {
  if (!notes_) co_return co_await sink_->Commit();
  std::optional<absl::StatusOr<sink::Receipt>> receipt;
  const absl::Status ended = co_await commit_.Run("commit " + id_.str(), CommitInto(receipt));
  if (receipt) co_return *std::move(receipt);
  co_return ended;
}

Task<absl::Status> JobRun::CommitInto(std::optional<absl::StatusOr<sink::Receipt>>& receipt) {
  receipt.emplace(co_await sink_->Commit());
  co_return absl::OkStatus();
}

void JobRun::NoteDeliveries(sink::Receipt receipt) {
  result_.destination = std::move(receipt.destination);
  result_.unchanged = receipt.unchanged;
  result_.deliveries = deliveries_->Outcomes(result_.digests.front().ToSri());
  if (result_.deliveries.empty()) return;
  result_.destination = result_.deliveries.front().destination;
  result_.unchanged = std::ranges::all_of(
      result_.deliveries, [](const jobs::Delivery& delivery) { return delivery.unchanged; });
}

// A condition of the job did not hold: what it has at its destination stays as it is.
Task<absl::Status> JobRun::SucceedUntouched() {
  co_await AbortSink();
  verifier_.Reset();
  result_.not_modified = true;
  co_return co_await Succeed();
}

Task<absl::Status> JobRun::Succeed() {
  permit_.Release();
  jobs::AttemptRecord record = MakeRecord(jobs::AttemptOutcome::kSucceeded, absl::OkStatus());
  record.decision = "done";
  jobs::Change change = jobs::Succeeded{std::move(record), result_};
  const absl::Status recorded = co_await RecordEnd(std::move(change));
  if (absl::IsAborted(recorded)) co_return recorded;
  if (!recorded.ok()) co_return absl::OkStatus();
  deps_.counters.succeeded.fetch_add(1, std::memory_order_relaxed);
  if (notes_) co_await notes_->Forget();
  if (sink_ != nullptr && job_.overwrite == jobs::Overwrite::kNever) {
    // Only a leftover name: the sweep at the next start removes it when this fails.
    co_await DropTemporaries(deps_.destinations, deliveries_->destinations(), id_,
                             RunOf(deps_.store, fence_));
  }
  co_return absl::OkStatus();
}

// By shutdown, or to be paused: what is here is kept.
Task<absl::Status> JobRun::EndStopped() {
  const bool pause = stop_reason() == StopReason::kPause;
  jobs::Checkpoint kept = co_await KeepWhatIsHere();
  permit_.Release();
  absl::Status status = absl::UnavailableError(pause ? "paused" : "interrupted by shutdown");
  status = WithReason(std::move(status), {pause ? "PAUSED" : "INTERRUPTED", {}});
  jobs::AttemptRecord record = MakeRecord(jobs::AttemptOutcome::kInterrupted, std::move(status));
  record.decision = Concat(pause ? "paused" : "interrupted by shutdown", ": goes on with ",
                           kept.bytes, " bytes kept");
  jobs::Change change = jobs::Interrupted{record, kept};
  if (pause) change = jobs::Paused{std::move(record), std::move(kept)};
  deps_.counters.interrupted.fetch_add(1, std::memory_order_relaxed);
  co_return co_await RecordEnd(std::move(change));
}

Task<absl::Status> JobRun::FailOrRetry(absl::Status status) {
  Failure failure{std::move(status), facts_.phase, facts_.http_status, facts_.retry_after,
                  facts_.retryable};
  if (failure.phase != Phase::kSink && !deadline_.Passed(deps_.transfer.clock)) {
    co_await LearnOfUrl(failure);
  }
  if (const std::optional<Duration> pause = PauseInsteadOfRetry(failure)) {
    co_return co_await PutOff(std::move(failure), *pause);
  }
  if (GoesElsewhere()) failure.retry_after.reset();  // The wish of this origin, not of that one.
  // Bytes of several URLs that do not fit together cost the job no attempt: it begins anew. That
  // happens once, for later ones are not continued by another URL.
  if (current_.mixed && IsMismatch(failure.status)) {
    retry_.max_attempts = std::max(retry_.max_attempts, job_.attempt + 1);
  }
  const std::optional<Duration> delay = RetryPolicy(retry_).Next(
      failure, job_.attempt, deps_.transfer.clock.Now(), deadline_, deps_.uniform);
  if (delay) co_return co_await Retry(std::move(failure), *delay);
  co_return co_await GiveUp(std::move(failure));
}

// What is final for this URL is not so for the job while another is left. Two mismatches are no
// accident; but one of bytes that came from several URLs accuses none of them.
Task<void> JobRun::LearnOfUrl(Failure& failure) {
  bool refused = !failure.retryable;
  if (!refused && IsMismatch(failure.status) && !current_.mixed) {
    refused = co_await MismatchedBefore();
  }
  NoteFailure(job_.urls, url_index_, failure.status, refused);
  failure.retryable = AnyLeft(job_.spec, job_.urls);
  const std::vector<UrlFacts> facts =
      FactsOf(job_.spec, job_.urls, deps_.transfer.pacer, deps_.transfer.config.url, url_index_);
  job_.urls.next = ChooseUrl(facts, url_index_ + 1, current_.total_bytes);
}

std::string JobRun::NextUrlSentence() const {
  if (!GoesElsewhere()) return "";
  return Concat("; next is urls[", job_.urls.next, "], ", jobs::OriginOfNext(job_));
}

// The origin works and asked for time, or one is on hold that a redirect led to: that is no failure
// of the job's. A job that may try only once does not come back; one that may comes back within its
// deadline, and later each time that it was claimed in vain.
std::optional<Duration> JobRun::PauseInsteadOfRetry(Failure failure) const {
  const bool refused = failure.phase == Phase::kFirstByte &&
                       (failure.http_status == 429 || failure.http_status == 503);
  failure.retry_after = facts_.held_for ? facts_.held_for : facts_.wanted_pause;
  if ((!refused && !facts_.held_for) || !failure.retry_after || retry_.max_attempts < 2) {
    return std::nullopt;
  }
  if (GoesElsewhere()) failure.retry_after.reset();
  RetryConfig patient = retry_;
  patient.max_attempts = kMaxClaimsInVain + 1;
  const auto in_vain = std::clamp<std::int64_t>(fence_ - job_.attempt, 0, kMaxClaimsInVain - 1);
  return RetryPolicy(patient).Next(failure, static_cast<int>(in_vain) + 1,
                                   deps_.transfer.clock.Now(), deadline_, deps_.uniform);
}

Task<absl::Status> JobRun::PutOff(Failure failure, Duration pause) {
  jobs::Checkpoint kept = co_await KeepWhatIsHere();
  permit_.Release();
  jobs::AttemptRecord record = MakeRecord(jobs::AttemptOutcome::kPutOff, failure.status);
  record.decision = PutOffSentence(failure, pause) + NextUrlSentence();
  record.retry_delay = pause;
  const WallTime retry_at =
      deps_.transfer.clock.WallNow() + std::chrono::duration_cast<WallTime::duration>(pause);
  deps_.counters.put_off.fetch_add(1, std::memory_order_relaxed);
  jobs::Change change = jobs::PutOff{std::move(record), retry_at, std::move(kept), job_.urls};
  co_return co_await RecordEnd(std::move(change));
}

Task<absl::Status> JobRun::Retry(Failure failure, Duration delay) {
  jobs::Checkpoint kept = co_await KeepWhatIsHere();
  permit_.Release();
  jobs::AttemptRecord record = MakeRecord(jobs::AttemptOutcome::kFailed, failure.status);
  record.decision = RetrySentence(failure, delay, job_.attempt, retry_.max_attempts);
  record.decision += NextUrlSentence();
  record.retry_delay = delay;
  const WallTime retry_at =
      deps_.transfer.clock.WallNow() + std::chrono::duration_cast<WallTime::duration>(delay);
  jobs::Change change =
      jobs::AttemptFailed{std::move(record), retry_at, std::move(kept), job_.urls};
  deps_.counters.retries.fetch_add(1, std::memory_order_relaxed);
  if (url_) deps_.transfer.count_retry(url_->origin());
  co_return co_await RecordEnd(std::move(change));
}

Task<absl::Status> JobRun::GiveUp(Failure failure) {
  permit_.Release();
  jobs::AttemptRecord record = MakeRecord(jobs::AttemptOutcome::kFailed, failure.status);
  record.decision = GiveUpSentence(failure, job_.attempt, retry_.max_attempts);
  // Of the sink, of the deadline: that is the job's own.
  const bool of_urls = failure.phase != Phase::kSink && !deadline_.Passed(deps_.transfer.clock);
  absl::Status error = failure.status;
  if (of_urls) error = FinalError(job_.spec, job_.urls, url_index_);
  jobs::GaveUp gave_up{std::move(record), error};
  if (partly_done_) gave_up.result = result_;
  jobs::Change change = std::move(gave_up);
  const absl::Status recorded = co_await RecordEnd(std::move(change));
  // After the record: until then a crash leads to another attempt, which may resume.
  if (recorded.ok()) co_await AbortSink();
  if (recorded.ok()) deps_.counters.failed.fetch_add(1, std::memory_order_relaxed);
  co_return recorded.ok() ? error : recorded;
}

Task<bool> JobRun::MismatchedBefore() {
  const absl::StatusOr<std::vector<jobs::AttemptRecord>> attempts =
      co_await deps_.store.Attempts(id_);
  co_return attempts.ok() && std::ranges::any_of(*attempts, [](const jobs::AttemptRecord& record) {
    return IsMismatch(record.status);
  });
}

void JobRun::NoteChange(const jobs::Job& job, const jobs::Change& change) {
  LogChange(deps_.log, job, change);
  EngineMeter& meter = deps_.counters.meter;
  if (const jobs::AttemptRecord* record = jobs::RecordOf(change)) {
    meter.AttemptEnded(*record, queued_, facts_.body_took);
  }
  if (jobs::MovesState(change) && jobs::IsTerminal(job.state)) meter.JobEnded(job);
}

// What was there already, or is so since an earlier run, was not brought by this one.
void JobRun::CountDelivered() {
  EngineMeter& meter = deps_.counters.meter;
  const auto& places = deliveries_->destinations();
  if (result_.deliveries.empty()) {
    if (!result_.unchanged) meter.Delivered(PlaceOf(places.front()), result_.size_bytes);
    return;
  }
  static const std::vector<jobs::Delivery> kNone;
  const auto& earlier = job_.result ? job_.result->deliveries : kNone;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const jobs::Delivery& delivery = result_.deliveries[i];
    const bool before = i < earlier.size() && earlier[i].error.ok();
    if (before || !delivery.error.ok() || delivery.unchanged) continue;
    meter.Delivered(PlaceOf(places[i]), result_.size_bytes);
  }
}

Task<void> JobRun::AbortSink() {
  permit_.Release();
  rest_ = sink::Buffer();
  if (sink_ == nullptr) co_return;
  // What cannot be removed now is swept at the next start.
  Clock& clock = deps_.transfer.clock;
  const Deadline until = Deadline::After(clock, kAbortPatience);
  const absl::StatusOr<Done> aborted = co_await WithDeadline(clock, until, "abort", AbortAll());
  if (aborted.ok() && notes_) co_await notes_->Forget();
  if (aborted.ok() || !notes_) co_return;
  deps_.log.Warning("what a job has kept in a store is not removed",
                    {{"job", id_.name()}, {"error", MessageOf(aborted.status())}});
}

Task<absl::StatusOr<JobRun::Done>> JobRun::AbortAll() {
  CO_RETURN_IF_ERROR(co_await sink_->Abort());
  co_return Done();
}

Task<absl::Status> JobRun::CleanUpAfterCancel() {
  if (stop_reason() == StopReason::kCancel) co_await AbortSink();
  co_return absl::OkStatus();
}

jobs::AttemptRecord JobRun::MakeRecord(jobs::AttemptOutcome outcome, absl::Status status) const {
  const AttemptFrame frame{job_.attempt, started_at_, deps_.transfer.clock.Now() - began_,
                           permit_wait_};
  return fetch::MakeRecord(frame, facts_, outcome, std::move(status));
}

}  // namespace fetchd::fetch
