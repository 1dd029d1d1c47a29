// Store on SQLite: the embedded default.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "jobs/store.h"
#include "runtime/blocking_pool.h"
#include "store/commit_meter.h"
#include "store/key_ring.h"

namespace fetchd::store {

/// How far sealing with another key is.
struct Resealing {
  std::string key_id;         ///< Of the new one.
  std::uint64_t jobs = 0;     ///< Whose rows are made with it now.
  std::uint64_t damaged = 0;  ///< Whose rows cannot be read, with any key: they stay as they are.
  bool ended = false;
};

struct SqliteConfig {
  std::filesystem::path path;  ///< The database file; its directory exists.
  /// Keys that seal secrets (AES-256-GCM) and tell whether a request id comes with the same content
  /// again: see KeyRing::Parse. Made, with one random key and mode 0600, when absent; 0600 is what
  /// it must have. Without sealed rows any other key is adopted: what it takes is in the rows.
  std::filesystem::path key_file;
  /// Instead of those of the file; `keys_from` is where an operator looks for them.
  std::optional<KeyRing> keys = std::nullopt;
  std::string keys_from;
  /// Called before and after the rows are sealed with a new first key, which takes a while.
  using OnSealingAnew = std::function<void(const Resealing&)>;
  OnSealingAnew on_sealing_anew = nullptr;
  /// Asked between its transactions. True: it ends there, and Open() with CANCELLED; the next one
  /// goes on. Null: it goes to its end.
  using StopAsked = std::function<bool()>;
  StopAsked stop_asked = nullptr;
  CommitMeter* commits = nullptr;  ///< Is told of each commit that changed jobs; null: nobody is.
};

/// One writer thread groups all changes that wait into one transaction and one fsync (WAL,
/// synchronous=FULL), then completes them together; reads run on `pool` with their own connections.
/// Open errors: FAILED_PRECONDITION (written by a newer version: says both; no key for rows that
/// are sealed, or keys that are none), UNAVAILABLE (used by another process), PERMISSION_DENIED
/// (read-only directory), DATA_LOSS (not a database), CANCELLED (SqliteConfig::stop_asked).
class SqliteStore {
 public:
  static absl::StatusOr<std::unique_ptr<jobs::Store>> Open(SqliteConfig config, Clock& clock,
                                                           runtime::BlockingPool& pool);
};

}  // namespace fetchd::store
