// Store on SQLite: the embedded default.
#pragma once

#include <filesystem>
#include <memory>

#include "jobs/store.h"
#include "runtime/blocking_pool.h"

namespace fetchd::store {

struct SqliteConfig {
  std::filesystem::path path;  ///< The database file; its directory exists.
  /// 32 random bytes that seal secrets (AES-256-GCM) and tell whether a request id comes with the
  /// same content again; made with mode 0600 when absent. Without sealed rows another key is
  /// adopted: what it takes is in the rows.
  std::filesystem::path key_file;
};

/// One writer thread groups all changes that wait into one transaction and one fsync (WAL,
/// synchronous=FULL), then completes them together; reads run on `pool` with their own connections.
/// Open errors: FAILED_PRECONDITION (written by a newer version: says both; key file missing while
/// sealed rows exist), UNAVAILABLE (used by another process), PERMISSION_DENIED (read-only
/// directory), DATA_LOSS (not a database).
class SqliteStore {
 public:
  static absl::StatusOr<std::unique_ptr<jobs::Store>> Open(SqliteConfig config, Clock& clock,
                                                           runtime::BlockingPool& pool);
};

}  // namespace fetchd::store
