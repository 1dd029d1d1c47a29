#include "cli/watch.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include "base/strings.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

using Clock = std::chrono::steady_clock;
using OnEvent = std::function<void(const v1::WatchJobsResponse&)>;

constexpr std::size_t kNamesPerCall = 10'000;

std::optional<Milliseconds> TimeLeft(const WatchLimits& limits) {
  if (!limits.deadline) return std::nullopt;
  const auto left = std::chrono::ceil<Milliseconds>(*limits.deadline - Clock::now());
  return std::max(left, Milliseconds(0));
}

/// One stream to its end; keeps the last resume token in `request`.
grpc::Status WatchOnce(Session& session, v1::WatchJobsRequest& request, const WatchLimits& limits,
                       const OnEvent& on_event) {
  auto call = session.connection.Streaming(session.interrupt, TimeLeft(limits));
  const auto stream = session.connection.fetch().WatchJobs(call.context(), request);
  v1::WatchJobsResponse event;
  while (stream->Read(&event)) {
    if (!event.resume_token().empty()) request.set_resume_token(event.resume_token());
    on_event(event);
  }
  return stream->Finish();
}

}  // namespace

grpc::Status WatchJobs(Session& session, v1::WatchJobsRequest request, const WatchLimits& limits,
                       const OnEvent& on_event) {
  Backoff backoff;
  auto last_seen = Clock::now();
  while (true) {
    const grpc::Status status =
        WatchOnce(session, request, limits, [&](const v1::WatchJobsResponse& event) {
          last_seen = Clock::now();
          backoff.Reset();
          on_event(event);
        });
    if (status.error_code() == grpc::StatusCode::OUT_OF_RANGE && !request.resume_token().empty()) {
      request.clear_resume_token();
      continue;
    }
    if (!IsInterruption(status)) return status;
    if (Clock::now() - last_seen > limits.reconnect_timeout) return status;
    if (!backoff.Wait(session.interrupt)) return status;
  }
}

grpc::Status WaitForJobs(Session& session, const WaitOptions& options, const OnEvent& on_event) {
  std::mutex mutex;
  grpc::Status failure;
  const auto watch_group = [&](std::size_t first) {
    v1::WatchJobsRequest request;
    const std::size_t end = std::min(first + kNamesPerCall, options.names.size());
    for (std::size_t i = first; i < end; ++i) request.add_names(options.names[i]);
    request.set_until_done(true);
    request.set_no_progress(!options.progress_interval);
    if (options.progress_interval) {
      *request.mutable_progress_interval() = ToProto(*options.progress_interval);
    }
    const auto one_at_a_time = [&](const v1::WatchJobsResponse& event) {
      const std::lock_guard lock(mutex);
      on_event(event);
    };
    const grpc::Status status =
        WatchJobs(session, std::move(request), options.limits, one_at_a_time);
    const std::lock_guard lock(mutex);
    if (!status.ok() && failure.ok()) failure = status;
  };
  {
    std::vector<std::jthread> groups;
    for (std::size_t first = kNamesPerCall; first < options.names.size(); first += kNamesPerCall) {
      groups.emplace_back(watch_group, first);
    }
    if (!options.names.empty()) watch_group(0);
  }
  return failure;
}

}  // namespace fetchd::cli
