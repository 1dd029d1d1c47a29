// Store on PostgreSQL: one queue for any number of processes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "jobs/store.h"
#include "runtime/blocking_pool.h"
#include "store/key_ring.h"
#include "store/postgres_url.h"
#include "store/replicas.h"
#include "store/sqlite_store.h"

namespace fetchd::store {

struct PostgresConfig {
  PostgresAddress address;
  /// The same in all processes: one of its own would seal what no other opens. `keys_from` is where
  /// an operator looks for them.
  KeyRing keys;
  std::string keys_from;
  /// A process that is not heard of for so long is gone: others take what it ran.
  LeaseTime lease = std::chrono::seconds(30);
  ReplicaFacts facts = {};  ///< Of this process, for the others to tell.
  /// Of the connection on which others are heard: why it is gone; OK when it is back. On a thread
  /// of the store.
  std::function<void(const absl::Status&)> on_trouble = nullptr;
  /// How far the clock of the database is ahead of this machine's: at the start, and every few
  /// seconds. Jobs go by the database's, if the clock of the store is set by this. Likewise.
  std::function<void(Duration)> on_clock = nullptr;
  /// Jobs of a process that is gone were taken over. Likewise.
  std::function<void(const Rescue&)> on_rescue = nullptr;
  SqliteConfig::OnSealingAnew on_sealing_anew = nullptr;
  SqliteConfig::StopAsked stop_asked = nullptr;
  CommitMeter* commits = nullptr;  ///< As SqliteConfig's.
};

/// One writer thread groups the changes that wait into one transaction, as SqliteStore's does
/// (postgres_committer.h); reads have threads and connections of their own, a few; one more
/// listens and keeps the lease (replica_watch.h). Claims are of this process while its lease is
/// renewed.
///
/// Without the database calls are UNAVAILABLE, and what runs may go on: claims are lost only when
/// somebody else is there to take them. CreateWithin's bounds may be overshot by what other
/// processes admit in the same moment.
///
/// Open errors: INVALID_ARGUMENT (the URL), FAILED_PRECONDITION (written by a newer version: says
/// both; no key for rows that are sealed; an older server than 15), PERMISSION_DENIED, UNAVAILABLE,
/// CANCELLED (stop_asked).
class PostgresStore {
 public:
  static absl::StatusOr<std::unique_ptr<jobs::Store>> Open(PostgresConfig config, Clock& clock);
};

}  // namespace fetchd::store
