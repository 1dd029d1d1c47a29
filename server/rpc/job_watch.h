// WatchJobs: state changes in order, none lost; byte progress conflated.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "fetchd/v1/fetch_service.pb.h"
#include "rpc/auth.h"
#include "rpc/bridge.h"
#include "rpc/context.h"
#include "rpc/waker.h"

namespace fetchd::rpc {

/// A WatchJobsRequest, checked.
struct WatchSpec {
  Principal caller;
  jobs::JobFilter filter;             ///< ids and all but states.
  std::vector<jobs::State> states;    ///< Of the events to send; empty = all.
  std::optional<std::int64_t> after;  ///< From the resume token.
  Duration progress_interval = std::chrono::milliseconds(250);
  bool progress = true;
  bool until_done = false;
};
/// PERMISSION_DENIED when it names a tenant that is not the caller's.
absl::StatusOr<WatchSpec> FromProto(const v1::WatchJobsRequest& request, const Principal& caller);

/// One watch. Lives in the task that runs it, on one shard.
class JobWatch {
 public:
  using Writer = MessageWriter<v1::WatchJobsResponse>;

  /// Every event from here on will be sent.
  JobWatch(const ServerDeps& deps, WakerHub& hub, WatchSpec spec, Writer& writer)
      : deps_(deps),
        hub_(hub),
        spec_(std::move(spec)),
        writer_(writer),
        started_at_(deps.store.LastSequence()) {}

  /// OK once every job named has ended (until_done); UNAVAILABLE with RetryInfo when watching ends,
  /// after the last events; NOT_FOUND for an unknown name; OUT_OF_RANGE for a resume token of
  /// another store.
  Task<absl::Status> Run();
  /// Of a watch that goes on (`after`) until_done: whether all names have ended, and there is no
  /// event to send. Fails as Run(), before which it may be asked.
  Task<absl::StatusOr<bool>> HasMissedNothing();

 private:
  /// Where the watch begins, what is running then, and with names one event a job.
  Task<absl::Status> Begin();
  Task<absl::Status> BeginWithName(JobId id, bool last);
  Task<absl::Status> FindRunning();
  /// Sends every event up to now.
  Task<absl::Status> CatchUp();
  Task<absl::Status> SendEvent(jobs::JobEvent event);
  Task<absl::Status> SendProgress();
  /// Until something may have happened, or it is time for progress.
  Task<absl::Status> WaitForNews(std::shared_ptr<Waker> waker);

  void Track(const JobId& id, jobs::State state, bool deleted);
  bool Wants(jobs::State state) const;
  v1::WatchJobsResponse StateChange(const jobs::Job& job, jobs::State state, WallTime at,
                                    std::optional<std::int64_t> sequence) const;

  const ServerDeps& deps_;
  WakerHub& hub_;
  const WatchSpec spec_;
  Writer& writer_;
  const std::int64_t started_at_;

  std::int64_t after_ = 0;      ///< Events up to this one were sent, or are not wanted.
  std::set<JobId> unfinished_;  ///< Of the names, with until_done.
  std::unordered_map<JobId, std::uint64_t> running_;  ///< Bytes as last sent.
  /// Of jobs whose state was sent at the start: events up to this one are part of it.
  std::unordered_map<JobId, std::int64_t> known_through_;
  SteadyTime next_progress_{};
};

}  // namespace fetchd::rpc
