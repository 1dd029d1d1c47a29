// The files beside the database: its lock, and how files are made so that a crash does not undo
// them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fetchd::store {

/// Exclusive use of a database while this lives, by flock on "<database>.lock". The kernel lets go
/// when the process dies.
class DatabaseLock {
 public:
  /// UNAVAILABLE when another process has it; the message names its pid.
  static absl::StatusOr<DatabaseLock> Acquire(const std::filesystem::path& database);
  DatabaseLock(DatabaseLock&& other) noexcept;
  DatabaseLock& operator=(DatabaseLock&&) = delete;
  ~DatabaseLock();

 private:
  explicit DatabaseLock(int fd) : fd_(fd) {}
  int fd_;
};

/// Makes an empty file with mode 0600 unless it exists; durable when it returns.
absl::Status EnsureFile(const std::filesystem::path& path);
/// Makes a file with mode 0600 and these bytes; durable when it returns. ALREADY_EXISTS when it
/// exists.
absl::Status CreateFile(const std::filesystem::path& path, std::string_view bytes);
/// NOT_FOUND when it does not exist, FAILED_PRECONDITION when its mode lets others than its owner
/// do anything with it. At most `limit` bytes.
absl::StatusOr<std::string> ReadPrivateFile(const std::filesystem::path& path, std::size_t limit);

}  // namespace fetchd::store
