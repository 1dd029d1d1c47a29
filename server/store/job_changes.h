// What each change does to the rows, inside the writer's transaction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jobs/store.h"
#include "store/ready_jobs.h"
#include "store/transaction.h"

namespace fetchd::store {

// Errors are those of jobs::Store. `now` is taken by the caller, on its own thread.

/// `fingerprint` tells whether an earlier job with this request id was asked for with the same
/// content.
absl::StatusOr<jobs::CreateOutcome> CreateJob(Transaction& transaction, const jobs::Job& job,
                                              const std::string& fingerprint,
                                              const jobs::TenantBounds& bounds);
/// With `fence`, a worker's change: ABORTED when the job is gone or was claimed anew.
absl::StatusOr<jobs::Job> ChangeJob(Transaction& transaction, const JobId& id,
                                    std::optional<std::int64_t> fence, const jobs::Change& change,
                                    WallTime now);
/// A caller's change on each of them that admits it and can be read; those that cannot be read
/// fail. Returns those that were changed.
absl::StatusOr<std::vector<jobs::Job>> ChangeJobs(Transaction& transaction,
                                                  const std::vector<std::string>& ids,
                                                  const jobs::Change& change, WallTime now);
absl::StatusOr<std::vector<jobs::Claim>> ClaimJobs(Transaction& transaction, int limit,
                                                   WallTime now, const jobs::Rooms& rooms,
                                                   ClaimOrder& order);
absl::StatusOr<jobs::UrlsChosen> ChooseUrls(Transaction& transaction, const std::string& origin,
                                            const std::string& after, int limit, WallTime now,
                                            const jobs::UrlChoice& choice);
absl::StatusOr<std::vector<jobs::Job>> ExpireJobs(Transaction& transaction, int limit,
                                                  WallTime now);
absl::StatusOr<std::uint64_t> RecoverJobs(Transaction& transaction, WallTime now);
/// The value is the id: a change that returns a Status has no room for a result.
absl::StatusOr<JobId> DeleteJob(Transaction& transaction, const JobId& id, WallTime now);

}  // namespace fetchd::store
