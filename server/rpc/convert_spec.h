// FetchSpec: proto <-> jobs.
#pragma once

#include "base/status.h"
#include "fetchd/v1/job.pb.h"
#include "jobs/job.h"

namespace fetchd::rpc {

/// Translates what has a meaning at all; fetch::ValidateSpec judges the rest. INVALID_ARGUMENT with
/// fields such as "spec.digests[0]".
absl::StatusOr<jobs::FetchSpec> FromProto(const v1::FetchSpec& in);

/// Header values, passwords and token come out as "[redacted]".
v1::FetchSpec ToProto(const jobs::FetchSpec& in);

}  // namespace fetchd::rpc
