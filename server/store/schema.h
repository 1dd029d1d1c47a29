// The tables, and how older files become newer ones.
#pragma once

#include "store/database.h"

namespace fetchd::store {

/// PRAGMA user_version of a file that this program writes.
extern const int kSchemaVersion;

/// Brings the file to kSchemaVersion, each step a transaction. FAILED_PRECONDITION when a newer
/// program wrote it (says both versions), or when it is some other program's database.
absl::Status Migrate(Database& database);

}  // namespace fetchd::store
