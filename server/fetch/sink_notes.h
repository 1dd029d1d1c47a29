// The notes of one run's sinks, in the job store.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "jobs/store.h"
#include "sink/upload_note.h"

namespace fetchd::fetch {

/// Lives on the run's shard; the store outlives it, and its keepers' sinks do not.
class SinkNotes {
 public:
  SinkNotes(jobs::Store& store, JobId job, std::int64_t fence);
  ~SinkNotes();

  /// What earlier attempts have noted; before the first sink is made.
  Task<absl::Status> Load();
  /// Of the destination; empty = nothing.
  std::string For(const std::string& destination) const;
  sink::NoteKeeper& KeeperOf(const std::string& destination);
  /// Nothing is kept outside any more: forgets what is left. What cannot be forgotten now is swept
  /// at the next start.
  Task<void> Forget();

 private:
  class Keeper;

  jobs::Store& store_;
  const JobId job_;
  const std::int64_t fence_;
  std::map<std::string, std::unique_ptr<Keeper>> keepers_;  ///< By destination.
};

}  // namespace fetchd::fetch
