// JobTable, second half: how rows are written.
#include "base/secret.h"
#include "base/signed_url.h"
#include "base/strings.h"
#include "store/job_table.h"
#include "store/object_codec.h"
#include "store/record_codec.h"
#include "store/request_key.h"
#include "store/spec_codec.h"
#include "store/spec_secrets.h"
#include "store/sqlite_session.h"

namespace fetchd::store {
namespace {

using jobs::Job;
using jobs::State;

/// nullopt when it has no secrets.
absl::StatusOr<std::optional<std::string>> Sealed(const Job& job, const KeyRing& keys) {
  std::string secrets = EncodeSecrets(job.spec);
  const CleansedAtEnd end(secrets);
  if (secrets.empty()) return std::nullopt;
  return keys.Seal(secrets, job.id.str());
}

#define FETCHD_STORE_SAVE_JOB                                                              \
  "UPDATE jobs SET state = ?2, ready_at = ?3, updated_at = ?4, deadline_at = ?5,"          \
  " retried_at = ?6, started_at = ?7, finished_at = ?8, attempt = ?9, fence = ?10,"        \
  " checkpoint = ?11, error = ?12, result = ?13, lane = coalesce(?14, lane), retry = ?15," \
  " url_memory = ?16"
constexpr char kSave[] = FETCHD_STORE_SAVE_JOB " WHERE id = ?1";
/// And by whom it is run. Rescues are counted as long as a job does nothing but run.
constexpr char kSaveOfReplica[] = FETCHD_STORE_SAVE_JOB
    ", replica = CASE WHEN ?2 = 'RUNNING' THEN ?17 END,"
    " rescues = CASE WHEN ?2 = 'RUNNING' THEN rescues ELSE 0 END WHERE id = ?1";

}  // namespace

absl::Status JobTable::Insert(const Job& job, const std::string& fingerprint) {
  ASSIGN_OR_RETURN(const std::optional<std::string> sealed, Sealed(job, keys_));
  const auto sealed_blob = sealed ? std::optional(Blob{*sealed}) : std::nullopt;
  const auto key_id = sealed ? std::optional(keys_.key_id()) : std::nullopt;
  const auto result = job.result ? std::optional(EncodeResult(*job.result)) : std::nullopt;
  const std::string origin = jobs::OriginOfUrl(job.spec, 0);
  Query query(
      db_,
      "INSERT INTO jobs (id, state, priority, ready_at, created_at, updated_at, deadline_at,"
      " retried_at, started_at, finished_at, attempt, fence, origin, destination,"
      " destination_template, overwrite, request_id, fingerprint, labels, spec, sealed,"
      " key_id, checkpoint, error, result, not_before_at, lane, retry, tenant, batch,"
      " batch_entry, url_memory, mirrored, more_destinations, object)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
      " ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      job.id.str(), jobs::StateName(job.state), job.priority, job.ready_at, job.created_at,
      job.updated_at, job.deadline_at, job.retried_at, job.started_at, job.finished_at, job.attempt,
      job.fence, origin, job.destination, job.destination_template, OverwriteName(job.overwrite),
      RequestKey(job.tenant, job.request_id), Blob{fingerprint}, EncodeLabels(job.labels),
      EncodeSpec(job.spec), sealed_blob, key_id, EncodeCheckpoint(job.checkpoint),
      EncodeStatus(job.error), result, job.not_before_at,
      job.urls.next == 0 ? origin : jobs::OriginOfNext(job), job.attempt > 0 ? 1 : 0, job.tenant,
      NullWhenEmpty(job.batch.str()), job.batch_entry, EncodeUrlMemory(job.urls),
      job.spec.urls.size() > 1 ? 1 : 0, EncodeMoreDestinations(job.more_destinations),
      EncodeObject(job.object));
  RETURN_IF_ERROR(query.Run());
  for (const auto& [key, value] : job.labels) {
    Query label(db_, "INSERT INTO labels (job_id, key, value) VALUES (?, ?, ?)", job.id.str(), key,
                value);
    RETURN_IF_ERROR(label.Run());
  }
  return absl::OkStatus();
}

absl::Status JobTable::Save(const Job& job) {
  const auto result = job.result ? std::optional(EncodeResult(*job.result)) : std::nullopt;
  // Of a job that runs or has ended nobody reads it.
  std::optional<std::string> lane;
  if (jobs::IsClaimable(job.state)) lane = jobs::OriginOfNext(job);
  const auto run = [&](const char* sql, const auto&... more) {
    Query query(db_, sql, job.id.str(), jobs::StateName(job.state), job.ready_at, job.updated_at,
                job.deadline_at, job.retried_at, job.started_at, job.finished_at, job.attempt,
                job.fence, EncodeCheckpoint(job.checkpoint), EncodeStatus(job.error), result, lane,
                job.attempt > 0 ? 1 : 0, EncodeUrlMemory(job.urls), more...);
    return query.Run();
  };
  return db_.engine() == Engine::kSqlite ? run(kSave) : run(kSaveOfReplica, replica_);
}

absl::Status JobTable::SealAnew(const Job& job) {
  ASSIGN_OR_RETURN(const std::optional<std::string> sealed, Sealed(job, keys_));
  const auto sealed_blob = sealed ? std::optional(Blob{*sealed}) : std::nullopt;
  const auto key_id = sealed ? std::optional(keys_.key_id()) : std::nullopt;
  const std::string fingerprint = keys_.Fingerprint(CanonicalContent(job));
  jobs::Checkpoint checkpoint = job.checkpoint;
  checkpoint.url = HideSignatures(checkpoint.url);
  std::optional<std::string> result;
  if (job.result) {
    jobs::Result shown = *job.result;
    shown.final_url = HideSignatures(shown.final_url);
    result = EncodeResult(shown);
  }
  Query query(db_,
              "UPDATE jobs SET spec = ?2, sealed = ?3, key_id = ?4, fingerprint = ?5,"
              " checkpoint = ?6, result = ?7 WHERE id = ?1",
              job.id.str(), EncodeSpec(job.spec), sealed_blob, key_id, Blob{fingerprint},
              EncodeCheckpoint(checkpoint), result);
  return query.Run();
}

absl::Status JobTable::ForgetKey(const std::string& id) {
  Query query(db_, "UPDATE jobs SET key_id = NULL WHERE id = ?1", id);
  return query.Run();
}

absl::Status JobTable::MarkFailed(const std::string& id, const absl::Status& error, WallTime at) {
  Query query(db_,
              "UPDATE jobs SET state = 'FAILED', error = ?2, updated_at = ?3, finished_at = ?3"
              " WHERE id = ?1",
              id, EncodeStatus(error), at);
  return query.Run();
}

absl::StatusOr<std::int64_t> JobTable::NextAttempt(const std::string& id) {
  Query query(db_, "SELECT coalesce(max(ordinal), 0) + 1 FROM attempts WHERE job_id = ?", id);
  RETURN_IF_ERROR(query.Run());
  return query.Int(0);
}

// Without a look at what is there.
absl::Status JobTable::AddAttemptUnseen(const std::string& id, const std::string& record) {
  Query insert(db_,
               "INSERT INTO attempts (job_id, ordinal, record)"
               " SELECT CAST(?1 AS text), coalesce(max(ordinal), 0) + 1, CAST(?2 AS bytea)"
               " FROM attempts WHERE job_id = ?1",
               id, record);
  RETURN_IF_ERROR(insert.Run());
  Query middle(db_,
               "DELETE FROM attempts WHERE job_id = ?1 AND ordinal > ?2 AND ordinal <="
               " (SELECT max(ordinal) FROM attempts WHERE job_id = ?1) - ?3",
               id, jobs::kFirstAttemptRecords,
               jobs::kMaxAttemptRecords - jobs::kFirstAttemptRecords);
  return middle.Run();
}

absl::Status JobTable::AddAttempt(const std::string& id, const jobs::AttemptRecord& record) {
  // An origin may put a job off thousands of times.
  static_assert(jobs::kMaxAttemptRecords > jobs::kFirstAttemptRecords);
  if (db_.engine() == Engine::kPostgres) return AddAttemptUnseen(id, EncodeAttempt(record));
  ASSIGN_OR_RETURN(const std::int64_t ordinal, NextAttempt(id));
  Query query(db_, "INSERT INTO attempts (job_id, ordinal, record) VALUES (?, ?, ?)", id, ordinal,
              EncodeAttempt(record));
  RETURN_IF_ERROR(query.Run());
  if (ordinal <= jobs::kMaxAttemptRecords) return absl::OkStatus();
  Query middle(db_, "DELETE FROM attempts WHERE job_id = ?1 AND ordinal > ?2 AND ordinal <= ?3", id,
               jobs::kFirstAttemptRecords,
               ordinal - (jobs::kMaxAttemptRecords - jobs::kFirstAttemptRecords));
  return middle.Run();
}

absl::StatusOr<std::int64_t> JobTable::AddEvent(const std::string& id, State state, WallTime at) {
  if (deferred_ != nullptr) {
    deferred_->Add(DeferredRows::Event{id, state, at});
    return 0;
  }
  Query query(db_, "INSERT INTO events (job_id, state, at) VALUES (?, ?, ?)", id,
              jobs::StateName(state), at);
  RETURN_IF_ERROR(query.Run());
  return sqlite3_last_insert_rowid(SqliteHandle(db_));
}

absl::StatusOr<std::int64_t> JobTable::Delete(const Job& job, WallTime at) {
  // Events of a job that cannot be shown any more: the deletion stands for them all.
  Query events(db_, "DELETE FROM events WHERE job_id = ?1", job.id.str());
  RETURN_IF_ERROR(events.Run());
  Query row(db_, "DELETE FROM jobs WHERE id = ?1", job.id.str());
  RETURN_IF_ERROR(row.Run());
  if (deferred_ != nullptr) {
    deferred_->Add(DeferredRows::Event{job.id.str(), job.state, at, true,
                                       jobs::OriginOfUrl(job.spec, 0), EncodeLabels(job.labels),
                                       job.tenant, job.batch.str(), job.created_at});
    return 0;
  }
  Query event(db_,
              "INSERT INTO events (job_id, state, at, deleted, origin, created_at, labels, tenant,"
              " batch) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?)",
              job.id.str(), jobs::StateName(job.state), at, jobs::OriginOfUrl(job.spec, 0),
              job.created_at, EncodeLabels(job.labels), job.tenant, NullWhenEmpty(job.batch.str()));
  RETURN_IF_ERROR(event.Run());
  return sqlite3_last_insert_rowid(SqliteHandle(db_));
}

}  // namespace fetchd::store
