// Which changes a job admits in which state, and what they do. Pure; the store calls it inside its
// transaction.
#pragma once

#include <optional>
#include <variant>

#include "jobs/job.h"

namespace fetchd::jobs {

// By a worker that holds the claim.
struct Claimed {};  ///< QUEUED, WAITING, INTERRUPTED -> RUNNING; attempt + 1, fence + 1.
struct CheckpointTaken {
  Checkpoint checkpoint;
};  ///< RUNNING stays.
struct AttemptFailed {
  AttemptRecord record;
  WallTime retry_at;
  Checkpoint checkpoint;
  UrlMemory urls = {};
};  ///< RUNNING -> WAITING.
/// The origin asked for time. RUNNING -> WAITING; attempt - 1: none is consumed.
struct PutOff {
  AttemptRecord record;
  WallTime retry_at;
  Checkpoint checkpoint;
  UrlMemory urls = {};
};
struct Interrupted {
  AttemptRecord record;
  Checkpoint checkpoint;
};  ///< RUNNING -> INTERRUPTED; attempt - 1: none is consumed.
/// By a worker that PauseRequested could not reach in the store. RUNNING -> PAUSED; attempt - 1.
/// Without a checkpoint the job keeps the one that it has.
struct Paused {
  AttemptRecord record;
  std::optional<Checkpoint> checkpoint = {};
};
struct Succeeded {
  AttemptRecord record;
  Result result;
};  ///< RUNNING -> SUCCEEDED.
/// RUNNING -> FAILED with `error`, or with the record's status when that is OK. `result` when some
/// of several destinations got the body.
struct GaveUp {
  AttemptRecord record;
  absl::Status error = {};
  std::optional<Result> result = {};
};
/// After CancelRequested ended the claim: CANCELLED stays, or QUEUED when the job was retried
/// since. Only the record is kept. Any other state is ABORTED.
struct AttemptCancelled {
  AttemptRecord record;
};
// By a caller.
struct CancelRequested {
};  ///< Any live state -> CANCELLED at once; CANCELLED stays; ended otherwise: FAILED_PRECONDITION.
/// QUEUED, WAITING, INTERRUPTED -> PAUSED; PAUSED stays. A RUNNING job is paused by its worker.
struct PauseRequested {};
/// PAUSED -> QUEUED, ready at once but for its start time; the deadline moves on by the pause. Live
/// otherwise: stays.
struct ResumeRequested {};
/// FAILED, CANCELLED -> QUEUED; attempt = 0, checkpoint kept, deadline renewed by its length. What
/// it knows of its urls is forgotten; which destinations have the body is not.
struct RetryRequested {};
// By the process.
struct Recovered {};  ///< RUNNING -> INTERRUPTED; attempt - 1: the process that ran it is gone.
/// QUEUED, WAITING, INTERRUPTED -> FAILED with DEADLINE_EXCEEDED, reason JOB_DEADLINE {waited_for}:
/// the deadline passed while nothing ran. Not before the deadline. No attempt is consumed.
struct Expired {};
/// QUEUED, WAITING, INTERRUPTED stays: its next attempt asks another of its urls.
struct UrlChosen {
  std::size_t index = 0;
};

using Change = std::variant<Claimed, CheckpointTaken, AttemptFailed, PutOff, Interrupted, Paused,
                            Succeeded, GaveUp, AttemptCancelled, CancelRequested, PauseRequested,
                            ResumeRequested, RetryRequested, Recovered, Expired, UrlChosen>;

/// Changes `job`, or leaves it as it was and returns FAILED_PRECONDITION (the state does not admit
/// the change; says both). A worker's change on a job that is no longer RUNNING is ABORTED: it lost
/// its claim (cancelled meanwhile, for example).
absl::Status Apply(const Change& change, WallTime now, Job& job);

/// The error of a job whose deadline passed at `now` before it was claimed: says what it waited
/// for.
absl::Status ExpiredError(const Job& job, WallTime now);

/// True when the change moves the state (and so makes an event).
bool MovesState(const Change& change);
/// The attempt record that the change carries; null when none.
const AttemptRecord* RecordOf(const Change& change);
/// Does it say what became of the body? Then the job's result is of this change.
bool BringsResult(const Change& change);

}  // namespace fetchd::jobs
