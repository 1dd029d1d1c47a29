// Transactions of changes on PostgreSQL.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "store/key_ring.h"
#include "store/postgres_session.h"
#include "store/writer.h"

namespace fetchd::store {

struct PostgresCommitterDeps {
  std::function<absl::StatusOr<std::unique_ptr<PostgresSession>>()> connect;
  const KeyRing& keys;
  std::function<std::string()> replica;  ///< Who runs what is claimed.
  OnCommit on_commit;
};

/// Processes write at the same time, and lock the rows of the jobs that they change. What all of
/// them change comes last in a transaction, under one lock, the row of `counters`: the numbers of
/// events, figures of batches, counts of jobs, what is stored where. So numbers follow the order of
/// commits, and none is seen before a smaller one. That end goes out as one piece with its COMMIT:
/// the lock is held for no round trip.
///
/// A transaction that meets another one (a deadlock, a request_id that was just taken) is run
/// again, and one that is refused by the server as a whole with a savepoint for each change, so
/// that the others are not held up. When the connection goes before COMMIT nothing has happened,
/// and it is run again if there is another at once. When it goes after, a row that each
/// transaction writes tells what became of it. UNAVAILABLE, reason COMMIT_UNKNOWN, when nobody can
/// be asked within some seconds: a request with a request_id may be sent again, and a worker's
/// change finds out by its fence.
std::unique_ptr<Committer> MakePostgresCommitter(PostgresCommitterDeps deps);

}  // namespace fetchd::store
