#include "store/batch_changes.h"

#include <utility>

#include "base/signed_url.h"
#include "base/strings.h"
#include "store/batch_codec.h"
#include "store/batch_table.h"
#include "store/job_changes.h"

namespace fetchd::store {
namespace {

using jobs::Batch;
using jobs::BatchAction;
using jobs::BatchEntry;
using jobs::BatchShare;
using jobs::BatchStep;
using jobs::Job;
using jobs::State;
using jobs::TenantOf;

BatchTable TableOf(Transaction& transaction) {
  return BatchTable(transaction.jobs.database(), transaction.jobs.deferred());
}

absl::Status Changed(Transaction& transaction, const BatchId& id, WallTime now) {
  transaction.effects.Batch();
  transaction.effects.Changed();
  return TableOf(transaction).Touch(id, now);
}

absl::Status Move(Transaction& transaction, const BatchId& batch, const std::string& job_id,
                  const BatchShare& from, const BatchShare& to, WallTime now) {
  if (from == to) return absl::OkStatus();
  BatchTable table = TableOf(transaction);
  RETURN_IF_ERROR(table.Count(batch, from, -1));
  RETURN_IF_ERROR(table.Count(batch, to, 1));
  RETURN_IF_ERROR(table.SaveShare(job_id, to));
  return Changed(transaction, batch, now);
}

absl::StatusOr<bool> IsSealed(Transaction& transaction, const BatchId& id) {
  ASSIGN_OR_RETURN(const auto sealed, TableOf(transaction).IsSealed(id));
  if (sealed) return *sealed;
  return WithReason(absl::NotFoundError(Concat("there is no batch ", id.str())),
                    {"BATCH_NOT_FOUND", {{"batch", id.name()}}});
}

// An entry that has no job and is not known is counted, or refused when nothing more may come.
absl::StatusOr<bool> CountEntry(Transaction& transaction, const BatchEntry& entry, WallTime now) {
  BatchTable table = TableOf(transaction);
  ASSIGN_OR_RETURN(const bool sealed, IsSealed(transaction, entry.batch));
  ASSIGN_OR_RETURN(const auto job, table.JobOfEntry(entry.batch, entry.entry));
  ASSIGN_OR_RETURN(const auto known, table.FindEntry(entry.batch, entry.entry));
  if (job || known) return false;
  if (sealed) return jobs::SealedError(entry.batch);
  RETURN_IF_ERROR(table.InsertEntry(entry));
  table.NoteNew(entry.batch, entry.entry);
  RETURN_IF_ERROR(table.Count(entry.batch, BatchShareOf(entry), 1));
  RETURN_IF_ERROR(Changed(transaction, entry.batch, now));
  return true;
}

absl::Status RequestIdReused(const std::string& request_id, const BatchId& earlier) {
  return WithReason(
      absl::AlreadyExistsError(
          Concat("request_id \"", request_id, "\" was used for batch ", earlier.str(),
                 " with other content; use a new request_id, or send the same request again")),
      {"REQUEST_ID_REUSED", {{"request_id", request_id}, {"batch", earlier.name()}}});
}

bool SameContent(const Batch& a, const Batch& b) {
  return a.display_name == b.display_name && a.defaults == b.defaults;
}

std::vector<State> StatesFor(BatchAction action) {
  switch (action) {
    case BatchAction::kCancel:
      return {State::kQueued, State::kWaiting, State::kInterrupted, State::kRunning,
              State::kPaused};
    case BatchAction::kRetry:
      return {State::kFailed};
    case BatchAction::kRetryAll:
      return {State::kFailed, State::kCancelled};
    case BatchAction::kNone:
    case BatchAction::kDelete:
      break;
  }
  return {};
}

// Each job is looked at once: one that is queued again and fails again is behind.
absl::StatusOr<std::vector<Job>> StepJobs(Transaction& transaction, const BatchTable::Pending& step,
                                          int limit, WallTime now) {
  BatchTable table = TableOf(transaction);
  ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                   table.JobsIn(step.id, StatesFor(step.action), step.after, limit));
  const bool cancel = step.action == BatchAction::kCancel;
  const jobs::Change change =
      cancel ? jobs::Change(jobs::CancelRequested()) : jobs::Change(jobs::RetryRequested());
  ASSIGN_OR_RETURN(std::vector<Job> changed, ChangeJobs(transaction, ids, change, now));
  RETURN_IF_ERROR(table.Lock());
  if (ids.size() < static_cast<std::size_t>(limit)) {
    RETURN_IF_ERROR(table.EndAction(step));
  } else {
    RETURN_IF_ERROR(table.SaveActionAfter(step, ids.back()));
  }
  RETURN_IF_ERROR(Changed(transaction, step.id, now));
  return changed;
}

// One that lives again was retried by name meanwhile.
absl::StatusOr<std::vector<Job>> StepDelete(Transaction& transaction, const BatchId& id, int limit,
                                            WallTime now) {
  BatchTable table = TableOf(transaction);
  std::vector<Job> cancelled;
  ASSIGN_OR_RETURN(const std::vector<std::string> ids, table.Jobs(id, limit));
  for (const std::string& text : ids) {
    ASSIGN_OR_RETURN(const JobId job_id, JobId::Parse(text));
    ASSIGN_OR_RETURN(const Job job, transaction.jobs.LoadToShow(text));
    if (!jobs::IsTerminal(job.state)) {
      ASSIGN_OR_RETURN(std::vector<Job> stopped,
                       ChangeJobs(transaction, {text}, jobs::CancelRequested(), now));
      cancelled.insert(cancelled.end(), stopped.begin(), stopped.end());
    }
    RETURN_IF_ERROR(DeleteJob(transaction, job_id, now).status());
  }
  if (!ids.empty()) return cancelled;
  RETURN_IF_ERROR(table.Lock());
  ASSIGN_OR_RETURN(const int entries, table.DeleteEntries(id, limit));
  RETURN_IF_ERROR(Changed(transaction, id, now));
  if (entries == 0) RETURN_IF_ERROR(table.Delete(id));
  return cancelled;
}

}  // namespace

std::optional<BatchShare> ShareInBatch(const Job& job) {
  if (job.batch.empty()) return std::nullopt;
  return jobs::BatchShareOf(job);
}

absl::Status AdmitToBatch(Transaction& transaction, const Job& job) {
  if (job.batch.empty()) return absl::OkStatus();
  BatchTable table = TableOf(transaction);
  ASSIGN_OR_RETURN(const bool sealed, IsSealed(transaction, job.batch));
  if (sealed) return jobs::SealedError(job.batch);
  ASSIGN_OR_RETURN(const auto taken, table.JobOfEntry(job.batch, job.batch_entry));
  if (taken) return jobs::EntryTakenError(job.batch, job.batch_entry);
  ASSIGN_OR_RETURN(const auto refused, table.FindEntry(job.batch, job.batch_entry));
  if (!refused) return absl::OkStatus();
  RETURN_IF_ERROR(table.Count(job.batch, BatchShareOf(*refused), -1));
  return table.DeleteEntry(job.batch, job.batch_entry);
}

absl::Status CountNew(Transaction& transaction, const Job& job) {
  if (job.batch.empty()) return absl::OkStatus();
  BatchTable table = TableOf(transaction);
  const BatchShare share = jobs::BatchShareOf(job);
  table.NoteNew(job.batch, job.batch_entry);
  RETURN_IF_ERROR(table.SaveShare(job.id.str(), share));
  RETURN_IF_ERROR(table.Count(job.batch, share, 1));
  transaction.effects.Batch();
  return table.Touch(job.batch, job.updated_at);
}

absl::Status CountRepeated(Transaction& transaction, const Job& job, const Job& existing) {
  const bool same = existing.batch == job.batch && existing.batch_entry == job.batch_entry;
  if (job.batch.empty() || same) return absl::OkStatus();
  const BatchEntry entry{job.batch,
                         job.batch_entry,
                         job.spec.urls.empty() ? std::string() : HideSignatures(job.spec.urls[0]),
                         job.destination_template,
                         job.request_id,
                         absl::OkStatus(),
                         existing.id};
  return CountEntry(transaction, entry, job.updated_at).status();
}

absl::Status Recount(Transaction& transaction, const Job& job,
                     const std::optional<BatchShare>& before, WallTime now) {
  if (!before) return absl::OkStatus();
  return Move(transaction, job.batch, job.id.str(), *before, jobs::BatchShareOf(job), now);
}

absl::Status RecountDamaged(Transaction& transaction, const std::string& job_id,
                            const absl::Status& error, WallTime now) {
  ASSIGN_OR_RETURN(const auto counted, TableOf(transaction).CountedAs(job_id));
  if (!counted) return absl::OkStatus();
  const BatchShare failed{jobs::EntryFate::kFailed, counted->share.bytes,
                          jobs::ErrorKind::Of(error).ToString()};
  return Move(transaction, counted->batch, job_id, counted->share, failed, now);
}

absl::Status Uncount(Transaction& transaction, const std::string& job_id, WallTime now) {
  BatchTable table = TableOf(transaction);
  ASSIGN_OR_RETURN(const auto counted, table.CountedAs(job_id));
  if (!counted) return absl::OkStatus();
  RETURN_IF_ERROR(table.Count(counted->batch, counted->share, -1));
  return Changed(transaction, counted->batch, now);
}

absl::StatusOr<jobs::BatchOutcome> CreateBatch(Transaction& transaction, const Batch& batch) {
  BatchTable table = TableOf(transaction);
  if (!batch.request_id.empty()) {
    ASSIGN_OR_RETURN(const auto earlier, table.FindRequest(TenantOf(batch), batch.request_id));
    if (earlier && !SameContent(*earlier, batch)) {
      return RequestIdReused(batch.request_id, earlier->id);
    }
    if (earlier) return jobs::BatchOutcome{*earlier, false};
  }
  RETURN_IF_ERROR(table.Insert(batch));
  transaction.effects.Changed();
  return jobs::BatchOutcome{batch, true};
}

absl::StatusOr<Batch> ChangeBatch(Transaction& transaction, const BatchId& id,
                                  jobs::BatchRequest request, WallTime now) {
  BatchTable table = TableOf(transaction);
  RETURN_IF_ERROR(table.Lock());
  ASSIGN_OR_RETURN(Batch batch, table.Load(id));
  const BatchAction before = batch.action;
  RETURN_IF_ERROR(jobs::Apply(request, batch));
  RETURN_IF_ERROR(table.SaveRequest(batch, batch.action != before));
  RETURN_IF_ERROR(Changed(transaction, id, now));
  return table.Load(id);
}

absl::StatusOr<bool> RefuseEntry(Transaction& transaction, const BatchEntry& entry, WallTime now) {
  return CountEntry(transaction, entry, now);
}

absl::StatusOr<BatchStep> StepBatches(Transaction& transaction, int limit, WallTime now,
                                      std::string& last) {
  BatchTable table = TableOf(transaction);
  ASSIGN_OR_RETURN(const auto pending, table.NextPending(last));
  if (!pending) return BatchStep();
  last = pending->id.str();
  BatchStep step;
  if (pending->action == BatchAction::kDelete) {
    ASSIGN_OR_RETURN(step.changed, StepDelete(transaction, pending->id, limit, now));
  } else {
    ASSIGN_OR_RETURN(step.changed, StepJobs(transaction, *pending, limit, now));
  }
  ASSIGN_OR_RETURN(const auto next, table.NextPending(std::string()));
  step.more = next.has_value();
  return step;
}

}  // namespace fetchd::store
