// ExplainJob for people: why a job waits, and where the time of its attempts went.
#pragma once

#include <string>

#include "fetchd/v1/fetch_service.pb.h"

namespace fetchd::cli {

/// One sentence on the state of the job, then a waterfall for each attempt: each wait with its
/// length and a bar at its place in time. Lines have at most `width` columns, 60 at least.
std::string ExplainText(const v1::ExplainJobResponse& explained, int width);

}  // namespace fetchd::cli
