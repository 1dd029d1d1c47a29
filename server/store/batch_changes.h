// What each change does to batches, inside the writer's transaction.
#pragma once

#include <optional>
#include <string>

#include "jobs/batch_store.h"
#include "store/transaction.h"

namespace fetchd::store {

// The figures of a batch are kept by differences: what a job was counted as goes, what it is now
// comes. Each of these belongs to the change of a job, and does nothing for one without a batch.

/// nullopt: of no batch.
std::optional<jobs::BatchShare> ShareInBatch(const jobs::Job& job);
/// Before a job is inserted: errors as jobs::BatchStore says. An entry that was refused before is
/// one no more.
absl::Status AdmitToBatch(Transaction& transaction, const jobs::Job& job);
/// After that.
absl::Status CountNew(Transaction& transaction, const jobs::Job& job);
/// `existing` answers the request for `job`: its entry is skipped, unless it is the same entry.
absl::Status CountRepeated(Transaction& transaction, const jobs::Job& job,
                           const jobs::Job& existing);
/// After a change: `before` is ShareInBatch as it was.
absl::Status Recount(Transaction& transaction, const jobs::Job& job,
                     const std::optional<jobs::BatchShare>& before, WallTime now);
absl::Status RecountDamaged(Transaction& transaction, const std::string& job_id,
                            const absl::Status& error, WallTime now);
/// Before a job is deleted.
absl::Status Uncount(Transaction& transaction, const std::string& job_id, WallTime now);

// As jobs::BatchStore.

absl::StatusOr<jobs::BatchOutcome> CreateBatch(Transaction& transaction, const jobs::Batch& batch);
absl::StatusOr<jobs::Batch> ChangeBatch(Transaction& transaction, const BatchId& id,
                                        jobs::BatchRequest request, WallTime now);
/// The value says whether it was counted.
absl::StatusOr<bool> RefuseEntry(Transaction& transaction, const jobs::BatchEntry& entry,
                                 WallTime now);
/// `last`: the batch of the step before.
absl::StatusOr<jobs::BatchStep> StepBatches(Transaction& transaction, int limit, WallTime now,
                                            std::string& last);

}  // namespace fetchd::store
