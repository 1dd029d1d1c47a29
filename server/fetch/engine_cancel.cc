// EngineCore: jobs that end without a run of theirs, or against one, and the files that they leave.
#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

#include "base/strings.h"
#include "fetch/attempt_log.h"
#include "fetch/deliveries.h"
#include "fetch/engine_core.h"

namespace fetchd::fetch {
namespace {

constexpr Duration kPausePatience = std::chrono::seconds(20);
constexpr Duration kFirstPausePoll = std::chrono::milliseconds(2);
constexpr Duration kLastPausePoll = std::chrono::milliseconds(250);

// In the place of its worker, another process, which finds that it has lost the job: what came
// since the last checkpoint is fetched again.
jobs::Change PauseElsewhere(const jobs::Job& job) {
  jobs::AttemptRecord record;
  record.number = job.attempt;
  record.outcome = jobs::AttemptOutcome::kInterrupted;
  record.status = WithReason(absl::UnavailableError("paused"), {"PAUSED", {}});
  record.decision = "paused by another process: goes on from its last checkpoint";
  return jobs::Paused{std::move(record)};
}

}  // namespace

/// Keeps a job from beginning to run while its temporary file is removed. Made under the lock.
class EngineCore::FileRemoval {
 public:
  FileRemoval(EngineCore& core, JobId id) : core_(&core), id_(std::move(id)) {
    core_->removing_.insert(id_);
  }
  FileRemoval(FileRemoval&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)), id_(std::move(other.id_)) {}
  FileRemoval& operator=(FileRemoval&&) = delete;
  ~FileRemoval() {
    if (core_ == nullptr) return;
    const std::lock_guard lock(core_->mutex_);
    core_->removing_.erase(id_);
    core_->BeginNext(id_);
  }

 private:
  EngineCore* core_;
  JobId id_;
};

// A cancel that is repeated is one again.
void EngineCore::NoteJobEnd(const jobs::Job& job) {
  LogJobEnd(deps_.log, job);
  counters_.meter.JobEnded(job);
}

Task<absl::StatusOr<jobs::Job>> EngineCore::Cancel(JobId id) {
  jobs::Change change = jobs::CancelRequested{};
  CO_ASSIGN_OR_RETURN(jobs::Job job, co_await deps_.store.Update(id, std::move(change)));
  NoteJobEnd(job);
  StopRuns(id, job.fence);
  co_await DropKept(job);
  co_return job;
}

Task<absl::StatusOr<jobs::Job>> EngineCore::Pause(JobId id) {
  const Deadline patience = Deadline::After(deps_.clock, kPausePatience);
  for (Duration poll = kFirstPausePoll;; poll = std::min(poll * 2, kLastPausePoll)) {
    jobs::Change change = jobs::PauseRequested{};
    absl::StatusOr<jobs::Job> paused = co_await deps_.store.Update(id, std::move(change));
    if (!absl::IsFailedPrecondition(paused.status())) co_return paused;
    CO_ASSIGN_OR_RETURN(const jobs::Job job, co_await deps_.store.Get(id));
    if (jobs::IsTerminal(job.state)) co_return paused;
    // It runs, or did a moment ago: its run keeps what it has and pauses the job. Nothing says when
    // that is done, or when a claim that is on its way has become a run.
    if (!StopForPause(id) && deps_.store.IsShared() && poll == kLastPausePoll) {
      absl::StatusOr<jobs::Job> taken =
          co_await deps_.store.Update(id, job.fence, PauseElsewhere(job));
      if (taken.ok()) co_return taken;
    }
    if (patience.Passed(deps_.clock)) {
      co_return absl::UnavailableError("the job runs and has not stopped yet; pause it again");
    }
    co_await deps_.clock.SleepFor(poll);
  }
}

bool EngineCore::StopForPause(const JobId& id) {
  const std::lock_guard lock(mutex_);
  bool found = false;
  for (const auto* runs : {&running_, &next_}) {
    const auto entry = runs->find(id);
    if (entry == runs->end()) continue;
    entry->second->Stop(StopReason::kPause);
    found = true;
  }
  return found;
}

// Of the claim that was cancelled and those before: the job may have been retried since, and run
// under a newer one.
void EngineCore::StopRuns(const JobId& id, std::int64_t fence) {
  const std::lock_guard lock(mutex_);
  for (const auto* runs : {&running_, &next_}) {
    const auto entry = runs->find(id);
    if (entry != runs->end() && entry->second->fence() <= fence) {
      entry->second->Stop(StopReason::kCancel);
    }
  }
  if (claiming_) cancelled_[id] = std::max(cancelled_[id], fence);
}

std::vector<jobs::ClaimId> EngineCore::Held() const {
  std::vector<jobs::ClaimId> held;
  const std::lock_guard lock(mutex_);
  for (const auto* runs : {&running_, &next_}) {
    for (const auto& [id, run] : *runs) held.push_back({id, run->fence()});
  }
  return held;
}

void EngineCore::StopLost(const jobs::ClaimId& claim) {
  const std::lock_guard lock(mutex_);
  for (const auto* runs : {&running_, &next_}) {
    const auto entry = runs->find(claim.job);
    if (entry != runs->end() && entry->second->fence() == claim.fence) {
      entry->second->Stop(StopReason::kLost);
    }
  }
}

// Removes what a job that has ended without a run here left behind. A run here, whichever it is,
// has the file: it removes it or goes on with it.
Task<void> EngineCore::DropKept(jobs::Job job) {
  absl::StatusOr<std::vector<sink::Destination>> destinations = DestinationsOf(job);
  if (!destinations.ok()) co_return;
  std::optional<FileRemoval> removal = BeginRemoval(job.id);
  if (!removal) co_return;
  if (!AnyObject(*destinations)) {
    co_await DropTemporaries(deps_.destinations, *std::move(destinations), job.id,
                             RunOf(deps_.store, job.fence));
    co_return;
  }
  // Whoever cancels need not wait for a store far away.
  housekeeping_.Spawn("drop kept",
                      DropAll({job.id, job.fence}, *std::move(destinations), *std::move(removal)));
}

Task<absl::Status> EngineCore::DropAll(jobs::ClaimId last,
                                       std::vector<sink::Destination> destinations,
                                       FileRemoval /*removal*/) {
  co_await DropTemporaries(deps_.destinations, std::move(destinations), last.job,
                           RunOf(deps_.store, last.fence));
  CO_ASSIGN_OR_RETURN(std::vector<jobs::SinkNote> notes,
                      co_await deps_.store.SinkNotesOf(last.job));
  co_await DropNoted(deps_.destinations, deps_.store, deps_.log, std::move(notes));
  co_return absl::OkStatus();
}

// What jobs keep elsewhere that have ended: their processes died, or the place could not be
// reached. The notes are in the store that all processes share: what a live job keeps is not among
// them.
Task<absl::Status> EngineCore::SweepNoted() {
  constexpr int kStep = 100;
  jobs::SinkNote last;
  while (true) {
    CO_ASSIGN_OR_RETURN(const std::vector<jobs::SinkNote> notes,
                        co_await deps_.store.AbandonedSinkNotes(last, kStep));
    if (notes.empty()) co_return absl::OkStatus();
    last = notes.back();
    for (const jobs::SinkNote& note : notes) co_await SweepNote(note);
  }
}

// The job may have been retried since the note was read: then it is its own again.
Task<void> EngineCore::SweepNote(jobs::SinkNote note) {
  std::optional<FileRemoval> removal = BeginRemoval(note.job);
  if (!removal) co_return;
  const absl::StatusOr<jobs::Job> job = co_await deps_.store.Get(note.job);
  const bool ended = job.ok() ? jobs::IsTerminal(job->state) : absl::IsNotFound(job.status());
  if (!ended) co_return;
  std::vector<jobs::SinkNote> notes;
  notes.push_back(std::move(note));
  co_await DropNoted(deps_.destinations, deps_.store, deps_.log, std::move(notes));
}

// Empty: a run here has the job's files, or a removal.
std::optional<EngineCore::FileRemoval> EngineCore::BeginRemoval(const JobId& id) {
  const std::lock_guard lock(mutex_);
  if (running_.contains(id) || next_.contains(id) || removing_.contains(id)) return std::nullopt;
  return FileRemoval(*this, id);
}

Task<void> EngineCore::OnBatchStep(std::vector<jobs::Job> changed) {
  bool queued = false;
  for (jobs::Job& job : changed) {
    queued = queued || job.state == jobs::State::kQueued;
    if (job.state != jobs::State::kCancelled) continue;
    NoteJobEnd(job);
    StopRuns(job.id, job.fence);
    // What was never claimed has no file.
    if (job.fence > 0) co_await DropKept(std::move(job));
  }
  if (queued) Wake();
}

Task<void> EngineCore::OnExpired(jobs::Job job) {
  counters_.failed.fetch_add(1, std::memory_order_relaxed);
  NoteJobEnd(job);
  // What was never claimed has no file.
  if (job.fence > 0) co_await DropKept(std::move(job));
}

}  // namespace fetchd::fetch
