// A connection to SQLite.
#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <memory>

#include "store/database.h"

namespace fetchd::store {

/// Database::Open.
absl::StatusOr<std::unique_ptr<Session>> OpenSqliteSession(const std::filesystem::path& path,
                                                           bool read_only);

// Of a database on SQLite.

sqlite3* SqliteHandle(const Database& database);
/// Makes all that can be read durable. A process that died between the write of a commit and its
/// flush leaves it in the log: whoever opens the database sees it, and a power failure takes it
/// away again. Once something was read.
absl::Status FlushLog(const Database& database);

}  // namespace fetchd::store
