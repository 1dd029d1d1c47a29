// Watching jobs across restarts of the service.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/connection.h"

namespace fetchd::cli {

struct WatchLimits {
  std::optional<std::chrono::steady_clock::time_point> deadline;
  /// How long the service may be out of reach.
  std::chrono::milliseconds reconnect_timeout = std::chrono::minutes(2);
};

/// Runs one WatchJobs call until it ends of itself, reconnecting with the last resume token while
/// the service is away; without a token that it knows, from the jobs' states now. So an end state
/// may be reported twice. DEADLINE_EXCEEDED at the deadline; UNAVAILABLE after reconnect_timeout;
/// else fails as the call does.
grpc::Status WatchJobs(Session& session, v1::WatchJobsRequest request, const WatchLimits& limits,
                       const std::function<void(const v1::WatchJobsResponse&)>& on_event);

struct WaitOptions {
  std::vector<std::string> names;
  WatchLimits limits;
  /// Byte progress as often as this; absent = none.
  std::optional<std::chrono::milliseconds> progress_interval;
};

/// WatchJobs() until each named job has ended, in groups of 10,000, one thread a group; `on_event`
/// is called by one thread at a time. Answers the first error, after every group has ended.
grpc::Status WaitForJobs(Session& session, const WaitOptions& options,
                         const std::function<void(const v1::WatchJobsResponse&)>& on_event);

}  // namespace fetchd::cli
