// One tenant's jobs and batches are not there for another.
#pragma once

#include "base/ids.h"
#include "base/task.h"
#include "jobs/store.h"
#include "rpc/auth.h"

namespace fetchd::rpc {

/// What `caller` may see of the store. What he may not see is NOT_FOUND, in the words that are said
/// of what there is not. Whose a job is never changes, so that what was looked at may be acted on.
Task<absl::StatusOr<jobs::Job>> GetOwn(jobs::Store& store, Principal caller, JobId id);
Task<absl::StatusOr<jobs::Batch>> GetOwn(jobs::Store& store, Principal caller, BatchId id);

/// The same question. Reads nothing for one who sees all: what there is not he is told by what
/// follows.
Task<absl::Status> CheckOwn(jobs::Store& store, Principal caller, JobId id);
Task<absl::Status> CheckOwn(jobs::Store& store, Principal caller, BatchId id);

/// NOT_FOUND, as the store says it.
absl::Status NoSuch(const JobId& id);
absl::Status NoSuch(const BatchId& id);

/// To what `caller` may list and watch. PERMISSION_DENIED (Principal::Act) when it names another's.
absl::Status NarrowTo(const Principal& caller, jobs::JobFilter& filter);

}  // namespace fetchd::rpc
