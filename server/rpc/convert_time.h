// Durations and timestamps, checked on the way in.
#pragma once

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <string>

#include "base/status.h"
#include "base/time.h"

namespace fetchd::rpc {

/// INVALID_ARGUMENT naming `field` when it is malformed, negative, or longer than 292 years.
absl::StatusOr<Duration> FromProto(const google::protobuf::Duration& duration,
                                   const std::string& field);
/// INVALID_ARGUMENT naming `field` when it is malformed or outside 1970 to 2262.
absl::StatusOr<WallTime> FromProto(const google::protobuf::Timestamp& timestamp,
                                   const std::string& field);

google::protobuf::Duration ToProto(Duration duration);
google::protobuf::Timestamp ToProto(WallTime time);

}  // namespace fetchd::rpc
