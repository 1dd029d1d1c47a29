// The places that a job's body goes to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fetch/sink_notes.h"
#include "jobs/job.h"
#include "jobs/store.h"
#include "sink/destinations.h"
#include "sink/tee_sink.h"
#include "telemetry/log.h"

namespace fetchd::fetch {

/// All of a job's, Job::destination first.
absl::StatusOr<std::vector<sink::Destination>> DestinationsOf(const jobs::Job& job);

/// One of them is an object: then its sink may have notes.
bool AnyObject(const std::vector<sink::Destination>& destinations);

/// Removes the files that the runs of the job up to `run` have kept of its body. What cannot be
/// removed now is swept at the next start.
Task<void> DropTemporaries(sink::Destinations& places, std::vector<sink::Destination> destinations,
                           JobId job, std::int64_t run);
/// The number of a run for sinks: 0 where no other process runs jobs.
inline std::int64_t RunOf(const jobs::Store& store, std::int64_t fence) {
  return store.IsShared() ? fence : 0;
}

/// Ends what the notes are of, and drops those of which nothing is left. What does not work is
/// logged, and tried again at the next start.
Task<void> DropNoted(sink::Destinations& places, jobs::Store& store, telemetry::Logger& log,
                     std::vector<jobs::SinkNote> notes);

/// The sinks of one run of a job. Those of several destinations that got the body in an earlier run
/// are left alone.
class Deliveries {
 public:
  Deliveries(const jobs::Job& job, std::vector<sink::Destination> destinations);

  /// Once. `order` is that of each, but for its note, which is in `notes`: those may be null when
  /// there is no object.
  absl::StatusOr<std::unique_ptr<sink::Sink>> MakeSink(sink::Destinations& places,
                                                       sink::SinkOrder order, SinkNotes* notes);
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
