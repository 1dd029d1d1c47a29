#include "store/job_table.h"

#include <utility>

#include "base/secret.h"
#include "base/strings.h"
#include "store/json.h"
#include "store/object_codec.h"
#include "store/record_codec.h"
#include "store/request_key.h"
#include "store/spec_codec.h"

namespace fetchd::store {
namespace {

using jobs::Job;
using jobs::State;

// Places in FETCHD_STORE_JOB_COLUMNS.
enum Column {
  kId,
  kState,
  kPriority,
  kReadyAt,
  kCreatedAt,
  kUpdatedAt,
  kDeadlineAt,
  kRetriedAt,
  kStartedAt,
  kFinishedAt,
  kAttempt,
  kFence,
  kDestination,
  kDestinationTemplate,
  kOverwrite,
  kRequestId,
  kLabels,
  kSpec,
  kSealed,
  kCheckpoint,
  kError,
  kResult,
  kNotBeforeAt,
  kTenant,
  kBatch,
  kBatchEntry,
  kUrlMemory,
  kMoreDestinations,
  kObject,
  kKeyId,
};

constexpr char kJobById[] =
    "SELECT " FETCHD_STORE_JOB_COLUMNS " FROM jobs AS j WHERE j.id = ?1 FOR UPDATE";
/// Those of the list ?1, a JSON array, in its order, in one round trip. PostgreSQL's.
constexpr char kJobsById[] =
    "SELECT " FETCHD_STORE_JOB_COLUMNS
    " FROM json_array_elements_text(CAST(?1 AS json)) WITH ORDINALITY AS wanted (id, place)"
    " JOIN jobs AS j ON j.id = wanted.id ORDER BY wanted.place FOR UPDATE OF j";

absl::StatusOr<JobId> ReadId(const std::string& text) {
  absl::StatusOr<JobId> id = JobId::Parse(text);
  if (!id.ok()) return absl::DataLossError(Concat("a stored job has the malformed id ", text));
  return id;
}

absl::StatusOr<State> ReadState(const std::string& text) {
  const auto state = jobs::ParseState(text);
  if (!state) return absl::DataLossError(Concat("a stored job has the unknown state ", text));
  return *state;
}

// What is no id stands for no batch.
void ReadBatch(const Query& row, int first, Job& job) {
  auto batch = BatchId::Parse(row.Text(first + kBatch));
  if (!batch.ok()) return;
  job.batch = *std::move(batch);
  job.batch_entry = row.Int(first + kBatchEntry);
}

// Those that are read as they are.
void ReadPlainColumns(const Query& row, int first, Job& job) {
  job.priority = static_cast<int>(row.Int(first + kPriority));
  job.attempt = static_cast<int>(row.Int(first + kAttempt));
  job.fence = row.Int(first + kFence);
  job.destination = row.Text(first + kDestination);
  job.destination_template = row.Text(first + kDestinationTemplate);
  job.request_id = RequestIdOf(row.Text(first + kRequestId));
  job.tenant = row.Text(first + kTenant);
  job.ready_at = row.Time(first + kReadyAt);
  job.created_at = row.Time(first + kCreatedAt);
  job.updated_at = row.Time(first + kUpdatedAt);
  job.deadline_at = row.Time(first + kDeadlineAt);
  job.retried_at = row.OptionalTime(first + kRetriedAt);
  job.started_at = row.OptionalTime(first + kStartedAt);
  job.finished_at = row.OptionalTime(first + kFinishedAt);
  job.not_before_at = row.OptionalTime(first + kNotBeforeAt);
  ReadBatch(row, first, job);
}

absl::Status ReadOutcome(const Query& row, int first, Job& job) {
  ASSIGN_OR_RETURN(job.urls, DecodeUrlMemory(row.Text(first + kUrlMemory)));
  ASSIGN_OR_RETURN(job.checkpoint, DecodeCheckpoint(row.Text(first + kCheckpoint)));
  RETURN_IF_ERROR(DecodeStatus(row.Text(first + kError), job.error));
  if (row.IsNull(first + kResult)) return absl::OkStatus();
  ASSIGN_OR_RETURN(job.result, DecodeResult(row.Text(first + kResult)));
  return absl::OkStatus();
}

}  // namespace

absl::Status DamagedError(const absl::Status& why) {
  return WithReason(
      absl::DataLossError(Concat("what the database holds of it is damaged: ", MessageOf(why))),
      {"JOB_DAMAGED", {}});
}

absl::StatusOr<Job> JobTable::ReadJob(const Query& row, int first) const {
  Job job;
  ASSIGN_OR_RETURN(job.id, ReadId(row.Text(first + kId)));
  ASSIGN_OR_RETURN(job.state, ReadState(row.Text(first + kState)));
  ReadPlainColumns(row, first, job);
  ASSIGN_OR_RETURN(job.overwrite, ParseOverwrite(row.Text(first + kOverwrite)));
  ASSIGN_OR_RETURN(job.labels, DecodeLabels(row.Text(first + kLabels)));
  ASSIGN_OR_RETURN(job.more_destinations,
                   DecodeMoreDestinations(row.Text(first + kMoreDestinations)));
  ASSIGN_OR_RETURN(job.object, DecodeObject(row.Text(first + kObject)));
  std::string secrets;
  const CleansedAtEnd end(secrets);
  if (!row.IsNull(first + kSealed)) {
    ASSIGN_OR_RETURN(secrets,
                     keys_.Open(row.Text(first + kKeyId), row.Text(first + kSealed), job.id.str()));
  }
  ASSIGN_OR_RETURN(job.spec, DecodeSpec(row.Text(first + kSpec), secrets));
  RETURN_IF_ERROR(ReadOutcome(row, first, job));
  return job;
}

std::optional<Job> JobTable::ReadToShow(const Query& row, int first) const {
  absl::StatusOr<Job> whole = ReadJob(row, first);
  if (whole.ok()) return *std::move(whole);
  auto id = JobId::Parse(row.Text(first + kId));
  if (!id.ok()) return std::nullopt;
  Job remains;
  remains.id = *std::move(id);
  remains.state = jobs::ParseState(row.Text(first + kState)).value_or(State::kFailed);
  ReadPlainColumns(row, first, remains);
  remains.error = DamagedError(whole.status());
  return remains;
}

absl::StatusOr<Job> JobTable::Load(const std::string& id) {
  Query query(db_, kJobById, id);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return absl::NotFoundError(Concat("there is no job ", id));
  return ReadJob(query);
}

absl::StatusOr<Job> JobTable::LoadToShow(const std::string& id) {
  Query query(db_, kJobById, id);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  std::optional<Job> job = found ? ReadToShow(query) : std::nullopt;
  if (!job) return absl::NotFoundError(Concat("there is no job ", id));
  return *std::move(job);
}

absl::StatusOr<std::vector<jobs::AttemptRecord>> JobTable::Attempts(const std::string& id) {
  Query query(db_, "SELECT record FROM attempts WHERE job_id = ?1 ORDER BY ordinal", id);
  std::vector<jobs::AttemptRecord> records;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return records;
    absl::StatusOr<jobs::AttemptRecord> record = DecodeAttempt(query.Text(0));
    if (!record.ok()) {
      records.emplace_back().status = DamagedError(record.status());
    } else {
      records.push_back(*std::move(record));
    }
  }
}

absl::Status JobTable::ReadAll(Query& query, std::vector<StoredJob>& into) const {
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return absl::OkStatus();
    const auto state = jobs::ParseState(query.Text(kState));
    into.push_back(
        {query.Text(kId), query.Text(kTenant), state.value_or(State::kQueued), ReadJob(query)});
  }
}

absl::StatusOr<std::vector<StoredJob>> JobTable::Rows(const std::vector<std::string>& ids) {
  std::vector<StoredJob> rows;
  rows.reserve(ids.size());
  if (db_.engine() == Engine::kPostgres) {
    Query query(db_, kJobsById, JsonList(ids));
    RETURN_IF_ERROR(ReadAll(query, rows));
    return rows;
  }
  for (const std::string& id : ids) {
    Query query(db_, kJobById, id);
    RETURN_IF_ERROR(ReadAll(query, rows));
  }
  return rows;
}

absl::StatusOr<std::vector<StoredJob>> JobTable::PastDeadline(WallTime now, int limit) {
  Query query(db_, kExpiredJobs, now, limit);
  std::vector<StoredJob> expired;
  RETURN_IF_ERROR(ReadAll(query, expired));
  return expired;
}

absl::StatusOr<std::optional<WallTime>> JobTable::NextDeadlineAt() {
  Query query(db_, kFirstDeadlineAt);
  ASSIGN_OR_RETURN(const bool found, query.Step());
  return found ? std::optional(query.Time(0)) : std::nullopt;
}

absl::StatusOr<std::vector<std::string>> JobTable::Mirrored(const std::string& lane,
                                                            const std::string& after, int limit) {
  Query query(db_, kMirroredJobs, lane, after, limit);
  std::vector<std::string> ids;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return ids;
    ids.push_back(query.Text(0));
  }
}

absl::StatusOr<std::vector<StoredJob>> JobTable::In(State state) {
  Query query(db_,
              "SELECT " FETCHD_STORE_JOB_COLUMNS " FROM jobs AS j WHERE j.state = ?1 ORDER BY j.id",
              jobs::StateName(state));
  std::vector<StoredJob> found;
  RETURN_IF_ERROR(ReadAll(query, found));
  return found;
}

absl::StatusOr<std::optional<JobTable::Earlier>> JobTable::FindRequest(
    const std::string& tenant, const std::string& request_id) {
  Query query(db_, "SELECT id, fingerprint FROM jobs WHERE request_id = ?1",
              RequestKey(tenant, request_id));
  ASSIGN_OR_RETURN(const bool found, query.Step());
  if (!found) return std::nullopt;
  return Earlier{query.Text(0), query.Text(1)};
}

absl::StatusOr<bool> JobTable::Exists(const std::string& id) {
  Query query(db_, "SELECT 1 FROM jobs WHERE id = ?1", id);
  return query.Step();
}

}  // namespace fetchd::store
