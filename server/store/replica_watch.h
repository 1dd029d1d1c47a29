// What a process does beside its calls where several share a database: it keeps its lease, hears of
// what the others commit, and takes over from those that are gone.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "jobs/store.h"
#include "store/figures.h"
#include "store/postgres_session.h"
#include "store/replicas.h"
#include "store/writer.h"

namespace fetchd::store {

struct ReplicaWatchDeps {
  std::function<absl::StatusOr<std::unique_ptr<PostgresSession>>()> connect;
  Clock& clock;  ///< Of the jobs.
  ReplicaName& name;
  Figures& figures;
  Writer& writer;
  LeaseTime lease;
  ReplicaFacts facts;
  std::function<void(const absl::Status&)> on_trouble;  ///< OK: it is over.
  /// How far the clock of the database is ahead of this machine's. With each renewal.
  std::function<void(Duration)> on_clock;
  std::function<void(const Rescue&)> on_rescue;
  std::function<void()> on_allotment_news;  ///< See jobs::AllotmentStore.
};

/// Two threads: one with a connection of its own, which listens and renews the lease, and one for
/// what takes the writer. Without the database the first connects again, later each time, and no
/// two processes at once; a notification that is lost is made up for by a look at the newest event
/// with each renewal.
class ReplicaWatch {
 public:
  explicit ReplicaWatch(ReplicaWatchDeps deps);
  /// Closes the replica, if it can: others may take what it ran.
  ~ReplicaWatch();
  ReplicaWatch(const ReplicaWatch&) = delete;
  ReplicaWatch& operator=(const ReplicaWatch&) = delete;

  /// Claims that nobody knows to have been made: to be given back, should they be there.
  void Abandon(std::vector<jobs::ClaimId> claims);
  /// Some are not given back yet: until then their numbers may be those of new claims.
  bool has_abandoned() const;

 private:
  void Listen();
  absl::Status ListenOnce();
  absl::Status KeepLease(Database& database);
  absl::Status LookAtNewest(Database& database, bool others);
  absl::Status HearNews(Database& database, SteadyTime until);
  void NoteRenewal();
  Gone WhoIsGone() const;
  void Work();
  void Rescue();
  void GiveBackAll();
  void Wake();
  /// False: it is to end.
  bool Pause(int milliseconds, int socket = -1);

  const ReplicaWatchDeps deps_;
  const RealClock clock_;  // Of the waits here; that of deps_ is the jobs'.
  std::mt19937_64 random_;
  int failures_ = 0;           // In a row, of the listening thread.
  int stop_[2];                // A pipe: closed at one end to stop the listening thread.
  bool heard_before_ = false;  // Of the listening thread, as are the next two.
  SteadyTime renewed_at_{}, steady_since_{};
  std::atomic<bool> is_steady_{false};  // The database was heard for all of a lease.
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false, work_ = false;  // Guarded by mutex_.
  std::vector<jobs::ClaimId> abandoned_;  // Likewise.
  std::jthread listening_, working_;      // Last: they use all of the above.
};

}  // namespace fetchd::store
