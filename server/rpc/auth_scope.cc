#include "rpc/auth_scope.h"

#include <utility>

#include "base/strings.h"

namespace fetchd::rpc {

absl::Status NoSuch(const JobId& id) {
  return absl::NotFoundError(Concat("there is no job ", id.str()));
}

absl::Status NoSuch(const BatchId& id) {
  return absl::NotFoundError(Concat("there is no batch ", id.str()));
}

Task<absl::StatusOr<jobs::Job>> GetOwn(jobs::Store& store, Principal caller, JobId id) {
  absl::StatusOr<jobs::Job> job = co_await store.Get(id);
  if (job.ok() && !caller.Sees(job->tenant)) co_return NoSuch(id);
  co_return job;
}

Task<absl::StatusOr<jobs::Batch>> GetOwn(jobs::Store& store, Principal caller, BatchId id) {
  absl::StatusOr<jobs::Batch> batch = co_await store.GetBatch(id);
  if (batch.ok() && !caller.Sees(jobs::TenantOf(*batch))) co_return NoSuch(id);
  co_return batch;
}

Task<absl::Status> CheckOwn(jobs::Store& store, Principal caller, JobId id) {
  if (caller.scope().empty()) co_return absl::OkStatus();
  const auto job = co_await GetOwn(store, std::move(caller), std::move(id));
  co_return job.status();
}

Task<absl::Status> CheckOwn(jobs::Store& store, Principal caller, BatchId id) {
  if (caller.scope().empty()) co_return absl::OkStatus();
  const auto batch = co_await GetOwn(store, std::move(caller), std::move(id));
  co_return batch.status();
}

absl::Status NarrowTo(const Principal& caller, jobs::JobFilter& filter) {
  if (caller.scope().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(filter.tenant, caller.Act(filter.tenant));
  return absl::OkStatus();
}

}  // namespace fetchd::rpc
