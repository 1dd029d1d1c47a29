// What the sinks of jobs write down for themselves.
#pragma once

#include <string>
#include <vector>

#include "base/ids.h"
#include "base/task.h"

namespace fetchd::jobs {

/// Of one destination of a job: where outside of fetchd something of the body is kept, such as an
/// upload. Opaque here. It outlives the job's row, so that what it is of can be found and ended.
struct SinkNote {
  JobId job;
  std::string destination;  ///< As the job has it, resolved.
  std::string note;
  friend bool operator==(const SinkNote&, const SinkNote&) = default;
};

/// Part of jobs::Store. Errors besides: those of Store. Thread-safe.
class SinkNoteStore {
 public:
  virtual ~SinkNoteStore() = default;
  /// Instead of an earlier one for the destination. ABORTED unless the job runs under this claim.
  virtual Task<absl::Status> KeepSinkNote(SinkNote note, std::int64_t fence) = 0;
  /// Nothing when the destination has another note by now, or none.
  virtual Task<absl::Status> DropSinkNote(SinkNote note) = 0;
  virtual Task<absl::StatusOr<std::vector<SinkNote>>> SinkNotesOf(JobId id) = 0;
  /// Of all jobs, for this destination.
  virtual Task<absl::StatusOr<std::vector<SinkNote>>> SinkNotesAt(std::string destination) = 0;
  /// Up to `limit` notes of jobs that have ended or are gone, by job and destination, behind
  /// `after` (a default SinkNote = from the first).
  virtual Task<absl::StatusOr<std::vector<SinkNote>>> AbandonedSinkNotes(SinkNote after,
                                                                         int limit) = 0;
};

}  // namespace fetchd::jobs
