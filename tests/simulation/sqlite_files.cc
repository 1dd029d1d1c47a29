#include "simulation/sqlite_files.h"

#include <algorithm>
#include <ranges>
#include <utility>

namespace fetchd::simulation {

void SqliteDisk::File::Write(std::size_t offset, std::string_view data) {
  const std::size_t end = offset + data.size();
  const std::size_t here = std::min(offset, bytes.size());
  unsynced.push_back({offset, data.size(), bytes.substr(here, data.size()), bytes.size()});
  if (bytes.size() < end) bytes.resize(end);
  bytes.replace(offset, data.size(), data);
}

void SqliteDisk::File::Truncate(std::size_t size) {
  if (size >= bytes.size()) return;
  unsynced.push_back({size, 0, bytes.substr(size), bytes.size()});
  bytes.resize(size);
}

// But for the first `kept` bytes of what was written.
void SqliteDisk::File::Undo(const Change& change, std::size_t kept) {
  if (change.size == 0) {  // A truncation.
    bytes.resize(std::max(bytes.size(), change.size_before));
    bytes.replace(change.offset, change.before.size(), change.before);
    return;
  }
  std::string before = change.before;
  before.resize(change.size);
  bytes.replace(change.offset + kept, change.size - kept, before, kept);
}

void SqliteDisk::File::LoseUnsynced(Dice& dice) {
  const double kept_share = dice.Uniform();
  std::size_t size = unsynced.empty() ? bytes.size() : unsynced.front().size_before;
  for (const Change& change : std::views::reverse(unsynced)) {
    std::size_t kept = change.size;
    if (!dice.Chance(kept_share)) {
      kept = dice.Below(change.size / kSectorBytes + 1) * kSectorBytes;
      kept = dice.Chance(0.5) ? 0 : std::min(kept, change.size);
      Undo(change, kept);
    }
    if (kept > 0) size = std::max(size, change.offset + kept);
  }
  bytes.resize(std::min(size, bytes.size()));
  unsynced.clear();
}

int SqliteDisk::Handle::Lock(int wanted) {
  if (wanted <= level) return SQLITE_OK;
  const bool others_write = file->exclusive_by != nullptr && file->exclusive_by != this;
  if (others_write) return SQLITE_BUSY;
  if (level == SQLITE_LOCK_NONE) {
    ++file->readers;
    level = SQLITE_LOCK_SHARED;
  }
  if (wanted >= SQLITE_LOCK_RESERVED) {
    if (file->reserved_by != nullptr && file->reserved_by != this) return SQLITE_BUSY;
    file->reserved_by = this;
    level = SQLITE_LOCK_RESERVED;
  }
  if (wanted == SQLITE_LOCK_EXCLUSIVE) {
    if (file->readers > 1) return SQLITE_BUSY;
    file->exclusive_by = this;
    level = SQLITE_LOCK_EXCLUSIVE;
  }
  return SQLITE_OK;
}

void SqliteDisk::Handle::Unlock(int wanted) {
  if (wanted >= level) return;
  if (file->exclusive_by == this) file->exclusive_by = nullptr;
  if (file->reserved_by == this) file->reserved_by = nullptr;
  if (wanted == SQLITE_LOCK_NONE) --file->readers;
  level = wanted;
}

void* SqliteDisk::Handle::MapShared(std::size_t region, std::size_t size, bool extend) {
  if (!std::exchange(mapped, true)) ++file->mappings;
  if (region >= file->regions.size() && !extend) return nullptr;
  while (file->regions.size() <= region) file->regions.push_back(std::make_unique<char[]>(size));
  return file->regions[region].get();
}

int SqliteDisk::Handle::LockSlots(std::size_t first, std::size_t count, int flags) {
  const auto slots = std::views::iota(first, first + count);
  const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    for (const std::size_t i : slots) {
      File::Slot& slot = file->slots[i];
      if (slot.writer == this) slot.writer = nullptr;
      if (std::exchange(reads[i], false)) --slot.readers;
    }
    return SQLITE_OK;
  }
  for (const std::size_t i : slots) {
    const File::Slot& slot = file->slots[i];
    const int others = slot.readers - (reads[i] ? 1 : 0);
    if (slot.writer != nullptr && slot.writer != this) return SQLITE_BUSY;
    if (exclusive && others > 0) return SQLITE_BUSY;
  }
  for (const std::size_t i : slots) {
    File::Slot& slot = file->slots[i];
    if (exclusive) {
      slot.writer = this;
    } else if (!std::exchange(reads[i], true)) {
      ++slot.readers;
    }
  }
  return SQLITE_OK;
}

void SqliteDisk::Handle::UnmapShared() {
  if (!std::exchange(mapped, false)) return;
  LockSlots(0, SQLITE_SHM_NLOCK, SQLITE_SHM_UNLOCK);
  if (--file->mappings == 0) file->regions.clear();
}

}  // namespace fetchd::simulation
