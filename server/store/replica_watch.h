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

#include "store/figures.h"
#include "store/postgres_session.h"
#include "store/replicas.h"
#include "store/writer.h"

namespace fetchd::store {

/// A claim that nobody knows to have been made.
struct AbandonedClaim {
  JobId id;
  std::int64_t fence = 0;
};

struct ReplicaWatchDeps {
  std::function<absl::StatusOr<std::unique_ptr<PostgresSession>>()> connect;
  Clock& clock;  ///< Of the jobs.
  ReplicaName& name;
  Figures& figures;
  Writer& writer;
  LeaseTime lease;
  std::function<void(const absl::Status&)> on_trouble;  ///< OK: it is over.
  std::function<void(const Rescue&)> on_rescue;
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

  /// To be given back, should they be there.
  void Abandon(std::vector<AbandonedClaim> claims);

 private:
  void Listen();
  absl::Status ListenOnce();
  absl::Status KeepLease(Database& database);
  absl::Status LookAtNewest(Database& database, bool others);
  absl::Status HearNews(Database& database);
  void Work();
  void Rescue();
  void GiveBack(const AbandonedClaim& claim);
  void Wake();
  /// False: it is to end.
  bool Pause(int milliseconds, int socket = -1);

  const ReplicaWatchDeps deps_;
  const RealClock clock_;  // Of the waits here; that of deps_ is the jobs'.
  std::mt19937_64 random_;
  int failures_ = 0;  // In a row, of the listening thread.
  int stop_[2];       // A pipe: closed at one end to stop the listening thread.
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false, work_ = false;   // Guarded by mutex_.
  std::vector<AbandonedClaim> abandoned_;  // Likewise.
  std::jthread listening_, working_;       // Last: they use all of the above.
};

}  // namespace fetchd::store
