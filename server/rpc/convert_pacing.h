// How origins are asked, and what jobs wait for, on the wire.
#pragma once

#include "fetch/job_wait.h"
#include "fetch/origin_pacer.h"
#include "fetchd/v1/admin_service.pb.h"
#include "fetchd/v1/fetch_service.pb.h"

namespace fetchd::rpc {

v1::ExplainJobResponse::Wait ToProto(const fetch::JobWait& wait);
v1::OriginState ToProto(const fetch::OriginPacer::OriginState& state);
/// INVALID_ARGUMENT: an origin is a URL without path, query and user; a rate is 0.001 to 1,000,000.
absl::StatusOr<Origin> ParseOrigin(const std::string& text, const UrlOptions& options);
absl::StatusOr<fetch::OriginLimits> FromProto(const v1::OriginLimits& limits);

}  // namespace fetchd::rpc
