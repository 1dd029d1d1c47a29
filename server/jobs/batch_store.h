// Where batches live: what jobs::Store does for them.
#pragma once

#include <string>
#include <vector>

#include "base/task.h"
#include "jobs/batch.h"

namespace fetchd::jobs {

struct BatchOutcome {
  Batch batch;
  bool created = false;  ///< false: an earlier one with this request_id and the same content.
};

struct BatchPage {
  std::vector<Batch> batches;   ///< Newest first.
  std::string next_page_token;  ///< Empty = the last page.
};

struct BatchEntryPage {
  std::vector<BatchEntry> entries;  ///< By their number.
  std::string next_page_token;      ///< Empty = the last page.
};

struct BatchStep {
  std::vector<Job> changed;  ///< Cancelled or queued again by this step.
  bool more = false;         ///< There is more to do, of this batch or another.
};

/// The figures of a batch change in the same transaction as its jobs: they are what a count of its
/// jobs and entries would find, at any moment and after any crash, and are read without one.
///
/// An entry is counted once, by its number in the batch, however often it is sent. Create() of a
/// job with a batch: NOT_FOUND without that batch; FAILED_PRECONDITION (BATCH_SEALED) for an entry
/// that it does not have; ALREADY_EXISTS (BATCH_ENTRY_TAKEN) when the number stands for another
/// job. When another job has the request_id with the same content, that one is the answer and the
/// entry counts as skipped.
///
/// Errors besides: those of Store. Thread-safe.
class BatchStore {
 public:
  virtual ~BatchStore() = default;
  /// Idempotent by request_id, which is one tenant's: ALREADY_EXISTS (REQUEST_ID_REUSED) with other
  /// content.
  virtual Task<absl::StatusOr<BatchOutcome>> CreateBatch(Batch batch) = 0;
  virtual Task<absl::StatusOr<Batch>> GetBatch(BatchId id) = 0;
  /// By count, the most frequent first.
  virtual Task<absl::StatusOr<std::vector<BatchErrors>>> ErrorsOf(BatchId id) = 0;
  /// Of one tenant (TenantOf), or of all ("" = all). A page_token is of use for the same tenant
  /// only.
  virtual Task<absl::StatusOr<BatchPage>> ListBatches(std::string tenant, int page_size,
                                                      std::string page_token) = 0;
  /// Applies a caller's request; what it asks of the jobs is left to StepBatches().
  virtual Task<absl::StatusOr<Batch>> ChangeBatch(BatchId id, BatchRequest request) = 0;
  /// Does a part of what was asked, at most `limit` jobs or entries of one batch, the batches in
  /// turn. Each call is a transaction: what is left goes on with the next one, also after a
  /// restart.
  virtual Task<absl::StatusOr<BatchStep>> StepBatches(int limit) = 0;
  /// Counts an entry that was refused. Nothing when the entry is known already; FAILED_PRECONDITION
  /// (BATCH_SEALED) when it is not and the batch is sealed.
  virtual Task<absl::Status> RefuseEntry(BatchEntry entry) = 0;
  /// Entries that made no job.
  virtual Task<absl::StatusOr<BatchEntryPage>> EntriesOf(BatchId id, int page_size,
                                                         std::string page_token) = 0;
};

}  // namespace fetchd::jobs
