// Why a job does not run now, and what would let it: pure.
#pragma once

#include <optional>
#include <string>

#include "fetch/origin_pacer.h"
#include "jobs/job.h"

namespace fetchd::fetch {

struct JobWait {
  enum class Reason {
    kStartTime,
    kRetry,
    kOriginOnHold,
    kTransferLimit,
    kTenantLimit,
    kDraining,
    kNext,
    kPaused
  };
  Reason reason = Reason::kNext;
  std::string explanation;        ///< A sentence, without its capital and its full stop.
  std::string remedy;             ///< A sentence; empty when only time helps.
  std::optional<WallTime> until;  ///< Absent while nobody knows.
};

/// What the wait of a job depends on besides itself.
struct Surroundings {
  WallTime now{};
  std::optional<OriginPacer::OriginState> origin;  ///< Of its next attempt.
  bool origin_has_room = true;
  bool host_has_room = true;  ///< Of the connections that this process may have, one is free.
  bool tenant_has_room = true;
  std::optional<std::size_t> tenant_limit;       ///< tenants.<name>.max_transfers.
  std::size_t transfers = 0, max_transfers = 0;  ///< Of the process.
  bool draining = false;
};

/// nullopt for a job that runs or has ended.
std::optional<JobWait> WaitOf(const jobs::Job& job, const Surroundings& around);

/// "it asked for a pause, of which 29.9 s are left" and the like; what to do about it, or nothing.
std::string HoldSentence(const OriginPacer::OriginState& origin);
std::string HoldRemedy(const OriginPacer::OriginState& origin);

}  // namespace fetchd::fetch
