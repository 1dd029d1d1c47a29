// Jobs and filters: proto <-> jobs.
#pragma once

#include <optional>

#include "base/status.h"
#include "fetch/engine.h"
#include "fetchd/v1/fetch_service.pb.h"
#include "fetchd/v1/job.pb.h"
#include "jobs/job.h"
#include "jobs/store.h"

namespace fetchd::rpc {

/// How long a job may take when its caller does not say.
inline constexpr Duration kDefaultJobDeadline = std::chrono::hours(24);

/// A new job from what a caller may give; output-only fields are ignored. `destination` is empty
/// unless given. Fields in violations are relative to the job: "spec.urls[0]".
absl::StatusOr<jobs::Job> FromProto(const v1::Job& in, WallTime now);

/// Secrets redacted. `live` is the progress of the transfer, when it runs here.
v1::Job ToProto(const jobs::Job& job, const std::optional<fetch::Progress>& live);
v1::Progress ToProto(const fetch::Progress& progress);
v1::Job::State ToProto(jobs::State state);

v1::Job::Overwrite OverwriteToProto(jobs::Overwrite overwrite);
/// Unspecified is kAlways. INVALID_ARGUMENT for the field "overwrite".
absl::StatusOr<jobs::Overwrite> ReadOverwrite(v1::Job::Overwrite overwrite);

/// INVALID_ARGUMENT with fields below "filter".
absl::StatusOr<jobs::JobFilter> FromProto(const v1::JobFilter& in);

/// Of a list: 0 = 100; at most 1,000. INVALID_ARGUMENT for the field "page_size".
absl::StatusOr<int> ReadPageSize(int wanted);

/// As an origin sent it; a value is made UTF-8, as proto strings have to be.
v1::Header ToProto(const std::pair<std::string, std::string>& header);

/// "jobs/<id>" of the field `field`.
absl::StatusOr<JobId> ParseName(const std::string& name, const std::string& field);

}  // namespace fetchd::rpc
