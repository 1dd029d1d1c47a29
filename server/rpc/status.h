// absl::Status at the gRPC edge: one table, one place.
#pragma once

#include <absl/status/status.h>
#include <grpcpp/support/status.h>

#include <string>

#include "google/rpc/status.pb.h"

namespace fetchd::rpc {

/// Code and message, and as details whatever base/status.h attached: ErrorInfo (domain "fetchd"),
/// BadRequest, RetryInfo.
google::rpc::Status ToProtoStatus(const absl::Status& status);
/// The same, its details in grpc-status-details-bin.
grpc::Status ToGrpcStatus(const absl::Status& status);

/// UNAVAILABLE with RetryInfo: begins no work any more.
absl::Status DrainingError();
/// INVALID_ARGUMENT with BadRequest: "<field>: <description>".
absl::Status InvalidField(const std::string& field, const std::string& description);
/// Moves a field violation below `parent`: "spec.urls[0]" becomes "job.spec.urls[0]". Others are
/// unchanged.
absl::Status UnderField(const absl::Status& status, const std::string& parent);

}  // namespace fetchd::rpc
