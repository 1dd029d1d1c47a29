// JobRun: its claim on the job, and what it tells the store under it.
#include <algorithm>
#include <utility>

#include "fetch/job_run.h"

namespace fetchd::fetch {
namespace {

constexpr Duration kFirstEndBackoff = std::chrono::milliseconds(50);
constexpr Duration kLongestEndBackoff = std::chrono::seconds(1);

}  // namespace

// False: it goes on, or may do so, in another process, which has what was kept.
Task<bool> JobRun::IsOverForAll() {
  if (!deps_.store.IsShared()) co_return true;
  const absl::StatusOr<jobs::Job> job = co_await deps_.store.Get(id_);
  co_return job.ok() ? jobs::IsTerminal(job->state) : absl::IsNotFound(job.status());
}

// ABORTED: another process may have the job. While the store cannot say so nothing is published;
// another error when it does not in time.
Task<absl::Status> JobRun::CheckClaim() {
  if (!deps_.store.IsShared()) co_return absl::OkStatus();
  for (Duration backoff = kFirstEndBackoff;;) {
    std::vector<jobs::ClaimId> claims;
    claims.push_back({id_, fence_});
    const auto lost = co_await deps_.store.LostClaims(std::move(claims));
    deps_.store_health.Note("look whether a job is still held", lost.status());
    if (lost.ok() && lost->empty()) co_return absl::OkStatus();
    if (lost.ok()) co_return absl::AbortedError("the job was taken from this process");
    permit_.Release();
    const bool again = co_await AwaitStore(lost.status(), backoff, Deadline::Never());
    if (!again) co_return lost.status();
  }
}

// A store that cannot write now (disk full, locked) is asked again while `until` has not passed and
// the process does not drain. ABORTED: the claim is lost.
Task<absl::Status> JobRun::Record(jobs::Change change, Deadline until) {
  for (Duration backoff = kFirstEndBackoff;;) {
    const absl::StatusOr<jobs::Job> job = co_await deps_.store.Update(id_, fence_, change);
    if (IsLostClaim(job.status())) co_return absl::AbortedError(MessageOf(job.status()));
    deps_.store_health.Note("record what became of a job", job.status());
    if (job.ok()) {
      NoteChange(*job, change);
      co_return absl::OkStatus();
    }
    const bool again = co_await AwaitStore(job.status(), backoff, until);
    if (!again) co_return job.status();
  }
}

// Before what the store could not do is tried again. False: it is not.
Task<bool> JobRun::AwaitStore(absl::Status status, Duration& backoff, Deadline until) {
  Clock& clock = deps_.transfer.clock;
  if (!IsWorthRepeating(status) || until.Passed(clock.Now() + backoff) ||
      deps_.draining.load(std::memory_order_acquire)) {
    co_return false;
  }
  co_await clock.SleepFor(backoff);
  backoff = std::min(backoff * 2, kLongestEndBackoff);
  co_return true;
}

// Nothing is held by then but the run itself, and without this nobody would know that the job is
// over: so it goes on for as long as the process does. What is not recorded all the same stays
// RUNNING in the store and is recovered at the next start.
Task<absl::Status> JobRun::RecordEnd(jobs::Change change) {
  const absl::Status recorded = co_await Record(std::move(change), Deadline::Never());
  const bool known =
      recorded.ok() || absl::IsAborted(recorded) || deps_.draining.load(std::memory_order_acquire);
  if (!known) {
    deps_.log.Error("a job's end is not recorded: it is run again after the next start",
                    {{"job", id_.name()}, {"error", MessageOf(recorded)}});
  }
  co_return recorded;
}

}  // namespace fetchd::fetch
