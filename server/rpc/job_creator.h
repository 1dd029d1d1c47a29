// From a CreateJobRequest to a durable job.
#pragma once

#include <mutex>
#include <random>

#include "base/status.h"
#include "fetchd/v1/fetch_service.pb.h"
#include "jobs/store.h"
#include "rpc/context.h"

namespace fetchd::rpc {

/// Thread-safe. Owner: FetchServiceImpl.
class JobCreator {
 public:
  JobCreator(const ServerDeps& deps, const ServerConfig& config);

  /// Checks everything that can be checked without the network. UNAVAILABLE (draining),
  /// INVALID_ARGUMENT (fields below "job"), PERMISSION_DENIED (egress policy).
  absl::StatusOr<jobs::Job> Prepare(const v1::CreateJobRequest& request);
  /// Makes a prepared job durable and wakes the engine. Errors of Store::CreateWithin.
  Task<absl::StatusOr<jobs::CreateOutcome>> Create(jobs::Job job);

  /// What Fetch and CreateJob have in common; fields relative to what holds the specification:
  /// "spec.urls[0]".
  absl::Status CheckSpec(const jobs::FetchSpec& spec) const;

 private:
  absl::Status CheckJob(jobs::Job& job);
  /// Of a valid specification: does this server know the profile, may it contact the URLs?
  absl::Status CheckTargets(const jobs::FetchSpec& spec) const;
  absl::Status CheckProxy(const jobs::FetchSpec& spec, const Origin& origin) const;
  JobId NewId(WallTime now);

  const ServerDeps& deps_;
  const ServerConfig& config_;
  std::mutex mutex_;
  std::mt19937_64 random_;
};

}  // namespace fetchd::rpc
