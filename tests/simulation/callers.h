// Those who use the service, at random moments.
#pragma once

#include <string>

#include "runtime/task_group.h"
#include "simulation/checks.h"
#include "simulation/machine.h"

namespace fetchd::simulation {

/// Some tasks on shard 0, each of which waits for a while and asks for something, again and again.
/// Ends with the life that it calls: Join() before that goes.
class Callers {
 public:
  /// `actions` in all, within about `span` of time.
  Callers(Scene& scene, Checks& checks, Life& life, std::uint64_t actions, Duration span);

  /// A job, as it was accepted; or refused.
  Task<absl::Status> Submit();
  /// Everything that is paused goes on: the last thing that they do.
  Task<absl::Status> ResumeAll();
  void Join();

 private:
  class Receiver;

  Task<absl::Status> Act(std::uint64_t actions, Duration span);
  Task<absl::Status> Once();
  Task<absl::Status> Change(JobId id, jobs::Change change);
  Task<absl::Status> Fetch();
  jobs::Job NewJob();
  jobs::FetchSpec NewSpec();
  void SetWallClock();

  Scene& scene_;
  Checks& checks_;
  Life& life_;
  runtime::TaskGroup group_;
};

/// How far the wall clock may be wrong.
inline constexpr Duration kWallError = std::chrono::minutes(10);

}  // namespace fetchd::simulation
