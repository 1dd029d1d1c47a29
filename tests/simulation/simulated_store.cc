#include "simulation/simulated_store.h"

#include <array>

namespace fetchd::simulation {
namespace {

using namespace std::chrono_literals;

absl::Status Dead() { return absl::UnavailableError("the process is dead"); }

Task<absl::StatusOr<bool>> Succeeds(Task<absl::Status> task) {
  CO_RETURN_IF_ERROR(co_await std::move(task));
  co_return true;
}

}  // namespace

StoreWeather StoreWeather::Of(Dice& dice) {
  constexpr std::array<double, 4> kFails = {0, 0, 0.02, 0.2};
  constexpr std::array<double, 3> kSlow = {0, 0.1, 0.7};
  StoreWeather weather;
  weather.fails = dice.Pick(kFails);
  weather.slow = dice.Pick(kSlow);
  return weather;
}

Task<void> SimulatedStore::Wait() {
  if (!deps_.dice.Chance(weather_.slow)) co_return;
  co_await deps_.delays.For(deps_.dice.Chance(0.9) ? deps_.dice.Between(0ms, Duration(20ms))
                                                   : deps_.dice.Between(0ms, Duration(3s)));
}

absl::Status SimulatedStore::Trouble() {
  if (deps_.power.off()) return Dead();
  if (!deps_.dice.Chance(weather_.fails)) return absl::OkStatus();
  return deps_.dice.Chance(0.5) ? absl::UnavailableError("the database is locked")
                                : absl::ResourceExhaustedError("the disk is full");
}

template <typename T>
Task<absl::StatusOr<T>> SimulatedStore::Call(Task<absl::StatusOr<T>> call, Note<T> note) {
  const bool done_late = deps_.dice.Chance(0.5);
  if (done_late) co_await Wait();
  absl::Status trouble = Trouble();
  if (!trouble.ok()) co_return trouble;
  absl::StatusOr<T> outcome = co_await Do(std::move(call), note != nullptr);
  if (note) note(outcome, deps_.power.off());
  if (!done_late) co_await Wait();
  if (deps_.power.off()) co_return Dead();
  co_return outcome;
}

template <typename T>
Task<absl::StatusOr<T>> SimulatedStore::Do(Task<absl::StatusOr<T>> call, bool writes) {
  if (owned_ != nullptr) co_return deps_.loop.Run(std::move(call));
  if (writes && !deps_.power.AllowsWrite()) co_return Dead();
  co_return co_await std::move(call);
}

SimulatedStore::Note<jobs::Job> SimulatedStore::NoteMove(JobId id, Mover mover) {
  return [this, id = std::move(id), mover](const absl::StatusOr<jobs::Job>& job, bool died) {
    if (died) {
      deps_.ledger.Unsure(id);
    } else if (job.ok()) {
      deps_.ledger.Moved(mover, *job);
    }
  };
}

Task<absl::StatusOr<jobs::CreateOutcome>> SimulatedStore::CreateWithin(jobs::Job job,
                                                                       jobs::TenantBounds bounds) {
  const JobId id = job.id;
  Note<jobs::CreateOutcome> note = [this, id](const auto& outcome, bool died) {
    if (died) {
      deps_.ledger.Unsure(id);
    } else if (outcome.ok() && outcome->created) {
      deps_.ledger.Accepted(outcome->job);
    }
  };
  auto call = store_->CreateWithin(std::move(job), bounds);
  co_return co_await Call(std::move(call), std::move(note));
}

Task<absl::StatusOr<std::uint64_t>> SimulatedStore::StoredBytes(std::string tenant) {
  auto call = store_->StoredBytes(std::move(tenant));
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<jobs::Job>> SimulatedStore::Get(JobId id) {
  auto call = store_->Get(std::move(id));
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<std::vector<jobs::AttemptRecord>>> SimulatedStore::Attempts(JobId id) {
  auto call = store_->Attempts(std::move(id));
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<jobs::JobPage>> SimulatedStore::List(jobs::JobFilter filter, int page_size,
                                                         std::string page_token) {
  auto call = store_->List(std::move(filter), page_size, std::move(page_token));
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<std::vector<jobs::Claim>>> SimulatedStore::ClaimReady(int limit,
                                                                          jobs::Rooms rooms) {
  Note<std::vector<jobs::Claim>> note = [this](const auto& claims, bool died) {
    if (died) deps_.ledger.UnsureOfAll();
    if (died || !claims.ok()) return;
    for (const jobs::Claim& claim : *claims) deps_.ledger.Moved(Mover::kClaim, claim.job);
  };
  auto call = store_->ClaimReady(limit, std::move(rooms));
  co_return co_await Call(std::move(call), std::move(note));
}

Task<absl::StatusOr<std::optional<WallTime>>> SimulatedStore::NextReadyAt(jobs::Rooms rooms) {
  auto call = store_->NextReadyAt(std::move(rooms));
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<std::optional<WallTime>>> SimulatedStore::OldestReadyAt() {
  auto call = store_->OldestReadyAt();
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<jobs::UrlsChosen>> SimulatedStore::ChooseUrls(std::string origin,
                                                                  std::string after, int limit,
                                                                  jobs::UrlChoice choice) {
  // Which URL is next is not promised to anybody; but it is a write.
  Note<jobs::UrlsChosen> note = [](const auto&, bool) {};
  auto call = store_->ChooseUrls(std::move(origin), std::move(after), limit, std::move(choice));
  co_return co_await Call(std::move(call), std::move(note));
}

Task<absl::StatusOr<std::vector<jobs::Job>>> SimulatedStore::Expire(int limit) {
  Note<std::vector<jobs::Job>> note = [this](const auto& expired, bool died) {
    if (died) deps_.ledger.UnsureOfAll();
    if (died || !expired.ok()) return;
    for (const jobs::Job& job : *expired) deps_.ledger.Moved(Mover::kExpiry, job);
  };
  auto call = store_->Expire(limit);
  co_return co_await Call(std::move(call), std::move(note));
}

Task<absl::StatusOr<std::optional<WallTime>>> SimulatedStore::NextDeadlineAt() {
  auto call = store_->NextDeadlineAt();
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<jobs::Job>> SimulatedStore::Update(JobId id, std::int64_t fence,
                                                       jobs::Change change) {
  Note<jobs::Job> note = NoteMove(id, MoverOf(change));
  auto call = store_->Update(std::move(id), fence, std::move(change));
  co_return co_await Call(std::move(call), std::move(note));
}

Task<absl::StatusOr<jobs::Job>> SimulatedStore::Update(JobId id, jobs::Change change) {
  Note<jobs::Job> note = NoteMove(id, MoverOf(change));
  auto call = store_->Update(std::move(id), std::move(change));
  co_return co_await Call(std::move(call), std::move(note));
}

Task<absl::StatusOr<std::vector<jobs::ClaimId>>> SimulatedStore::LostClaims(
    std::vector<jobs::ClaimId> claims) {
  auto call = store_->LostClaims(std::move(claims));
  co_return co_await Call(std::move(call));
}

Task<absl::Status> SimulatedStore::Delete(JobId id) {
  Note<bool> note = [this, id](const auto& deleted, bool died) {
    if (died) {
      deps_.ledger.Unsure(id);
    } else if (deleted.ok()) {
      deps_.ledger.Deleted(id);
    }
  };
  auto call = Succeeds(store_->Delete(std::move(id)));
  const absl::StatusOr<bool> deleted = co_await Call(std::move(call), std::move(note));
  co_return deleted.status();
}

Task<absl::StatusOr<std::uint64_t>> SimulatedStore::Recover() {
  Note<std::uint64_t> note = [this](const auto& recovered, bool died) {
    if (died) deps_.ledger.UnsureOfAll();
    if (!died && recovered.ok()) deps_.ledger.Recovered();
  };
  auto call = store_->Recover();
  co_return co_await Call(std::move(call), std::move(note));
}

Task<absl::StatusOr<std::vector<jobs::JobEvent>>> SimulatedStore::EventsAfter(
    std::int64_t after, jobs::JobFilter filter, int limit) {
  auto call = store_->EventsAfter(after, std::move(filter), limit);
  co_return co_await Call(std::move(call));
}

Task<absl::Status> SimulatedStore::KeepSinkNote(jobs::SinkNote note, std::int64_t fence) {
  Note<bool> written = [](const auto&, bool) {};
  auto call = Succeeds(store_->KeepSinkNote(std::move(note), fence));
  const absl::StatusOr<bool> kept = co_await Call(std::move(call), std::move(written));
  co_return kept.status();
}

Task<absl::Status> SimulatedStore::DropSinkNote(jobs::SinkNote note) {
  Note<bool> written = [](const auto&, bool) {};
  auto call = Succeeds(store_->DropSinkNote(std::move(note)));
  const absl::StatusOr<bool> dropped = co_await Call(std::move(call), std::move(written));
  co_return dropped.status();
}

Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SimulatedStore::SinkNotesOf(JobId id) {
  auto call = store_->SinkNotesOf(std::move(id));
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SimulatedStore::SinkNotesAt(
    std::string destination) {
  auto call = store_->SinkNotesAt(std::move(destination));
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SimulatedStore::AbandonedSinkNotes(
    jobs::SinkNote after, int limit) {
  auto call = store_->AbandonedSinkNotes(std::move(after), limit);
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<jobs::BatchOutcome>> SimulatedStore::CreateBatch(jobs::Batch batch) {
  auto call = store_->CreateBatch(std::move(batch));
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<jobs::Batch>> SimulatedStore::GetBatch(BatchId id) {
  auto call = store_->GetBatch(std::move(id));
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<std::vector<jobs::BatchErrors>>> SimulatedStore::ErrorsOf(BatchId id) {
  auto call = store_->ErrorsOf(std::move(id));
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<jobs::BatchPage>> SimulatedStore::ListBatches(std::string tenant, int page_size,
                                                                  std::string page_token) {
  auto call = store_->ListBatches(std::move(tenant), page_size, std::move(page_token));
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<jobs::Batch>> SimulatedStore::ChangeBatch(BatchId id,
                                                              jobs::BatchRequest request) {
  auto call = store_->ChangeBatch(std::move(id), request);
  co_return co_await Call(std::move(call));
}

Task<absl::StatusOr<jobs::BatchStep>> SimulatedStore::StepBatches(int limit) {
  auto call = store_->StepBatches(limit);
  co_return co_await Call(std::move(call));
}

Task<absl::Status> SimulatedStore::RefuseEntry(jobs::BatchEntry entry) {
  auto call = Succeeds(store_->RefuseEntry(std::move(entry)));
  const absl::StatusOr<bool> refused = co_await Call(std::move(call));
  co_return refused.status();
}

Task<absl::StatusOr<jobs::BatchEntryPage>> SimulatedStore::EntriesOf(BatchId id, int page_size,
                                                                     std::string page_token) {
  auto call = store_->EntriesOf(std::move(id), page_size, std::move(page_token));
  co_return co_await Call(std::move(call));
}

std::map<JobId, jobs::Job> SimulatedStore::All() {
  if (owned_ == nullptr) return memory_->All();
  constexpr int kAll = 1000;
  const absl::StatusOr<jobs::JobPage> page = deps_.loop.Run(store_->List({}, kAll, ""));
  if (!page.ok()) deps_.trace.Violated("the store cannot be read: ", MessageOf(page.status()));
  std::map<JobId, jobs::Job> all;
  if (page.ok()) {
    for (const jobs::Job& job : page->jobs) all.emplace(job.id, job);
  }
  return all;
}

std::vector<jobs::AttemptRecord> SimulatedStore::AttemptsNow(const JobId& id) {
  auto attempts = deps_.loop.Run(store_->Attempts(id));
  return attempts.ok() ? *std::move(attempts) : std::vector<jobs::AttemptRecord>();
}

}  // namespace fetchd::simulation
