// Batches, their figures and their entries without jobs as rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jobs/batch_store.h"
#include "store/database.h"
#include "store/deferred_rows.h"

namespace fetchd::store {

// Each reads a range of an index, without sorting. They are here for the tests of their plans.

/// Of batch ?1, in state ?2: the first ?4 behind job ?3.
inline constexpr char kJobsOfBatchInState[] =
    "SELECT id FROM jobs INDEXED BY jobs_of_batch_in_state"
    " WHERE batch = ?1 AND state = ?2 AND id > ?3 ORDER BY id LIMIT ?4";
/// Of batch ?1: the first ?2.
inline constexpr char kJobsOfBatch[] =
    "SELECT id FROM jobs INDEXED BY jobs_of_batch WHERE batch = ?1 ORDER BY id LIMIT ?2";
/// The job of entry ?2 of batch ?1.
inline constexpr char kJobOfEntry[] =
    "SELECT id FROM jobs INDEXED BY jobs_by_entry WHERE batch = ?1 AND batch_entry = ?2";
/// Of batch ?1, that failed with ?2: the first ?3.
inline constexpr char kJobsWithError[] =
    "SELECT id, batch_entry, spec, error FROM jobs INDEXED BY jobs_by_error"
    " WHERE batch = ?1 AND error_kind = ?2 ORDER BY id LIMIT ?3";
inline constexpr char kEntriesWithError[] =
    "SELECT entry, url, error FROM batch_entries INDEXED BY batch_entries_by_error"
    " WHERE batch = ?1 AND error_kind = ?2 ORDER BY entry LIMIT ?3";
/// The first batch behind ?1 of which something is left to be done.
inline constexpr char kNextAction[] =
    "SELECT id, action_after, action FROM batches INDEXED BY batches_with_action"
    " WHERE action <> '' AND id > ?1 ORDER BY id LIMIT 1";

/// Held by the end of each transaction on PostgreSQL: see postgres_committer.h.
inline constexpr char kLockEnds[] = "SELECT value FROM counters WHERE name = 'events' FOR UPDATE";

#define FETCHD_STORE_BATCH_COLUMNS                                                              \
  "id, display_name, request_id, defaults, created_at, updated_at, sealed, cancelled, action, " \
  "version"
/// Before ?1, newest first: the first ?2.
inline constexpr char kBatches[] =
    "SELECT " FETCHD_STORE_BATCH_COLUMNS " FROM batches WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
/// Those of tenant ?3 alone.
inline constexpr char kBatchesOfTenant[] =
    "SELECT " FETCHD_STORE_BATCH_COLUMNS
    " FROM batches INDEXED BY batches_by_tenant"
    " WHERE id < ?1 AND tenant = ?3 ORDER BY id DESC LIMIT ?2";

/// Reads and writes rows on a connection, inside whatever transaction is open there. Cheap to make;
/// holds a reference.
class BatchTable {
 public:
  /// With `deferred`, figures are for the end of the transaction.
  explicit BatchTable(Database& database, DeferredRows* deferred = nullptr)
      : db_(database), deferred_(deferred) {}

  absl::Status Insert(const jobs::Batch& batch);
  /// With its counters. NOT_FOUND.
  absl::StatusOr<jobs::Batch> Load(const BatchId& id);
  absl::StatusOr<std::optional<jobs::Batch>> FindRequest(const std::string& tenant,
                                                         const std::string& request_id);
  /// nullopt: there is no such batch. One look-up.
  absl::StatusOr<std::optional<bool>> IsSealed(const BatchId& id);
  /// Of one tenant, or of all ("" = all); newest first, `page_size` clamped to 1..1000 (0 = 50).
  /// INVALID_ARGUMENT for a page_token of something else, such as another tenant.
  absl::StatusOr<jobs::BatchPage> List(const std::string& tenant, int page_size,
                                       const std::string& page_token);
  /// Writes sealed, cancelled and action; a new action begins at the first job.
  absl::Status SaveRequest(const jobs::Batch& batch, bool new_action);
  /// Before the rows of a batch are changed, not its figures alone: with several writers, these
  /// wait for each other here.
  absl::Status Lock();
  /// Notes that an entry is new in its batch, for the end of the transaction to see that it may be.
  void NoteNew(const BatchId& id, std::int64_t entry);
  absl::Status Delete(const BatchId& id);

  struct Pending {
    BatchId id;
    std::string after;  ///< The job up to which it is done.
    jobs::BatchAction action;
  };
  /// In turn: the next one behind `last`, else the first of all.
  absl::StatusOr<std::optional<Pending>> NextPending(const std::string& last);
  /// Both do nothing when the batch has another action by now, or another process was faster.
  absl::Status SaveActionAfter(const Pending& step, const std::string& after);
  absl::Status EndAction(const Pending& step);

  // The figures.

  /// Adds `share` to the batch's, `sign` times.
  absl::Status Count(const BatchId& id, const jobs::BatchShare& share, int sign);
  /// Notes that a figure changed, at `now`.
  absl::Status Touch(const BatchId& id, WallTime now);
  absl::StatusOr<std::vector<jobs::BatchErrors>> Errors(const BatchId& id);

  // What its jobs were counted as.

  struct Counted {
    BatchId batch;
    jobs::BatchShare share;
  };
  /// nullopt: the job is of no batch.
  absl::StatusOr<std::optional<Counted>> CountedAs(const std::string& job_id);
  absl::Status SaveShare(const std::string& job_id, const jobs::BatchShare& share);
  absl::StatusOr<std::optional<std::string>> JobOfEntry(const BatchId& id, std::int64_t entry);
  /// At most `limit` jobs behind `after` in one of `states`, by id.
  absl::StatusOr<std::vector<std::string>> JobsIn(const BatchId& id,
                                                  const std::vector<jobs::State>& states,
                                                  const std::string& after, int limit);
  absl::StatusOr<std::vector<std::string>> Jobs(const BatchId& id, int limit);

  // Entries that made no job.

  absl::Status InsertEntry(const jobs::BatchEntry& entry);
  absl::StatusOr<std::optional<jobs::BatchEntry>> FindEntry(const BatchId& id, std::int64_t entry);
  absl::Status DeleteEntry(const BatchId& id, std::int64_t entry);
  /// At most `limit` of them; returns how many.
  absl::StatusOr<int> DeleteEntries(const BatchId& id, int limit);
  /// As List. The batch exists.
  absl::StatusOr<jobs::BatchEntryPage> Entries(const BatchId& id, int page_size,
                                               const std::string& page_token);

 private:
  absl::Status LoadCounters(jobs::Batch& batch);
  /// The first `size` rows of `query`, and whether there are more.
  absl::StatusOr<jobs::BatchPage> ReadPage(Query& query, const std::string& tenant, int size);
  absl::Status AddJobSamples(const BatchId& id, jobs::BatchErrors& errors);
  absl::Status AddEntrySamples(const BatchId& id, jobs::BatchErrors& errors);

  Database& db_;
  DeferredRows* const deferred_;
};

/// What of an entry counts, as a job's share does.
jobs::BatchShare BatchShareOf(const jobs::BatchEntry& entry);

}  // namespace fetchd::store
