// FetchSpec: proto <-> jobs.
#pragma once

#include "base/status.h"
#include "fetchd/v1/job.pb.h"
#include "jobs/job.h"

namespace fetchd::rpc {

/// Translates what has a meaning at all; fetch::ValidateSpec judges the rest. INVALID_ARGUMENT with
/// fields such as "spec.digests[0]".
absl::StatusOr<jobs::FetchSpec> FromProto(const v1::FetchSpec& in);

/// Header values, passwords, token and the signatures in URLs come out as "[redacted]"; what the
/// configuration has under a name, as that.
v1::FetchSpec ToProto(const jobs::FetchSpec& in);

}  // namespace fetchd::rpc
