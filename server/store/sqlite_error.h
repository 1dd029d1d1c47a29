// SQLite's result codes as absl::Status, once, for the whole folder.
#pragma once

#include <sqlite3.h>

#include <string>
#include <string_view>

#include "base/status.h"

namespace fetchd::store {

/// What a failed call on `db` means to those above. Codes: RESOURCE_EXHAUSTED (disk or quota full),
/// UNAVAILABLE (locked, or an I/O error: the same call again), PERMISSION_DENIED, DATA_LOSS
/// (damaged, or not a database), INTERNAL (a bug in a statement).
absl::Status SqliteError(sqlite3* db, int code, std::string_view what);

/// The same for a failed system call: `error` is errno.
absl::Status FileError(int error, std::string_view what);

}  // namespace fetchd::store
