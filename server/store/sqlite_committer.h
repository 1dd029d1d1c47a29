// Transactions of changes on SQLite.
#pragma once

#include <memory>

#include "store/database.h"
#include "store/key_ring.h"
#include "store/writer.h"

namespace fetchd::store {

/// Owns the writing connection. `keys` outlive it. When it goes it moves the WAL into the database.
std::unique_ptr<Committer> MakeSqliteCommitter(Database database, const KeyRing& keys,
                                               Census census, OnCommit on_commit);

}  // namespace fetchd::store
