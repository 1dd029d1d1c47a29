// From a CreateJobRequest to a durable job.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>

#include "base/status.h"
#include "fetchd/v1/fetch_service.pb.h"
#include "jobs/batch.h"
#include "jobs/store.h"
#include "rpc/auth.h"
#include "rpc/context.h"

namespace fetchd::rpc {

/// Thread-safe. Owner: FetchServiceImpl.
class JobCreator {
 public:
  JobCreator(const ServerDeps& deps, const ServerConfig& config);

  /// Checks everything that can be checked without the network. UNAVAILABLE (draining),
  /// INVALID_ARGUMENT (fields below "job"), PERMISSION_DENIED (egress policy, or a tenant that is
  /// not the caller's).
  absl::StatusOr<jobs::Job> Prepare(const Principal& caller, const v1::CreateJobRequest& request);
  /// Makes a prepared job durable and wakes the engine. Errors of Store::CreateWithin.
  Task<absl::StatusOr<jobs::CreateOutcome>> Create(jobs::Job job);

  /// As Prepare, for a request that names a batch: what the job leaves out is the batch's. Where
  /// callers are asked who they are, INVALID_ARGUMENT for a job of another tenant than the batch.
  Task<absl::StatusOr<jobs::Job>> PrepareInBatch(Principal caller, v1::CreateJobRequest request);
  /// That and Create. An entry that is refused is counted by the batch, durably, before its error
  /// is returned.
  Task<absl::StatusOr<jobs::CreateOutcome>> CreateInBatch(Principal caller,
                                                          v1::CreateJobRequest request,
                                                          TraceContext trace);

  /// What Fetch and CreateJob have in common; fields relative to what holds the specification:
  /// "spec.urls[0]".
  absl::Status CheckSpec(const jobs::FetchSpec& spec, const std::string& tenant) const;

 private:
  absl::Status CheckJob(jobs::Job& job);
  absl::Status ResolveDestinations(jobs::Job& job) const;
  /// Of a valid specification: does this server know the profile, may it contact the URLs?
  absl::Status CheckTargets(const jobs::FetchSpec& spec, const egress::Subject& subject) const;
  egress::Subject SubjectOf(const std::string& tenant, std::string job) const;
  /// By what is said of the tenant, and of the stores.
  absl::Status MayWrite(const std::string& tenant, const sink::Destination& destination) const;
  /// By the tenant's egress policy; of an object, by its store.
  absl::Status MayFetch(const Url& url, const egress::Subject& subject) const;
  absl::Status CheckProxy(const jobs::FetchSpec& spec, const Origin& origin) const;
  JobId NewId(WallTime now);
  Task<absl::StatusOr<jobs::CreateOutcome>> TryInBatch(Principal caller,
                                                       v1::CreateJobRequest request,
                                                       TraceContext trace);
  /// NOT_FOUND, also for another tenant's.
  Task<absl::StatusOr<jobs::JobDefaults>> DefaultsOf(Principal caller, BatchId id);
  std::optional<jobs::JobDefaults> KnownDefaults(const BatchId& id);

  const ServerDeps& deps_;
  const ServerConfig& config_;
  std::mutex mutex_;  ///< Guards all below.
  std::mt19937_64 random_;
  std::map<BatchId, jobs::JobDefaults> defaults_;  ///< Of batches in use; they never change.
};

/// INVALID_ARGUMENT unless it is empty or 1 to 128 printable ASCII characters.
absl::Status CheckRequestId(const std::string& request_id);
std::mt19937_64 SeededRandom();

}  // namespace fetchd::rpc
