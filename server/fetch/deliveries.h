// The places that a job's body goes to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "jobs/job.h"
#include "sink/destinations.h"
#include "sink/tee_sink.h"

namespace fetchd::fetch {

/// All of a job's, Job::destination first.
absl::StatusOr<std::vector<sink::Destination>> DestinationsOf(const jobs::Job& job);

/// Removes what the job has kept of its body. What cannot be removed now is swept at the next
/// start.
Task<void> DropTemporaries(sink::Destinations& places, std::vector<sink::Destination> destinations,
                           JobId job);

/// The sinks of one run of a job. Those of several destinations that got the body in an earlier run
/// are left alone.
class Deliveries {
 public:
  Deliveries(const jobs::Job& job, std::vector<sink::Destination> destinations);

  /// Once.
  std::unique_ptr<sink::Sink> MakeSink(sink::Destinations& places);
  /// After that sink's Commit: of each of several destinations; empty when there is one.
  std::vector<jobs::Delivery> Outcomes(const std::string& digest) const;

  const std::vector<sink::Destination>& destinations() const { return destinations_; }

 private:
  bool IsDone(std::size_t index) const;

  const jobs::Job& job_;
  const std::vector<sink::Destination> destinations_;
  const std::vector<jobs::Delivery> earlier_;  ///< By destination; empty = none.
  const sink::TeeSink* tee_ = nullptr;         ///< Owned by whom MakeSink gave it.
};

/// OK when all have the body; else the error of the first that has not, which says how many fail.
absl::Status StatusOf(const std::vector<jobs::Delivery>& deliveries);

}  // namespace fetchd::fetch
