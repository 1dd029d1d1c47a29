// Connections that read what is committed.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <vector>

#include "store/database.h"

namespace fetchd::store {

/// Thread-safe. Connections are opened when needed, at most one a thread that reads at the same
/// time, and kept.
class Readers {
 public:
  explicit Readers(std::filesystem::path path) : path_(std::move(path)) {}

  /// Calls read(database) inside one read transaction: all of its queries see the same commit.
  /// Blocks: for pool threads.
  template <typename F>
  std::invoke_result_t<F&, Database&> Run(F& read) {
    ASSIGN_OR_RETURN(std::unique_ptr<Database> database, Take());
    RETURN_IF_ERROR(database->Execute("BEGIN"));
    auto result = read(*database);
    // Ends a read: there is nothing to lose, and a connection that cannot even do that is not kept.
    if (database->Execute("ROLLBACK").ok()) Return(std::move(database));
    return result;
  }

 private:
  absl::StatusOr<std::unique_ptr<Database>> Take();
  void Return(std::unique_ptr<Database> database);

  const std::filesystem::path path_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Database>> idle_;  // Guarded by mutex_.
};

}  // namespace fetchd::store
