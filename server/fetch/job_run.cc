#include "fetch/job_run.h"

#include <algorithm>
#include <utility>

#include "base/signed_url.h"
#include "fetch/pushback.h"
#include "fetch/request.h"
#include "fetch/shown.h"
#include "jobs/stored_bodies.h"

namespace fetchd::fetch {
namespace {

constexpr std::size_t kHashBlock = std::size_t{256} << 10;
constexpr Duration kForgetPatience = std::chrono::seconds(10);
constexpr Duration kWritePatience = std::chrono::seconds(1);
constexpr Deadline kOnce = Deadline::At(SteadyTime::min());

Deadline DeadlineOf(const jobs::Job& job, const Clock& clock) {
  // Wall time becomes steady time once, here: a clock that is set later does not move the deadline.
  return Deadline::After(clock, job.deadline_at - clock.WallNow());
}

Validator ValidatorOf(const jobs::Checkpoint& checkpoint) {
  return {checkpoint.etag, checkpoint.last_modified};
}

}  // namespace

JobRun::JobRun(JobRunDeps deps, jobs::Claim claim, Permit permit, OriginPacer::Turn turn,
               Duration permit_wait)
    : deps_(std::move(deps)),
      id_(claim.job.id),
      job_(std::move(claim.job)),
      fence_(claim.fence),
      permit_(std::move(permit)),
      turn_(std::move(turn)),
      permit_wait_(permit_wait),
      started_at_(deps_.transfer.clock.WallNow()),
      queued_(std::max(Duration::zero(), Duration(started_at_ - job_.ready_at))),
      began_(deps_.transfer.clock.Now()),
      deadline_(DeadlineOf(job_, deps_.transfer.clock)),
      retry_(RetryOf(job_.spec, deps_.transfer.config.retry)),
      verifier_(job_.spec),
      progress_(began_),
      current_(job_.checkpoint),
      persisted_(job_.checkpoint),
      checkpointed_at_(began_),
      attempt_(deps_.executor),
      commit_(deps_.executor) {}

void JobRun::Stop(StopReason reason) {
  StopReason weaker = stop_reason();
  while (weaker < reason) {
    if (stop_.compare_exchange_weak(weaker, reason, std::memory_order_acq_rel)) break;
  }
  attempt_.Stop();
  commit_.Stop();
}

absl::Status JobRun::Fail(Phase phase, bool retryable, absl::Status status) {
  facts_.phase = phase;
  facts_.retryable = retryable;
  return status;
}

// What ended because the job's time is over is said so, and is not tried again.
absl::Status JobRun::OfDeadline(absl::Status status) {
  if (!absl::IsDeadlineExceeded(status) || !deadline_.Passed(deps_.transfer.clock)) return status;
  return Fail(facts_.phase, false, WithPrefix(status, "job deadline"));
}

Task<absl::Status> JobRun::Run() {
  deps_.counters.attempts.fetch_add(1, std::memory_order_relaxed);
  absl::Status outcome = Prepare();
  if (outcome.ok()) outcome = co_await MakeSink();
  if (outcome.ok()) {
    outcome = OfDeadline(co_await attempt_.Run("attempt " + id_.str(), Attempt()));
  }
  const bool own = stop_reason() != StopReason::kNone || GoesItsOwnWay(job_.spec) ||
                   deadline_.Passed(deps_.transfer.clock);
  EndTurn(deps_.transfer.pacer, turn_, facts_, outcome, own);
  co_return co_await Conclude(std::move(outcome));
}

absl::Status JobRun::Prepare() {
  const auto final = [this](absl::Status status) {
    return Fail(Phase::kPoolWait, false, std::move(status));
  };
  if (job_.urls.next >= job_.spec.urls.size()) job_.urls.next = 0;
  url_index_ = job_.urls.next;
  absl::StatusOr<Url> url = Url::ParseSource(job_.spec.urls[url_index_], deps_.transfer.config.url);
  if (!url.ok()) return final(url.status());
  url_ = *std::move(url);
  // The configuration may be another one than when the job was taken.
  const absl::Status may =
      deps_.transfer.config.secrets->Check(job_.spec, job_.tenant, deps_.transfer.config.url);
  if (!may.ok()) return final(may);
  if (job_.spec.method != jobs::Method::kHead) {
    absl::StatusOr<std::vector<sink::Destination>> destinations = DestinationsOf(job_);
    if (!destinations.ok()) return final(destinations.status());
    deliveries_.emplace(job_, *std::move(destinations));
    const auto& places = deliveries_->destinations();
    place_ = places.size() == 1 ? PlaceOf(places.front()) : BodyPlace::kSeveral;
  }
  return absl::OkStatus();
}

Task<absl::Status> JobRun::MakeSink() {
  if (deliveries_) {
    if (AnyObject(deliveries_->destinations())) {
      notes_.emplace(deps_.store, id_, fence_);
      const absl::Status loaded = co_await notes_->Load();
      if (!loaded.ok()) co_return Fail(Phase::kSink, IsWorthRepeating(loaded), loaded);
    }
    auto made = deliveries_->MakeSink(deps_.destinations,
                                      {.run = {RunOf(deps_.store, fence_), current_.fence},
                                       .shard = deps_.shard,
                                       .deadline = deadline_},
                                      notes_ ? &*notes_ : nullptr);
    if (!made.ok()) co_return Fail(Phase::kSink, false, made.status());
    sink_ = *std::move(made);
    verifier_.SetMarks([this](std::uint64_t size) { return sink_->NextMark(size); });
  }
  // After the sink is made: giving up removes what earlier attempts kept.
  if (!deadline_.Passed(deps_.transfer.clock)) co_return absl::OkStatus();
  co_return Fail(Phase::kPoolWait, false, jobs::ExpiredError(job_, deps_.transfer.clock.WallNow()));
}

Task<absl::Status> JobRun::Attempt() {
  CO_ASSIGN_OR_RETURN(std::optional<StorageRoom> room, co_await RoomForBody());
  Asked asked;
  if (sink_ != nullptr) {
    CO_ASSIGN_OR_RETURN(asked, co_await OpenSink());
    CO_RETURN_IF_ERROR(co_await HashKept(asked.offset));
  }
  Transfer transfer(deps_.transfer, job_.spec, *url_, *this, verifier_, progress_, facts_,
                    {.share_scope = ShareScope(), .room = std::move(room), .segments = true});
  co_return co_await transfer.Run(asked, deadline_);
}

// Asked for before the origin is: without any room it is left alone.
Task<absl::StatusOr<std::optional<StorageRoom>>> JobRun::RoomForBody() {
  const auto max_bytes = LimitsOf(deps_.transfer.config.tenants, job_.tenant).max_stored_bytes;
  const std::size_t places = jobs::PlacesLeft(job_);
  if (!max_bytes || places == 0) co_return std::nullopt;
  const absl::StatusOr<std::uint64_t> stored = co_await deps_.store.StoredBytes(job_.tenant);
  if (!stored.ok()) {
    co_return Fail(Phase::kSink, IsWorthRepeating(stored.status()), stored.status());
  }
  StorageRoom room{.bytes = (*max_bytes - std::min(*stored, *max_bytes)) / places,
                   .exceeded = jobs::TenantStorageFull(job_.tenant, *stored, *max_bytes)};
  if (room.bytes == 0) co_return Fail(Phase::kSink, false, std::move(room.exceeded));
  co_return std::optional(std::move(room));
}

Task<Continuation> JobRun::HowToGoOn() {
  const Continuation how = ContinuationOf(current_, url_->ToString(), job_.spec);
  if (how == Continuation::kNone || how == Continuation::kSameUrl) co_return how;
  // Perhaps the mirrors are none: once is enough.
  const bool mismatched = co_await MismatchedBefore();
  co_return mismatched ? Continuation::kNone : how;
}

std::optional<std::string> JobRun::ShareScope() const {
  if (!MayShare(job_.spec, false)) return std::nullopt;
  return job_.tenant;
}

Task<absl::StatusOr<Asked>> JobRun::OpenSink() {
  const Continuation how = co_await HowToGoOn();
  const bool resumable = how != Continuation::kNone;
  const std::uint64_t wanted = resumable ? UsableOf(current_.bytes, job_.spec.range) : 0;
  absl::StatusOr<std::uint64_t> kept = co_await sink_->Open(wanted);
  if (kept.ok() && *kept > 0 && !verifier_.Resume(current_.digest_state, *kept) &&
      !sink_->CanReadBack()) {
    const absl::Status restarted = co_await sink_->Restart();
    kept = restarted.ok() ? absl::StatusOr<std::uint64_t>(0) : restarted;
  }
  if (!kept.ok()) co_return Fail(Phase::kSink, absl::IsUnavailable(kept.status()), kept.status());
  opened_ = true;
  if (*kept == 0) {
    CO_RETURN_IF_ERROR(co_await ForgetCheckpoint());
    co_return Asked();
  }
  Asked asked{.offset = *kept, .total_bytes = current_.total_bytes};
  if (how == Continuation::kSameUrl) {
    asked.validator = ValidatorOf(current_);
    asked.source = {current_.source, current_.source_query};
  } else {
    asked.other_url = true;
    if (how == Continuation::kByEtag) asked.validator.etag = current_.etag;
  }
  co_return asked;
}

Task<absl::Status> JobRun::HashKept(std::uint64_t bytes) {
  if (verifier_.size_bytes() == bytes) co_return absl::OkStatus();
  absl::StatusOr<sink::Buffer> block =
      co_await deps_.transfer.buffers.Acquire(kHashBlock, deps_.transfer.clock, deadline_);
  if (!block.ok()) co_return Fail(Phase::kSink, true, block.status());
  while (verifier_.size_bytes() < bytes) {
    const std::span<std::byte> space = block->free_space();
    const absl::StatusOr<std::size_t> got = co_await sink_->ReadBack(verifier_.size_bytes(), space);
    if (!got.ok()) co_return Fail(Phase::kSink, true, got.status());
    if (*got == 0) {
      co_return Fail(Phase::kSink, true, absl::UnavailableError("the kept bytes became fewer"));
    }
    verifier_.Update(space.first(std::min<std::uint64_t>(*got, bytes - verifier_.size_bytes())));
  }
  co_return absl::OkStatus();
}

// Before the first byte of another version is written over what the store believes to be kept: a
// crash in between would mix the two. With the permit, and perhaps a connection, in hand: so not
// for long.
Task<absl::Status> JobRun::ForgetCheckpoint() {
  current_ = jobs::Checkpoint();
  if (persisted_.bytes == 0 && !may_be_persisted_) co_return absl::OkStatus();
  jobs::Change change = jobs::CheckpointTaken{};
  const Deadline until = deadline_.Min(Deadline::After(deps_.transfer.clock, kForgetPatience));
  const absl::Status forgotten = co_await Record(std::move(change), until);
  if (forgotten.ok()) {
    persisted_ = jobs::Checkpoint();
    may_be_persisted_ = false;
  }
  if (forgotten.ok() || absl::IsAborted(forgotten)) co_return forgotten;
  const bool retryable = IsWorthRepeating(forgotten);
  // Our own trouble, whatever the store calls it.
  absl::Status failed = WithPrefix(absl::UnavailableError(MessageOf(forgotten)),
                                   "the job store does not forget what was kept");
  co_return Fail(Phase::kSink, retryable, std::move(failed));
}

Task<absl::Status> JobRun::Restart() {
  CO_RETURN_IF_ERROR(co_await ForgetCheckpoint());
  if (sink_ == nullptr) co_return absl::OkStatus();
  co_return co_await sink_->Restart();
}

Task<absl::Status> JobRun::Begin(const http::Response& response, std::uint64_t offset,
                                 std::optional<std::uint64_t> total_bytes,
                                 const Validator& validator) {
  if (facts_.hops.size() <= 1) turn_.Answered();
  result_.final_url = ShownUrl(response.url, *url_);
  result_.http_status = response.head.status;
  result_.headers = ShownHeaders(response.head.headers);
  result_.etag = response.head.headers.Get("ETag");
  if (response.head.status == 416) {
    // All of it was here: of the body that this is, the head says nothing.
    result_.http_status = 206;
    result_.headers.clear();
    if (result_.etag.empty()) result_.etag = validator.etag;
  }
  // Signatures are kept nowhere; and signed anew, a URL names the same body.
  std::string url = HideSignatures(url_->ToString());
  const bool mixed = offset > 0 && (current_.mixed || current_.url != url);
  if (offset == 0 || current_.url != url) {
    Source source = SourceOf(response.url);
    current_ = {.bytes = offset,
                .url = std::move(url),
                .etag = validator.etag,
                .last_modified = validator.last_modified,
                .total_bytes = total_bytes,
                .source = std::move(source.place),
                .source_query = std::move(source.query),
                .mixed = mixed};
  }
  current_.total_bytes = total_bytes;
  if (sink_ != nullptr) {
    sink_->Describe({total_bytes, std::string(response.head.headers.Get("Content-Type"))});
  }
  co_return absl::OkStatus();
}

Task<absl::Status> JobRun::Write(std::uint64_t, sink::Buffer bytes) {
  unsaved_bytes_ += bytes.size();
  CountReceived(bytes.size());
  CO_RETURN_IF_ERROR(co_await sink_->Write(bytes.bytes()));
  bytes = sink::Buffer();  // Not needed by a checkpoint, but perhaps by others.
  co_return co_await CheckpointIfDue();
}

Task<absl::Status> JobRun::WriteAhead(std::uint64_t offset, std::span<const std::byte> bytes) {
  CountReceived(bytes.size());
  co_return co_await sink_->WriteAhead(offset, bytes);
}

Task<absl::StatusOr<std::size_t>> JobRun::ReadBack(std::uint64_t offset, std::span<std::byte> out) {
  co_return co_await sink_->ReadBack(offset, out);
}

Task<absl::Status> JobRun::Advance(std::uint64_t bytes) {
  unsaved_bytes_ += bytes;
  CO_RETURN_IF_ERROR(co_await sink_->Advance(bytes));
  co_return co_await CheckpointIfDue();
}

Task<absl::Status> JobRun::CheckpointIfDue() {
  const EngineConfig& config = deps_.transfer.config;
  const SteadyTime now = deps_.transfer.clock.Now();
  const bool due = now - checkpointed_at_ >= config.checkpoint_interval ||
                   unsaved_bytes_ >= config.checkpoint_bytes;
  if (!due || ValidatorOf(current_).empty()) co_return absl::OkStatus();
  co_return co_await CheckpointNow();
}

// The digests' state is that of `bytes`, or none: a write that was cut short leaves it ahead of the
// sink.
void JobRun::NoteKept(std::uint64_t bytes) {
  current_.bytes = bytes;
  current_.fence = RunOf(deps_.store, fence_);
  current_.digest_state = verifier_.Save(bytes);
}

Task<absl::Status> JobRun::CheckpointNow() {
  CO_ASSIGN_OR_RETURN(const std::uint64_t bytes, co_await sink_->Checkpoint());
  checkpointed_at_ = deps_.transfer.clock.Now();
  unsaved_bytes_ = 0;
  if (bytes == 0 || (bytes == persisted_.bytes && !sink_->CanReadBack())) {
    co_return absl::OkStatus();
  }
  NoteKept(bytes);
  jobs::Change change = jobs::CheckpointTaken{current_};
  const absl::Status recorded = co_await Record(std::move(change), kOnce);
  if (absl::IsAborted(recorded)) co_return recorded;
  // Without it a crash costs more bytes; to wait for the store would cost the transfer. The next
  // one is not far.
  if (recorded.ok()) persisted_ = current_;
  may_be_persisted_ = !recorded.ok();
  co_return absl::OkStatus();
}

Task<absl::StatusOr<JobRun::Done>> JobRun::WriteRest(sink::Buffer rest) {
  CountReceived(rest.size());
  verifier_.Update(rest.bytes());
  CO_RETURN_IF_ERROR(co_await sink_->Write(rest.bytes()));
  co_return Done();
}

// For an attempt that ends without success: what a later one may go on with.
Task<jobs::Checkpoint> JobRun::KeepWhatIsHere() {
  sink::Buffer rest = std::exchange(rest_, sink::Buffer());
  // After an error of the sink only what was durable before is sure, and that is in the store.
  if (facts_.phase == Phase::kSink || !opened_) co_return persisted_;
  const bool untouched = facts_.received_bytes == 0 && !facts_.restarted;
  if (untouched && current_.bytes > 0) co_return persisted_;
  if (sink_ == nullptr || facts_.phase == Phase::kVerify || ValidatorOf(current_).empty()) {
    co_return jobs::Checkpoint();
  }
  if (rest.size() > 0) {
    // What cannot be written now is asked for again.
    const Deadline until = Deadline::After(deps_.transfer.clock, kWritePatience);
    const absl::StatusOr<Done> written = co_await WithDeadline(
        deps_.transfer.clock, until, "write of the rest", WriteRest(std::move(rest)));
    written.status().IgnoreError();
  }
  const absl::StatusOr<std::uint64_t> bytes = co_await sink_->Checkpoint();
  if (!bytes.ok()) co_return persisted_;
  if (*bytes == 0) co_return jobs::Checkpoint();
  NoteKept(*bytes);
  co_return current_;
}

}  // namespace fetchd::fetch
