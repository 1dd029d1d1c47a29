// The canonical log lines: one for each attempt and one for each job's end, all fields always
// there.
#pragma once

#include <string_view>

#include "jobs/job.h"
#include "jobs/state_machine.h"
#include "telemetry/log.h"

namespace fetchd::fetch {

/// `of`: the job's name, or "fetch" for a call without a job. Times of phases are those of the last
/// hop; its URL is shown as in the attempt's record, without a query. `trace` is that of the call
/// that asked for it.
void LogAttempt(telemetry::Logger& log, std::string_view of, const TraceContext& trace,
                const jobs::AttemptRecord& record);

/// What the store has taken: the attempt's line when `change` ends one, the job's when it is over.
void LogChange(telemetry::Logger& log, const jobs::Job& job, const jobs::Change& change);
/// Of a job that ended without a change of its own run: cancelled, or past its deadline. A cancel
/// that is repeated is a line again.
void LogJobEnd(telemetry::Logger& log, const jobs::Job& job);

}  // namespace fetchd::fetch
