#include "store/job_changes.h"

#include <utility>

#include "base/strings.h"
#include "jobs/stored_bodies.h"
#include "store/batch_changes.h"
#include "store/body_ledger.h"
#include "store/figures.h"
#include "store/spec_codec.h"

namespace fetchd::store {
namespace {

using jobs::Job;
using jobs::State;

/// Jobs end all the time: the next one may fit soon.
constexpr std::chrono::seconds kQueueFullPause{5};

absl::Status RequestIdReused(const Job& job, const std::string& earlier_id) {
  return WithReason(
      absl::AlreadyExistsError(
          Concat("request_id \"", job.request_id, "\" was used for job ", earlier_id,
                 " with other content; use a new request_id, or send the same request again")),
      {"REQUEST_ID_REUSED", {{"request_id", job.request_id}, {"job", "jobs/" + earlier_id}}});
}

absl::Status TenantQueueFull(const std::string& tenant, std::uint64_t max_live) {
  const std::string why =
      Concat("tenant ", tenant, " has ", max_live, " jobs that have not ended, as many as tenants.",
             tenant, ".max_jobs allows");
  absl::Status full =
      WithReason(absl::ResourceExhaustedError(why + "; ask again when some have, or raise it"),
                 {"TENANT_QUEUE_FULL", {{"tenant", tenant}, {"max_jobs", Concat(max_live)}}});
  return WithRetryAfter(WithQuota(std::move(full), {"tenant:" + tenant, why}), kQueueFullPause);
}

// By the census, which does not know of every tenant where other processes write too.
absl::Status CheckBounds(Transaction& transaction, const Job& job,
                         const jobs::TenantBounds& bounds) {
  if (bounds == jobs::TenantBounds()) return absl::OkStatus();
  Census& census = transaction.effects.census();
  Database& database = transaction.jobs.database();
  if (database.engine() == Engine::kPostgres && !census.HasLoaded(job.tenant)) {
    ASSIGN_OR_RETURN(const Census::Loaded loaded, LoadTenant(database, job.tenant));
    census.Load(job.tenant, loaded);
  }
  if (census.Live(job.tenant) >= bounds.live_jobs) {
    return TenantQueueFull(job.tenant, bounds.live_jobs);
  }
  const std::uint64_t stored = census.StoredBytes(job.tenant);
  if (stored < bounds.stored_bytes || jobs::PlacesLeft(job) == 0) return absl::OkStatus();
  return jobs::TenantStorageFull(job.tenant, stored, bounds.stored_bytes);
}

// Another process of the fleet may have made it, with another first key.
bool IsOfAnotherKey(const JobTable& table, const JobTable::Earlier& earlier, const Job& job) {
  return table.keys().IsFingerprintOf(earlier.fingerprint, CanonicalContent(job));
}

absl::Status RecordEvent(Transaction& transaction, const Job& job, WallTime now) {
  ASSIGN_OR_RETURN(const std::int64_t sequence,
                   transaction.jobs.AddEvent(job.id.str(), job.state, now));
  transaction.effects.Event(sequence);
  return absl::OkStatus();
}

// Applies `change` to `job` and writes what it did.
absl::Status ApplyAndSave(Transaction& transaction, const jobs::Change& change, WallTime now,
                          Job& job) {
  const State before = job.state;
  const auto counted = ShareInBatch(job);
  RETURN_IF_ERROR(jobs::Apply(change, now, job));
  const bool moved = job.state != before;
  // Cancelling what is cancelled: nothing to write.
  if (!moved && jobs::MovesState(change)) return absl::OkStatus();
  RETURN_IF_ERROR(transaction.jobs.Save(job));
  RETURN_IF_ERROR(Recount(transaction, job, counted, now));
  if (const jobs::AttemptRecord* record = jobs::RecordOf(change)) {
    RETURN_IF_ERROR(transaction.jobs.AddAttempt(job.id.str(), *record));
  }
  transaction.effects.Changed();
  if (!moved) return absl::OkStatus();
  transaction.effects.Count(job.tenant, before, job.state);
  if (jobs::BringsResult(change)) RETURN_IF_ERROR(CountBodies(transaction, job));
  return RecordEvent(transaction, job, now);
}

// A row that cannot be read must not stand in the way of the others: its job is over.
absl::Status FailDamaged(Transaction& transaction, const StoredJob& row, WallTime now) {
  const absl::Status damaged = DamagedError(row.job.status());
  RETURN_IF_ERROR(transaction.jobs.MarkFailed(row.id, damaged, now));
  RETURN_IF_ERROR(RecountDamaged(transaction, row.id, damaged, now));
  ASSIGN_OR_RETURN(const std::int64_t sequence,
                   transaction.jobs.AddEvent(row.id, State::kFailed, now));
  transaction.effects.Event(sequence);
  transaction.effects.Count(row.tenant, row.state, State::kFailed);
  transaction.effects.Changed();
  return absl::OkStatus();
}

// Applies `change` to each job that can be read and admits it, and returns those.
absl::StatusOr<std::vector<Job>> ApplyToAll(Transaction& transaction, const jobs::Change& change,
                                            WallTime now, std::vector<StoredJob> rows) {
  std::vector<Job> changed;
  changed.reserve(rows.size());
  for (StoredJob& row : rows) {
    if (!row.job.ok()) {
      RETURN_IF_ERROR(FailDamaged(transaction, row, now));
      continue;
    }
    // Another process may have been first.
    const absl::Status applied = ApplyAndSave(transaction, change, now, *row.job);
    if (absl::IsFailedPrecondition(applied) || absl::IsAborted(applied)) continue;
    RETURN_IF_ERROR(applied);
    changed.push_back(*std::move(row.job));
  }
  return changed;
}

}  // namespace

absl::StatusOr<jobs::CreateOutcome> CreateJob(Transaction& transaction, const Job& job,
                                              const std::string& fingerprint,
                                              const jobs::TenantBounds& bounds) {
  JobTable& table = transaction.jobs;
  if (!job.request_id.empty()) {
    ASSIGN_OR_RETURN(const auto earlier, table.FindRequest(job.tenant, job.request_id));
    if (earlier && earlier->fingerprint != fingerprint && !IsOfAnotherKey(table, *earlier, job)) {
      return RequestIdReused(job, earlier->id);
    }
    if (earlier) {
      ASSIGN_OR_RETURN(Job existing, table.Load(earlier->id));
      RETURN_IF_ERROR(CountRepeated(transaction, job, existing));
      return jobs::CreateOutcome{std::move(existing), false};
    }
  }
  ASSIGN_OR_RETURN(const bool taken, table.Exists(job.id.str()));
  if (taken) {
    return WithReason(absl::AlreadyExistsError(Concat("there is a job ", job.id.str(), " already")),
                      {"JOB_ID_TAKEN", {{"job", job.id.name()}}});
  }
  RETURN_IF_ERROR(CheckBounds(transaction, job, bounds));
  RETURN_IF_ERROR(AdmitToBatch(transaction, job));
  RETURN_IF_ERROR(table.Insert(job, fingerprint));
  RETURN_IF_ERROR(CountNew(transaction, job));
  RETURN_IF_ERROR(RecordEvent(transaction, job, job.updated_at));
  transaction.effects.Count(job.tenant, std::nullopt, job.state);
  transaction.effects.Changed();
  return jobs::CreateOutcome{job, true};
}

absl::StatusOr<Job> ChangeJob(Transaction& transaction, const JobId& id,
                              std::optional<std::int64_t> fence, const jobs::Change& change,
                              WallTime now) {
  absl::StatusOr<Job> job = transaction.jobs.Load(id.str());
  if (fence && absl::IsNotFound(job.status())) {
    return absl::AbortedError(Concat("the claim on job ", id.str(), " is lost: it was deleted"));
  }
  RETURN_IF_ERROR(job.status());
  if (fence && *fence != job->fence) {
    return absl::AbortedError(Concat("the claim on job ", id.str(), " is lost: fence ", *fence,
                                     " is not the newest, ", job->fence));
  }
  RETURN_IF_ERROR(ApplyAndSave(transaction, change, now, *job));
  return job;
}

absl::StatusOr<std::vector<Job>> ChangeJobs(Transaction& transaction,
                                            const std::vector<std::string>& ids,
                                            const jobs::Change& change, WallTime now) {
  ASSIGN_OR_RETURN(std::vector<StoredJob> rows, transaction.jobs.Rows(ids));
  return ApplyToAll(transaction, change, now, std::move(rows));
}

absl::StatusOr<std::vector<jobs::Claim>> ClaimJobs(Transaction& transaction, int limit,
                                                   WallTime now, const jobs::Rooms& rooms,
                                                   ClaimOrder& order) {
  ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                   ReadyJobs(transaction.jobs.database(), now, limit, rooms, order));
  ASSIGN_OR_RETURN(std::vector<StoredJob> ready, transaction.jobs.Rows(ids));
  ASSIGN_OR_RETURN(std::vector<Job> claimed,
                   ApplyToAll(transaction, jobs::Claimed(), now, std::move(ready)));
  std::vector<jobs::Claim> claims;
  claims.reserve(claimed.size());
  for (Job& job : claimed) {
    const std::int64_t fence = job.fence;
    claims.push_back({std::move(job), fence});
  }
  return claims;
}

absl::StatusOr<jobs::UrlsChosen> ChooseUrls(Transaction& transaction, const std::string& origin,
                                            const std::string& after, int limit, WallTime now,
                                            const jobs::UrlChoice& choice) {
  ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                   transaction.jobs.Mirrored(origin, after, limit));
  ASSIGN_OR_RETURN(std::vector<StoredJob> rows, transaction.jobs.Rows(ids));
  jobs::UrlsChosen chosen{.looked_at = static_cast<int>(ids.size())};
  for (StoredJob& row : rows) {
    if (!row.job.ok()) continue;  // It fails when it is claimed.
    if (!jobs::IsClaimable(row.job->state)) continue;
    const std::optional<std::size_t> index = choice(*row.job);
    if (!index || *index == row.job->urls.next) continue;
    RETURN_IF_ERROR(ApplyAndSave(transaction, jobs::UrlChosen{*index}, now, *row.job));
    chosen.changed += 1;
  }
  if (static_cast<int>(ids.size()) == limit) chosen.last = ids.back();
  return chosen;
}

absl::StatusOr<std::vector<Job>> ExpireJobs(Transaction& transaction, int limit, WallTime now) {
  ASSIGN_OR_RETURN(std::vector<StoredJob> due, transaction.jobs.PastDeadline(now, limit));
  return ApplyToAll(transaction, jobs::Expired(), now, std::move(due));
}

absl::StatusOr<std::uint64_t> RecoverJobs(Transaction& transaction, WallTime now) {
  ASSIGN_OR_RETURN(std::vector<StoredJob> running, transaction.jobs.In(State::kRunning));
  ASSIGN_OR_RETURN(const std::vector<Job> recovered,
                   ApplyToAll(transaction, jobs::Recovered(), now, std::move(running)));
  return recovered.size();
}

absl::StatusOr<JobId> DeleteJob(Transaction& transaction, const JobId& id, WallTime now) {
  ASSIGN_OR_RETURN(const Job job, transaction.jobs.LoadToShow(id.str()));
  if (!jobs::IsTerminal(job.state)) {
    return absl::FailedPreconditionError(Concat("job ", id.str(), " is ", StateName(job.state),
                                                " and cannot be deleted: cancel it first"));
  }
  RETURN_IF_ERROR(Uncount(transaction, id.str(), now));
  RETURN_IF_ERROR(UncountBodies(transaction, id.str()));
  ASSIGN_OR_RETURN(const std::int64_t sequence, transaction.jobs.Delete(job, now));
  transaction.effects.Event(sequence);
  transaction.effects.Count(job.tenant, job.state, std::nullopt);
  transaction.effects.Changed();
  return id;
}

}  // namespace fetchd::store
