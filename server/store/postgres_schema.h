// The tables on PostgreSQL, and how older ones become newer.
#pragma once

#include "store/database.h"

namespace fetchd::store {

/// Of a database that this program writes.
extern const int kPostgresSchemaVersion;

/// Brings the schema to kPostgresSchemaVersion, in a transaction under a lock: of processes that
/// start together one does it. FAILED_PRECONDITION when a newer program made it (says both
/// versions).
absl::Status MigratePostgres(Database& database);

}  // namespace fetchd::store
