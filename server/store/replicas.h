// The processes that share a database: which of them are there, and what becomes of the jobs of one
// that is not.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "jobs/allotment_store.h"
#include "store/transaction.h"

namespace fetchd::store {

// Time is the database's: whose clock is wrong has the same lease as the others. One row is renewed
// for all jobs of a replica.

using LeaseTime = std::chrono::milliseconds;

/// The id of this process among them, another one once the others gave it up, and its lease.
/// Thread-safe.
class ReplicaName {
 public:
  explicit ReplicaName(std::string id) : id_(std::move(id)) {}
  static std::string Random();

  std::string Get() const {
    const std::lock_guard lock(mutex_);
    return id_;
  }
  void Set(std::string id) {
    const std::lock_guard lock(mutex_);
    id_ = std::move(id);
    lease_.until = SteadyTime();
  }

  /// Its lease of `lease` was asked for at `sent` and is there at `now`. True when it is another
  /// one: what the last one was good for is void.
  bool Renewed(SteadyTime sent, SteadyTime now, LeaseTime lease) {
    // Less a sixteenth: for clocks that do not go alike.
    const std::lock_guard lock(mutex_);
    const bool passed = now >= lease_.until;
    if (passed) ++lease_.number;
    lease_.until = sent + lease - lease / 16;
    return passed;
  }
  std::pair<std::string, jobs::Lease> GetWithLease() const {
    const std::lock_guard lock(mutex_);
    return {id_, lease_};
  }
  jobs::Lease lease() const {
    const std::lock_guard lock(mutex_);
    return lease_;
  }

 private:
  mutable std::mutex mutex_;
  std::string id_;     // Guarded by mutex_.
  jobs::Lease lease_;  // Likewise.
};

/// What is told of a process.
struct ReplicaFacts {
  std::string host = {}, version = {};
};
absl::Status RegisterReplica(Database& database, const std::string& id, const ReplicaFacts& facts,
                             LeaseTime lease);
/// All, by host and start; `self` is marked.
absl::StatusOr<std::vector<jobs::Replica>> LoadReplicas(Database& database,
                                                        const std::string& self);
/// False: the others have taken its jobs.
absl::StatusOr<bool> RenewLease(Database& database, const std::string& id, LeaseTime lease);
/// What it ran may be taken at once.
absl::Status CloseReplica(Database& database, const std::string& id);
/// UNAVAILABLE when its lease has passed: it must not claim. Until the transaction ends nobody
/// gives it up.
absl::Status HoldLease(Database& database, const std::string& id);
/// Of which replicas others take over what they ran. kAll: those too that were not heard of for a
/// lease; only by one that heard the database all that time itself, for when that was away, nobody
/// could renew.
enum class Gone { kClosed, kAll };
/// Whether RescueJobs has something to do for `id`.
absl::StatusOr<bool> IsAnyGone(Database& database, const std::string& id, Gone which);

/// A job that was lost so often by processes that ran it may be what kills them.
inline constexpr std::int64_t kMostRescues = 5;

struct Rescue {
  std::string replica;  ///< Empty: there was none to do.
  std::uint64_t jobs = 0, parked = 0;
  bool more = false;
};
/// Applies Recovered to jobs that a replica which is gone ran, not `id`, up to some hundreds; at
/// kMostRescues in a row a job fails instead (JOB_LOST_TOO_OFTEN). Its fence grows: who ran it and
/// is not gone after all has lost it. Alone in its transaction.
absl::StatusOr<Rescue> RescueJobs(Transaction& transaction, const std::string& id, Gone which,
                                  WallTime now);
/// The same with what `id` itself runs, which is not held against it: at its start.
absl::StatusOr<Rescue> RecoverOwn(Transaction& transaction, const std::string& id, WallTime now);
/// Applies Recovered to a job if `id` has this very claim on it.
absl::Status GiveBack(Transaction& transaction, const std::string& id, const jobs::ClaimId& claim,
                      WallTime now);

/// How far the clock of the database is ahead of this machine's; nullopt when it took too long to
/// say so.
absl::StatusOr<std::optional<Duration>> MeasureClock(Database& database);

}  // namespace fetchd::store
