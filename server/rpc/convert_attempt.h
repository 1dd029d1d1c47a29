// Attempt records, jobs -> proto.
#pragma once

#include "fetchd/v1/job.pb.h"
#include "jobs/job.h"

namespace fetchd::rpc {

v1::Attempt ToProto(const jobs::AttemptRecord& record);

}  // namespace fetchd::rpc
