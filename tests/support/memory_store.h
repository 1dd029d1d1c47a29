// A Store that forgets everything with the process.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "jobs/store.h"
#include "jobs/stored_bodies.h"
#include "support/memory_batches.h"
#include "support/memory_sink_notes.h"

namespace fetchd::testing {

/// Applies the same state machine as the real stores. Thread-safe. Completes without suspending
/// unless a test says otherwise.
/// List() and EventsAfter() know filters by id, state and batch only, and one page; Create() knows
/// request ids, and not whether the content is the same.
class MemoryStore final : public jobs::Store {
 public:
  explicit MemoryStore(const Clock& clock) : clock_(clock) {}

  /// Fails the next `count` changes of workers, expiries and steps of batches.
  void FailUpdates(int count, absl::Status error = absl::UnavailableError("disk full")) {
    const std::lock_guard lock(mutex_);
    failing_updates_ = count;
    update_error_ = std::move(error);
  }

  /// AbandonedSinkNotes has those of live jobs too, as if these had been retried since. Set before
  /// there are other threads.
  bool all_notes_abandoned = false;

  /// Others may work on the same jobs. Set before there are other threads.
  bool shared = false;
  bool IsShared() const override { return shared; }

  Task<absl::Status> TellProgress(std::vector<jobs::RunningProgress> here) override {
    const std::lock_guard lock(mutex_);
    told_ = std::move(here);
    co_return absl::OkStatus();
  }
  Task<absl::StatusOr<std::vector<jobs::RunningProgress>>> ToldProgress() override {
    const std::lock_guard lock(mutex_);
    std::vector<jobs::RunningProgress> all = told_;
    all.insert(all.end(), heard_.begin(), heard_.end());
    co_return all;
  }
  /// Of another process.
  void Hear(jobs::RunningProgress progress) {
    const std::lock_guard lock(mutex_);
    heard_.push_back(std::move(progress));
  }

  /// What the store of another process does with a job that runs here.
  void TakeAway(const JobId& id) {
    {
      const std::lock_guard lock(mutex_);
      jobs::Job& job = jobs_.at(id);
      job.fence += 1;
      job.state = jobs::State::kInterrupted;
      job.ready_at = clock_.WallNow() + std::chrono::hours(1);
      NoteEvent(job);
    }
    Notify();
  }

  /// As it is now.
  jobs::Job Peek(const JobId& id) const {
    const std::lock_guard lock(mutex_);
    return jobs_.at(id);
  }

  std::map<JobId, jobs::Job> All() const {
    const std::lock_guard lock(mutex_);
    return jobs_;
  }

  /// Awaited once, between the next caller's change and its completion: what happens meanwhile.
  void AfterNextCallersChange(std::function<Task<void>()> meanwhile) {
    const std::lock_guard lock(mutex_);
    meanwhile_ = std::move(meanwhile);
  }

  /// Tenants have no bounds here, and no turns; a destination counts as often as it was written.
  Task<absl::StatusOr<jobs::CreateOutcome>> CreateWithin(jobs::Job job,
                                                         jobs::TenantBounds) override {
    {
      const std::lock_guard lock(mutex_);
      if (const jobs::Job* earlier = FindRequest(job)) {
        jobs::Job existing = *earlier;
        CO_RETURN_IF_ERROR(NoteRepeated(job, existing));
        co_return jobs::CreateOutcome{std::move(existing), false};
      }
      CO_RETURN_IF_ERROR(batches_.Admit(job));
      jobs_[job.id] = job;
      NoteEvent(job);
    }
    Notify();
    co_return jobs::CreateOutcome{std::move(job), true};
  }

  Task<absl::StatusOr<std::uint64_t>> StoredBytes(std::string tenant) override {
    const std::lock_guard lock(mutex_);
    std::uint64_t bytes = 0;
    for (const auto& [id, job] : jobs_) {
      if (job.tenant != tenant || !job.result) continue;
      bytes += job.result->size_bytes * jobs::StoredAt(*job.result).size();
    }
    co_return bytes;
  }

  Task<absl::StatusOr<jobs::Job>> Get(JobId id) override {
    const std::lock_guard lock(mutex_);
    const auto entry = jobs_.find(id);
    if (entry == jobs_.end()) co_return absl::NotFoundError(id.name());
    co_return entry->second;
  }

  Task<absl::StatusOr<std::vector<jobs::AttemptRecord>>> Attempts(JobId id) override {
    const std::lock_guard lock(mutex_);
    co_return attempts_[id];
  }

  Task<absl::StatusOr<jobs::JobPage>> List(jobs::JobFilter filter, int, std::string) override {
    const std::lock_guard lock(mutex_);
    jobs::JobPage page;
    for (const auto& [id, job] : jobs_) {
      if (Matches(filter, job)) page.jobs.insert(page.jobs.begin(), job);
    }
    co_return page;
  }

  Task<absl::StatusOr<std::vector<jobs::Claim>>> ClaimReady(int limit,
                                                            jobs::Rooms rooms_of) override {
    std::vector<jobs::Claim> claims;
    Taken taken;
    {
      const std::lock_guard lock(mutex_);
      for (jobs::Job* job : Ready()) {
        if (claims.size() >= static_cast<std::size_t>(limit)) break;
        if (!TakePlace(*job, rooms_of, taken)) continue;
        if (!jobs::Apply(jobs::Claimed{}, clock_.WallNow(), *job).ok()) continue;
        NoteEvent(*job);
        claims.push_back({*job, job->fence});
      }
    }
    Notify();
    co_return claims;
  }

  Task<absl::StatusOr<std::optional<WallTime>>> NextReadyAt(jobs::Rooms rooms_of) override {
    const std::lock_guard lock(mutex_);
    std::optional<WallTime> next;
    for (const auto& [id, job] : jobs_) {
      Taken taken;
      if (!IsClaimable(job) || !TakePlace(job, rooms_of, taken)) continue;
      if (!next || job.ready_at < *next) next = job.ready_at;
    }
    co_return next;
  }

  Task<absl::StatusOr<std::optional<WallTime>>> OldestReadyAt() override {
    const std::lock_guard lock(mutex_);
    std::optional<WallTime> oldest;
    for (const auto& [id, job] : jobs_) {
      const bool ready = IsClaimable(job) && job.ready_at <= clock_.WallNow();
      if (ready && (!oldest || job.ready_at < *oldest)) oldest = job.ready_at;
    }
    co_return oldest;
  }

  Task<absl::StatusOr<jobs::UrlsChosen>> ChooseUrls(std::string origin, std::string after,
                                                    int limit, jobs::UrlChoice choice) override {
    const std::lock_guard lock(mutex_);
    jobs::UrlsChosen chosen;
    for (auto& [id, job] : jobs_) {
      const bool there = IsClaimable(job) && job.spec.urls.size() > 1 && id.str() > after &&
                         jobs::OriginOfNext(job) == origin;
      if (!there) continue;
      const std::optional<std::size_t> index = choice(job);
      if (index && *index != job.urls.next) {
        CO_RETURN_IF_ERROR(jobs::Apply(jobs::UrlChosen{*index}, clock_.WallNow(), job));
        chosen.changed += 1;
      }
      if (++chosen.looked_at < limit) continue;
      chosen.last = id.str();
      break;
    }
    co_return chosen;
  }

  Task<absl::StatusOr<std::vector<jobs::Job>>> Expire(int limit) override {
    std::vector<jobs::Job> expired;
    {
      const std::lock_guard lock(mutex_);
      if (failing_updates_ > 0) {
        --failing_updates_;
        co_return update_error_;
      }
      for (jobs::Job* job : Waiting()) {
        if (expired.size() >= static_cast<std::size_t>(limit)) break;
        if (!jobs::Apply(jobs::Expired{}, clock_.WallNow(), *job).ok()) break;
        NoteEvent(*job);
        expired.push_back(*job);
      }
    }
    Notify();
    co_return expired;
  }

  Task<absl::StatusOr<std::optional<WallTime>>> NextDeadlineAt() override {
    const std::lock_guard lock(mutex_);
    const std::vector<jobs::Job*> waiting = Waiting();
    co_return waiting.empty() ? std::nullopt : std::optional(waiting.front()->deadline_at);
  }

  Task<absl::StatusOr<jobs::Job>> Update(JobId id, std::int64_t fence,
                                         jobs::Change change) override {
    {
      const std::lock_guard lock(mutex_);
      if (failing_updates_ > 0) {
        --failing_updates_;
        co_return update_error_;
      }
      const auto entry = jobs_.find(id);
      if (entry == jobs_.end()) co_return absl::NotFoundError(id.name());
      if (entry->second.fence != fence) co_return absl::AbortedError("lost claim");
    }
    co_return Change(std::move(id), std::move(change));
  }

  Task<absl::StatusOr<jobs::Job>> Update(JobId id, jobs::Change change) override {
    std::function<Task<void>()> meanwhile;
    absl::StatusOr<jobs::Job> changed = Change(std::move(id), std::move(change));
    {
      const std::lock_guard lock(mutex_);
      meanwhile.swap(meanwhile_);
    }
    if (meanwhile) co_await meanwhile();
    co_return changed;
  }

  Task<absl::StatusOr<std::vector<jobs::ClaimId>>> LostClaims(
      std::vector<jobs::ClaimId> claims) override {
    const std::lock_guard lock(mutex_);
    std::erase_if(claims, [this](const jobs::ClaimId& claim) {
      const auto entry = jobs_.find(claim.job);
      return entry != jobs_.end() && entry->second.state == jobs::State::kRunning &&
             entry->second.fence == claim.fence;
    });
    co_return claims;
  }

  Task<absl::Status> Delete(JobId id) override {
    const std::lock_guard lock(mutex_);
    const auto entry = jobs_.find(id);
    if (entry == jobs_.end()) co_return absl::NotFoundError(id.name());
    if (!jobs::IsTerminal(entry->second.state)) {
      co_return absl::FailedPreconditionError("it has not ended");
    }
    jobs_.erase(entry);
    attempts_.erase(id);
    batches_.Touch();
    co_return absl::OkStatus();
  }

  Task<absl::StatusOr<jobs::BatchOutcome>> CreateBatch(jobs::Batch batch) override {
    const std::lock_guard lock(mutex_);
    co_return batches_.Create(std::move(batch));
  }
  Task<absl::StatusOr<jobs::Batch>> GetBatch(BatchId id) override {
    const std::lock_guard lock(mutex_);
    co_return batches_.Get(id);
  }
  Task<absl::StatusOr<std::vector<jobs::BatchErrors>>> ErrorsOf(BatchId id) override {
    const std::lock_guard lock(mutex_);
    co_return batches_.Errors(id);
  }
  Task<absl::StatusOr<jobs::BatchPage>> ListBatches(std::string tenant, int page_size,
                                                    std::string page_token) override {
    const std::lock_guard lock(mutex_);
    co_return batches_.List(tenant, page_size, page_token);
  }
  Task<absl::StatusOr<jobs::Batch>> ChangeBatch(BatchId id, jobs::BatchRequest request) override {
    absl::StatusOr<jobs::Batch> changed;
    {
      const std::lock_guard lock(mutex_);
      changed = batches_.Change(id, request);
    }
    Notify();
    co_return changed;
  }
  Task<absl::StatusOr<jobs::BatchStep>> StepBatches(int limit) override {
    jobs::BatchStep step;
    {
      const std::lock_guard lock(mutex_);
      if (failing_updates_ > 0) {
        --failing_updates_;
        co_return update_error_;
      }
      const MemoryBatches::Work work = batches_.Next(limit);
      for (const JobId& id : work.jobs) StepJob(work.action, id, step);
      step.more = batches_.AnyAction();
    }
    Notify();
    co_return step;
  }
  Task<absl::Status> RefuseEntry(jobs::BatchEntry entry) override {
    const std::lock_guard lock(mutex_);
    co_return batches_.Note(std::move(entry));
  }
  Task<absl::StatusOr<jobs::BatchEntryPage>> EntriesOf(BatchId id, int page_size,
                                                       std::string page_token) override {
    const std::lock_guard lock(mutex_);
    co_return batches_.Entries(id, page_size, page_token);
  }

  Task<absl::Status> KeepSinkNote(jobs::SinkNote note, std::int64_t fence) override {
    const std::lock_guard lock(mutex_);
    const auto job = jobs_.find(note.job);
    const bool held = job != jobs_.end() && job->second.fence == fence &&
                      job->second.state == jobs::State::kRunning;
    if (!held) co_return absl::AbortedError("lost claim");
    notes_.Keep(note);
    co_return absl::OkStatus();
  }
  Task<absl::Status> DropSinkNote(jobs::SinkNote note) override {
    const std::lock_guard lock(mutex_);
    notes_.Drop(note);
    co_return absl::OkStatus();
  }
  Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SinkNotesOf(JobId id) override {
    const std::lock_guard lock(mutex_);
    co_return notes_.Find({}, kAllNotes, [&id](const JobId& of) { return of == id; });
  }
  Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SinkNotesAt(std::string destination) override {
    const std::lock_guard lock(mutex_);
    std::vector<jobs::SinkNote> notes =
        notes_.Find({}, kAllNotes, [](const JobId&) { return true; });
    std::erase_if(notes,
                  [&](const jobs::SinkNote& note) { return note.destination != destination; });
    co_return notes;
  }
  Task<absl::StatusOr<std::vector<jobs::SinkNote>>> AbandonedSinkNotes(jobs::SinkNote after,
                                                                       int limit) override {
    const std::lock_guard lock(mutex_);
    const auto abandoned = [this](const JobId& id) {
      if (all_notes_abandoned) return true;
      const auto job = jobs_.find(id);
      return job == jobs_.end() || jobs::IsTerminal(job->second.state);
    };
    co_return notes_.Find(after, static_cast<std::size_t>(limit), abandoned);
  }

  Task<absl::StatusOr<std::uint64_t>> Recover() override {
    const std::lock_guard lock(mutex_);
    std::uint64_t recovered = 0;
    for (auto& [id, job] : jobs_) {
      if (job.state != jobs::State::kRunning) continue;
      if (jobs::Apply(jobs::Recovered{}, clock_.WallNow(), job).ok()) ++recovered;
    }
    co_return recovered;
  }

  Task<absl::StatusOr<std::vector<jobs::JobEvent>>> EventsAfter(std::int64_t after,
                                                                jobs::JobFilter filter,
                                                                int limit) override {
    const std::lock_guard lock(mutex_);
    std::vector<jobs::JobEvent> events;
    for (const jobs::JobEvent& event : events_) {
      if (events.size() >= static_cast<std::size_t>(limit)) break;
      if (event.sequence > after && Matches(filter, event.job)) events.push_back(event);
    }
    co_return events;
  }
  std::int64_t LastSequence() const override {
    const std::lock_guard lock(mutex_);
    return static_cast<std::int64_t>(events_.size());
  }
  std::uint64_t OnEvents(std::function<void()> callback) override {
    const std::lock_guard lock(listeners_mutex_);
    listeners_[++last_listener_] = std::move(callback);
    return last_listener_;
  }
  void RemoveListener(std::uint64_t id) override {
    const std::lock_guard lock(listeners_mutex_);
    listeners_.erase(id);
  }
  Task<absl::StatusOr<jobs::StoreStats>> Stats() override {
    const std::lock_guard lock(mutex_);
    jobs::StoreStats stats;
    for (const auto& [id, job] : jobs_) ++stats.jobs[job.state];
    co_return stats;
  }

 private:
  static constexpr std::size_t kAllNotes = 1000;

  static bool IsClaimable(const jobs::Job& job) {
    return job.state == jobs::State::kQueued || job.state == jobs::State::kWaiting ||
           job.state == jobs::State::kInterrupted;
  }
  static bool Matches(const jobs::JobFilter& filter, const jobs::Job& job) {
    return (filter.ids.empty() || std::ranges::find(filter.ids, job.id) != filter.ids.end()) &&
           (filter.states.empty() ||
            std::ranges::find(filter.states, job.state) != filter.states.end()) &&
           (filter.batch.empty() || filter.batch == job.batch);
  }

  const jobs::Job* FindRequest(const jobs::Job& job) const {
    const auto entry = std::ranges::find_if(jobs_, [&job](const auto& item) {
      return !job.request_id.empty() && item.second.request_id == job.request_id &&
             item.second.tenant == job.tenant;
    });
    return entry == jobs_.end() ? nullptr : &entry->second;
  }
  absl::Status NoteRepeated(const jobs::Job& job, const jobs::Job& existing) {
    const bool same = existing.batch == job.batch && existing.batch_entry == job.batch_entry;
    if (job.batch.empty() || same) return absl::OkStatus();
    return batches_.Note({job.batch, job.batch_entry, job.spec.urls[0], job.destination_template,
                          job.request_id, absl::OkStatus(), existing.id});
  }
  void StepJob(jobs::BatchAction action, const JobId& id, jobs::BatchStep& step) {
    if (action == jobs::BatchAction::kDelete) {
      jobs_.erase(id);
      return;
    }
    const jobs::Change change = action == jobs::BatchAction::kCancel
                                    ? jobs::Change(jobs::CancelRequested())
                                    : jobs::Change(jobs::RetryRequested());
    jobs::Job& job = jobs_.at(id);
    if (!jobs::Apply(change, clock_.WallNow(), job).ok()) return;
    NoteEvent(job);
    step.changed.push_back(job);
  }

  /// What one claim has taken so far.
  struct Taken {
    std::map<std::string, jobs::Room> origins;  ///< What is left of them.
    std::map<std::string, jobs::Share> tenants;
  };
  /// Takes one place of the room that the job's origin and its tenant have left.
  static bool TakePlace(const jobs::Job& job, const jobs::Rooms& rooms, Taken& taken) {
    constexpr jobs::Room kNoLimit{1 << 30, 1 << 30};
    const std::string origin = jobs::OriginOfNext(job);
    const auto [room, first] = taken.origins.try_emplace(origin, kNoLimit);
    if (first && rooms.of_origin) room->second = rooms.of_origin(origin);
    const auto [share, first_share] = taken.tenants.try_emplace(job.tenant, kNoLimit.jobs);
    if (first_share && rooms.of_tenant) share->second = rooms.of_tenant(job.tenant);
    const bool retry = job.attempt > 0;
    if (room->second.jobs <= 0 || (retry && room->second.retries <= 0)) return false;
    if (share->second.jobs <= 0) return false;
    room->second.jobs -= 1;
    share->second.jobs -= 1;
    if (retry) room->second.retries -= 1;
    return true;
  }

  std::vector<jobs::Job*> Ready() {
    std::vector<jobs::Job*> ready;
    for (auto& [id, job] : jobs_) {
      if (IsClaimable(job) && job.ready_at <= clock_.WallNow()) ready.push_back(&job);
    }
    std::ranges::sort(ready, [](const jobs::Job* a, const jobs::Job* b) {
      return a->priority != b->priority ? a->priority > b->priority : a->id < b->id;
    });
    return ready;
  }

  /// By deadline.
  std::vector<jobs::Job*> Waiting() {
    std::vector<jobs::Job*> waiting;
    for (auto& [id, job] : jobs_) {
      if (IsClaimable(job)) waiting.push_back(&job);
    }
    std::ranges::sort(waiting, [](const jobs::Job* a, const jobs::Job* b) {
      return std::tie(a->deadline_at, a->id) < std::tie(b->deadline_at, b->id);
    });
    return waiting;
  }

  absl::StatusOr<jobs::Job> Change(JobId id, jobs::Change change) {
    absl::StatusOr<jobs::Job> result;
    {
      const std::lock_guard lock(mutex_);
      const auto entry = jobs_.find(id);
      if (entry == jobs_.end()) return absl::NotFoundError(id.name());
      RETURN_IF_ERROR(jobs::Apply(change, clock_.WallNow(), entry->second));
      if (const auto* record = jobs::RecordOf(change)) attempts_[id].push_back(*record);
      if (jobs::MovesState(change)) NoteEvent(entry->second);
      result = entry->second;
    }
    Notify();
    return result;
  }

  void NoteEvent(const jobs::Job& job) {
    batches_.Touch();
    jobs::JobEvent event;
    event.sequence = static_cast<std::int64_t>(events_.size()) + 1;
    event.at = clock_.WallNow();
    event.state = job.state;
    event.job = job;
    events_.push_back(std::move(event));
  }
  void Notify() {
    const std::lock_guard lock(listeners_mutex_);
    for (const auto& [id, callback] : listeners_) callback();
  }

  const Clock& clock_;
  mutable std::mutex mutex_;  ///< Guards all below, but the listeners.
  std::map<JobId, jobs::Job> jobs_;
  MemorySinkNotes notes_;
  MemoryBatches batches_{jobs_};
  std::map<JobId, std::vector<jobs::AttemptRecord>> attempts_;
  std::vector<jobs::JobEvent> events_;
  std::vector<jobs::RunningProgress> told_, heard_;
  int failing_updates_ = 0;
  absl::Status update_error_;
  std::function<Task<void>()> meanwhile_;
  std::mutex listeners_mutex_;
  std::map<std::uint64_t, std::function<void()>> listeners_;
  std::uint64_t last_listener_ = 0;
};

}  // namespace fetchd::testing
