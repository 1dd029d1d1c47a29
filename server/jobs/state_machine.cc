#include "jobs/state_machine.h"

#include <algorithm>

#include "base/strings.h"

namespace fetchd::jobs {
namespace {

absl::Status NotAdmitted(const Job& job, const char* change, const char* hint) {
  return absl::FailedPreconditionError(
      Concat("job ", job.id.str(), " is ", StateName(job.state), " and cannot be ", change, hint));
}

struct Wait {
  const char* name;  ///< For programs.
  const char* words;
};

Wait WaitOf(const Job& job, WallTime now) {
  if (job.ready_at <= now)
    return {"TRANSFER_PERMIT",
            "a free transfer (limits.transfers) or its origin, which may have been on hold"};
  if (job.state == State::kWaiting) return {"RETRY", "its next attempt"};
  return {"START_TIME", "its start time"};
}

// Applies one change. An overload either returns an error and leaves the job alone, or applies all
// of the change.
class Applier {
 public:
  Applier(WallTime now, Job& job) : now_(now), job_(job) {}

  absl::Status operator()(const Claimed&) {
    if (!IsClaimable(job_.state)) return NotAdmitted(job_, "claimed", "");
    job_.attempt += 1;
    job_.fence += 1;
    if (!job_.started_at) job_.started_at = now_;
    return MoveTo(State::kRunning);
  }

  absl::Status operator()(const CheckpointTaken& change) {
    RETURN_IF_ERROR(CheckHeld());
    job_.checkpoint = change.checkpoint;
    return MoveTo(State::kRunning);
  }

  absl::Status operator()(const AttemptFailed& change) {
    RETURN_IF_ERROR(CheckHeld());
    job_.checkpoint = change.checkpoint;
    job_.urls = change.urls;
    job_.error = change.record.status;
    job_.ready_at = change.retry_at;
    return MoveTo(State::kWaiting);
  }

  absl::Status operator()(const PutOff& change) {
    RETURN_IF_ERROR(CheckHeld());
    job_.checkpoint = change.checkpoint;
    job_.urls = change.urls;
    job_.error = change.record.status;
    job_.ready_at = change.retry_at;
    job_.attempt -= 1;
    return MoveTo(State::kWaiting);
  }

  absl::Status operator()(const Interrupted& change) {
    RETURN_IF_ERROR(CheckHeld());
    job_.checkpoint = change.checkpoint;
    return Interrupt();
  }

  absl::Status operator()(const Paused& change) {
    RETURN_IF_ERROR(CheckHeld());
    if (change.checkpoint) job_.checkpoint = *change.checkpoint;
    job_.attempt -= 1;
    return MoveTo(State::kPaused);
  }

  absl::Status operator()(const Succeeded& change) {
    RETURN_IF_ERROR(CheckHeld());
    job_.result = change.result;
    job_.error = absl::OkStatus();
    return End(State::kSucceeded);
  }

  absl::Status operator()(const GaveUp& change) {
    RETURN_IF_ERROR(CheckHeld());
    job_.error = change.error.ok() ? change.record.status : change.error;
    if (change.result) job_.result = change.result;
    return End(State::kFailed);
  }

  absl::Status operator()(const AttemptCancelled&) const {
    if (job_.state == State::kCancelled || job_.state == State::kQueued) return absl::OkStatus();
    return ClaimLost();
  }

  absl::Status operator()(const CancelRequested&) {
    if (job_.state == State::kCancelled) return absl::OkStatus();
    if (IsTerminal(job_.state)) return NotAdmitted(job_, "cancelled", ": it has ended");
    job_.error = absl::CancelledError("cancelled on request");
    return End(State::kCancelled);
  }

  absl::Status operator()(const PauseRequested&) {
    if (job_.state == State::kPaused) return absl::OkStatus();
    if (job_.state == State::kRunning) return NotAdmitted(job_, "paused", ": its worker pauses it");
    if (!IsClaimable(job_.state)) return NotAdmitted(job_, "paused", ": it has ended");
    return MoveTo(State::kPaused);
  }

  absl::Status operator()(const ResumeRequested&) {
    if (IsTerminal(job_.state)) return NotAdmitted(job_, "resumed", ": it has ended");
    if (job_.state != State::kPaused) return absl::OkStatus();
    const auto pause = std::max(now_ - job_.updated_at, WallTime::duration::zero());
    job_.deadline_at += pause;
    job_.retried_at = job_.retried_at.value_or(job_.created_at) + pause;
    job_.ready_at = std::max(now_, job_.not_before_at.value_or(now_));
    return MoveTo(State::kQueued);
  }

  absl::Status operator()(const RetryRequested&) {
    if (job_.state != State::kFailed && job_.state != State::kCancelled) {
      return NotAdmitted(job_, "retried", ": only a FAILED or CANCELLED job can");
    }
    job_.deadline_at = now_ + (job_.deadline_at - job_.retried_at.value_or(job_.created_at));
    job_.retried_at = now_;
    job_.ready_at = now_;
    job_.attempt = 0;
    job_.urls = UrlMemory();
    job_.error = absl::OkStatus();
    job_.started_at.reset();
    job_.finished_at.reset();
    return MoveTo(State::kQueued);
  }

  absl::Status operator()(const Recovered&) {
    if (job_.state != State::kRunning) return NotAdmitted(job_, "recovered", "");
    return Interrupt();
  }

  absl::Status operator()(const Expired&) {
    if (!IsClaimable(job_.state)) return NotAdmitted(job_, "expired", ": it does not wait");
    if (job_.deadline_at > now_) return NotAdmitted(job_, "expired", " before its deadline");
    job_.error = ExpiredError(job_, now_);
    return End(State::kFailed);
  }

  absl::Status operator()(const UrlChosen& change) {
    if (!IsClaimable(job_.state)) return NotAdmitted(job_, "sent elsewhere", ": it does not wait");
    job_.urls.next = change.index;
    return MoveTo(job_.state);
  }

 private:
  // A worker's change needs the claim, and only a RUNNING job has one.
  absl::Status CheckHeld() const {
    return job_.state == State::kRunning ? absl::OkStatus() : ClaimLost();
  }

  absl::Status ClaimLost() const {
    return absl::AbortedError(Concat("the claim on job ", job_.id.str(), " is lost: the job is ",
                                     StateName(job_.state), " now"));
  }

  absl::Status Interrupt() {
    job_.attempt -= 1;
    return MoveTo(State::kInterrupted);
  }

  absl::Status End(State state) {
    job_.finished_at = now_;
    return MoveTo(state);
  }

  absl::Status MoveTo(State state) {
    job_.state = state;
    job_.updated_at = now_;
    return absl::OkStatus();
  }

  WallTime now_;
  Job& job_;
};

struct RecordFinder {
  const AttemptRecord* operator()(const auto& change) const {
    if constexpr (requires { change.record; }) {
      return &change.record;
    } else {
      return nullptr;
    }
  }
};

}  // namespace

absl::Status ExpiredError(const Job& job, WallTime now) {
  const Wait wait = WaitOf(job, now);
  std::string message = Concat("the job's deadline passed while it waited for ", wait.words);
  if (!job.error.ok()) message += Concat("; its last attempt: ", MessageOf(job.error));
  return WithReason(absl::DeadlineExceededError(message),
                    {"JOB_DEADLINE", {{"waited_for", wait.name}}});
}

absl::Status Apply(const Change& change, WallTime now, Job& job) {
  return std::visit(Applier(now, job), change);
}

bool MovesState(const Change& change) {
  return !std::holds_alternative<CheckpointTaken>(change) &&
         !std::holds_alternative<AttemptCancelled>(change) &&
         !std::holds_alternative<UrlChosen>(change);
}

const AttemptRecord* RecordOf(const Change& change) { return std::visit(RecordFinder(), change); }

bool BringsResult(const Change& change) {
  const auto* gave_up = std::get_if<GaveUp>(&change);
  return std::holds_alternative<Succeeded>(change) || (gave_up != nullptr && gave_up->result);
}

}  // namespace fetchd::jobs
