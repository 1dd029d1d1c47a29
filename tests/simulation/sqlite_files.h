// Files of SqliteDisk: contents, locks, and the shared memory of WAL connections.
#pragma once

#include <sqlite3.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/sqlite_disk.h"

namespace fetchd::simulation {

inline constexpr std::size_t kSectorBytes = 512;

/// All of this under the disk's lock.
struct SqliteDisk::File {
  /// A change that is not flushed: what was there before.
  struct Change {
    std::size_t offset, size;
    std::string before;  ///< Shorter where the file ended.
    std::size_t size_before;
  };
  struct Slot {
    int readers = 0;
    const Handle* writer = nullptr;
  };

  void Write(std::size_t offset, std::string_view data);
  void Truncate(std::size_t size);
  void LoseUnsynced(Dice& dice);
  void Undo(const Change& change, std::size_t kept);

  std::string bytes;
  std::vector<Change> unsynced;

  int readers = 0;                      ///< SHARED and above.
  const Handle* reserved_by = nullptr;  ///< RESERVED and above.
  const Handle* exclusive_by = nullptr;
  std::vector<std::unique_ptr<char[]>> regions;  ///< The WAL index.
  std::array<Slot, SQLITE_SHM_NLOCK> slots;
  int mappings = 0;
};

/// One open file of one connection; SQLite owns its memory.
struct SqliteDisk::Handle {
  int Lock(int wanted);
  void Unlock(int wanted);
  void* MapShared(std::size_t region, std::size_t size, bool extend);
  int LockSlots(std::size_t first, std::size_t count, int flags);
  void UnmapShared();

  sqlite3_file base;  ///< First: SQLite sees this alone.
  SqliteDisk* disk = nullptr;
  std::shared_ptr<File> file;
  int level = SQLITE_LOCK_NONE;
  bool mapped = false;
  std::array<bool, SQLITE_SHM_NLOCK> reads{};
};

}  // namespace fetchd::simulation
