// What the store has promised so far, kept apart from it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "jobs/store.h"
#include "simulation/trace.h"

namespace fetchd::simulation {

/// Who asked for a change. Each admits some moves from state to state: those of the diagram in
/// docs/architecture.md, written down once more.
enum class Mover {
  kClaim,
  kWorker,
  kCancelled,  ///< A worker's record after a cancellation.
  kCancel,
  kPause,
  kResume,
  kRetry,
  kExpiry,
  kRecovery,
};
Mover MoverOf(const jobs::Change& change);
bool Admits(Mover mover, jobs::State from, jobs::State to);

/// Hears of each change that the store acknowledged, in the order in which it did them.
class Ledger {
 public:
  explicit Ledger(Trace& trace) : trace_(trace) {}

  void Accepted(const jobs::Job& job);
  void Moved(Mover mover, const jobs::Job& job);
  void Deleted(const JobId& id);
  /// All RUNNING jobs were recovered.
  void Recovered();
  /// The process died while it changed this job; while it claimed or expired some.
  void Unsure(const JobId& id) { unsure_.insert(id); }
  void UnsureOfAll() { all_unsure_ = true; }

  /// After a restart: `stored` must be what was promised.
  void Compare(const std::map<JobId, jobs::Job>& stored);

  const std::map<JobId, jobs::Job>& jobs() const { return jobs_; }
  std::vector<JobId> ids() const;
  /// Its path, for every job there ever was.
  const std::map<std::string, std::vector<jobs::FetchSpec>>& destinations() const {
    return destinations_;
  }
  std::size_t finished() const { return finished_; }

 private:
  void CompareOne(const jobs::Job& promised, const jobs::Job& stored);
  static bool MayHaveBecome(const jobs::Job& promised, const jobs::Job& stored);

  Trace& trace_;
  std::map<JobId, jobs::Job> jobs_;
  std::map<std::string, std::vector<jobs::FetchSpec>> destinations_;
  std::set<JobId> unsure_;
  bool all_unsure_ = false;
  std::size_t finished_ = 0;
};

}  // namespace fetchd::simulation
