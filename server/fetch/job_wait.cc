#include "fetch/job_wait.h"

#include "base/duration_text.h"
#include "base/strings.h"

namespace fetchd::fetch {
namespace {

using WaitReason = JobWait::Reason;

WallTime After(WallTime now, Duration wait) {
  return now + std::chrono::duration_cast<WallTime::duration>(wait);
}

bool Holds(const OriginPacer::OriginState& origin, const jobs::Job& job) {
  if (origin.hold == Hold::kNone) return false;
  return origin.hold != Hold::kRetries || job.attempt > 0;
}

/// The adaptive limit holds, not the operator's.
bool BoreNoMore(const OriginPacer::OriginState& origin) {
  return origin.adaptive_limit &&
         *origin.adaptive_limit <= origin.limits.max_transfers.value_or(*origin.adaptive_limit);
}

JobWait WaitForTime(const jobs::Job& job, WallTime now) {
  const std::string left = FormatSeconds(job.ready_at - now);
  if (job.state != jobs::State::kWaiting) {
    return {WaitReason::kStartTime, "it begins at its start time, in " + left, "", job.ready_at};
  }
  return {WaitReason::kRetry,
          Concat("its next attempt begins in ", left, "; the last one: ", MessageOf(job.error)), "",
          job.ready_at};
}

JobWait WaitForOrigin(const OriginPacer::OriginState& origin, WallTime now) {
  JobWait wait{WaitReason::kOriginOnHold,
               Concat(origin.origin.ToString(), " is on hold: ", HoldSentence(origin)),
               HoldRemedy(origin),
               {}};
  if (origin.held_for) wait.until = After(now, *origin.held_for);
  return wait;
}

JobWait WaitForTransfers(const Surroundings& around) {
  if (around.transfers >= around.max_transfers) {
    return {WaitReason::kTransferLimit,
            Concat("all ", around.max_transfers, " transfers (limits.transfers) are at work"),
            "Raise limits.transfers, or wait for one to end.",
            {}};
  }
  return {WaitReason::kTransferLimit,
          "its origin has as many transfers as it may have while others could come: one of eight "
          "stays free",
          "Raise limits.transfers, or wait for one to end.",
          {}};
}

JobWait WaitForConnections() {
  return {WaitReason::kTransferLimit,
          "the connections to its host that this process may have are in use or not there yet: "
          "several processes keep the limit together, and another one may begin it",
          "Raise limits.per_host for all of them, or wait for one to be free.",
          {}};
}

JobWait WaitForTenant(const jobs::Job& job, const Surroundings& around) {
  if (around.tenant_limit) {
    return {WaitReason::kTenantLimit,
            Concat("its tenant ", job.tenant, " has as many transfers at work as it may have (",
                   *around.tenant_limit, ")"),
            Concat("Raise tenants.", job.tenant, ".max_transfers, or wait for one to end."),
            {}};
  }
  return {WaitReason::kTenantLimit,
          Concat("its tenant ", job.tenant,
                 " has as many transfers as it may have beside other tenants: one of eight stays "
                 "free"),
          "Raise limits.transfers, or wait for one to end.",
          {}};
}

}  // namespace

std::string HoldSentence(const OriginPacer::OriginState& origin) {
  const std::string left = origin.held_for ? FormatSeconds(*origin.held_for) : "";
  switch (origin.hold) {
    case Hold::kNone:
      return "nothing holds it back";
    case Hold::kPaused:
      return "it is paused (max_transfers is 0)";
    case Hold::kCoolDown:
      return Concat("it asked for a pause, of which ", left, " are left");
    case Hold::kCircuitOpen:
      return Concat("it failed ", origin.failures_in_a_row, " times in a row; ",
                    left.empty() ? "a probe is under way" : "a probe begins in " + left);
    case Hold::kTransfers:
      return Concat(origin.transfers, " transfers are at work, as many as ",
                    BoreNoMore(origin) ? "it bore lately" : "max_transfers allows");
    case Hold::kRate:
      return Concat("requests_per_sec is used up for ", left);
    case Hold::kRetries:
      return Concat(origin.retries, " retries are at work, all that retry.budget_percent allows");
  }
  return "";
}

std::string HoldRemedy(const OriginPacer::OriginState& origin) {
  switch (origin.hold) {
    case Hold::kPaused:
    case Hold::kRate:
      return "Change its limits: fetchctl origins " + origin.origin.ToString() + " --help.";
    case Hold::kTransfers:
      return BoreNoMore(origin) ? "" : "Raise its max_transfers, or wait for one to end.";
    default:
      return "";
  }
}

std::optional<JobWait> WaitOf(const jobs::Job& job, const Surroundings& around) {
  if (job.state == jobs::State::kRunning || jobs::IsTerminal(job.state)) return std::nullopt;
  if (job.state == jobs::State::kPaused) {
    return JobWait{WaitReason::kPaused,
                   "it is paused until somebody resumes it",
                   Concat("Resume it: fetchctl resume ", job.id.name(), "."),
                   {}};
  }
  if (around.draining) {
    return JobWait{WaitReason::kDraining,
                   "the server stops: the job goes on after its next start",
                   "Start fetchd again with the same store.",
                   {}};
  }
  if (job.ready_at > around.now) return WaitForTime(job, around.now);
  if (around.origin && Holds(*around.origin, job)) return WaitForOrigin(*around.origin, around.now);
  if (around.transfers >= around.max_transfers) return WaitForTransfers(around);
  if (!around.tenant_has_room) return WaitForTenant(job, around);
  if (!around.host_has_room) return WaitForConnections();
  if (!around.origin_has_room) return WaitForTransfers(around);
  return JobWait{WaitReason::kNext, "it is about to begin", "", {}};
}

}  // namespace fetchd::fetch
