// Jobs, their labels, attempts and events as rows.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/job.h"
#include "store/database.h"
#include "store/deferred_rows.h"
#include "store/key_ring.h"

namespace fetchd::store {

/// The columns that ReadJob reads, in its order, of a table with the alias `j`.
#define FETCHD_STORE_JOB_COLUMNS                                                         \
  "j.id, j.state, j.priority, j.ready_at, j.created_at, j.updated_at, j.deadline_at, "   \
  "j.retried_at, j.started_at, j.finished_at, j.attempt, j.fence, j.destination, "       \
  "j.destination_template, j.overwrite, j.request_id, j.labels, j.spec, j.sealed, "      \
  "j.checkpoint, j.error, j.result, j.not_before_at, j.tenant, j.batch, j.batch_entry, " \
  "j.url_memory, j.more_destinations, j.object, j.key_id"

/// The condition of the partial indexes of claimable jobs, word for word.
#define FETCHD_STORE_CLAIMABLE "(state = 'QUEUED' OR state = 'WAITING' OR state = 'INTERRUPTED')"

/// Claimable jobs whose deadline is at ?1 or before, the earliest first, at most ?2.
inline constexpr char kExpiredJobs[] = "SELECT " FETCHD_STORE_JOB_COLUMNS
                                       " FROM jobs AS j INDEXED BY jobs_deadline"
                                       " WHERE " FETCHD_STORE_CLAIMABLE
                                       " AND deadline_at <= ?1 ORDER BY deadline_at, id LIMIT ?2"
                                       " FOR UPDATE SKIP LOCKED";
/// The earliest deadline of a claimable job.
inline constexpr char kFirstDeadlineAt[] =
    "SELECT deadline_at FROM jobs INDEXED BY jobs_deadline"
    " WHERE " FETCHD_STORE_CLAIMABLE " ORDER BY deadline_at LIMIT 1";

/// Claimable jobs with several urls in the lane ?1 behind the id ?2, at most ?3. Index entries
/// alone.
inline constexpr char kMirroredJobs[] =
    "SELECT id FROM jobs INDEXED BY jobs_mirrored"
    " WHERE mirrored = 1 AND " FETCHD_STORE_CLAIMABLE
    " AND lane = ?1 AND id > ?2 ORDER BY id LIMIT ?3";

/// A row of jobs, and the job in it; or why there is none to be had: the row is damaged.
struct StoredJob {
  std::string id, tenant;
  jobs::State state;
  absl::StatusOr<jobs::Job> job;
};

/// Reads and writes rows on a connection, inside whatever transaction is open there. Cheap to make;
/// holds references.
class JobTable {
 public:
  JobTable(Database& database, const KeyRing& keys) : db_(database), keys_(keys) {}
  /// Of one of several processes that write: `deferred` is for the end of the transaction, and what
  /// runs is run by `replica`.
  JobTable(Database& database, const KeyRing& keys, DeferredRows& deferred, std::string replica)
      : db_(database), keys_(keys), deferred_(&deferred), replica_(std::move(replica)) {}

  Database& database() { return db_; }
  const KeyRing& keys() const { return keys_; }
  const std::string& replica() const { return replica_; }
  DeferredRows* deferred() const { return deferred_; }  ///< Null: rows are written as they come.

  /// Reads the job from columns `first`.. of the query's row. DATA_LOSS when the row is damaged.
  absl::StatusOr<jobs::Job> ReadJob(const Query& row, int first = 0) const;
  /// To be shown: what can be read of a damaged row, with that as its error. nullopt when not even
  /// its id can.
  std::optional<jobs::Job> ReadToShow(const Query& row, int first = 0) const;
  /// NOT_FOUND; DATA_LOSS when the row is damaged.
  absl::StatusOr<jobs::Job> Load(const std::string& id);
  /// NOT_FOUND.
  absl::StatusOr<jobs::Job> LoadToShow(const std::string& id);
  /// A record that is damaged is there, but empty.
  absl::StatusOr<std::vector<jobs::AttemptRecord>> Attempts(const std::string& id);
  /// Those of `ids` that there are, in their order.
  absl::StatusOr<std::vector<StoredJob>> Rows(const std::vector<std::string>& ids);
  /// Claimable jobs whose deadline has passed at `now`, the earliest first.
  absl::StatusOr<std::vector<StoredJob>> PastDeadline(WallTime now, int limit);
  absl::StatusOr<std::vector<StoredJob>> In(jobs::State state);
  absl::StatusOr<std::optional<WallTime>> NextDeadlineAt();
  /// The ids of kMirroredJobs.
  absl::StatusOr<std::vector<std::string>> Mirrored(const std::string& lane,
                                                    const std::string& after, int limit);

  /// The id of the job with this request id; FINGERPRINT of its content beside it.
  struct Earlier {
    std::string id, fingerprint;
  };
  absl::StatusOr<std::optional<Earlier>> FindRequest(const std::string& tenant,
                                                     const std::string& request_id);
  absl::StatusOr<bool> Exists(const std::string& id);

  absl::Status Insert(const jobs::Job& job, const std::string& fingerprint);
  /// Writes all that a change may touch: not the specification, labels and what else is fixed at
  /// creation.
  absl::Status Save(const jobs::Job& job);
  /// Writes again what is made with a key, with the one that seals now: secrets and fingerprint;
  /// and what an earlier version kept beside the seal.
  absl::Status SealAnew(const jobs::Job& job);
  /// Of a damaged row, which no key opens: none is asked for because of it.
  absl::Status ForgetKey(const std::string& id);
  /// For a damaged row, of which nothing else can be kept.
  absl::Status MarkFailed(const std::string& id, const absl::Status& error, WallTime at);
  absl::Status AddAttempt(const std::string& id, const jobs::AttemptRecord& record);
  /// Returns the event's sequence number; 0 when that is known only at the end.
  absl::StatusOr<std::int64_t> AddEvent(const std::string& id, jobs::State state, WallTime at);
  /// Removes the job and all of its rows, and adds the event of that, which outlives them.
  absl::StatusOr<std::int64_t> Delete(const jobs::Job& job, WallTime at);

 private:
  absl::Status ReadAll(Query& query, std::vector<StoredJob>& into) const;
  absl::StatusOr<std::int64_t> NextAttempt(const std::string& id);
  absl::Status AddAttemptUnseen(const std::string& id, const std::string& record);

  Database& db_;
  const KeyRing& keys_;
  DeferredRows* deferred_ = nullptr;
  std::string replica_;
};

/// DATA_LOSS, reason JOB_DAMAGED: the error of a job whose row is damaged.
absl::Status DamagedError(const absl::Status& why);

}  // namespace fetchd::store
