#include "simulation/sqlite_disk.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <ranges>

#include "simulation/sqlite_files.h"

namespace fetchd::simulation {
namespace {

SqliteDisk::File& FileOf(sqlite3_file* file) {
  return *reinterpret_cast<SqliteDisk::Handle*>(file)->file;
}

}  // namespace

/// What SQLite calls; each takes the disk's lock.
struct DiskCalls {
  using Handle = SqliteDisk::Handle;
  using File = SqliteDisk::File;

  static Handle& Of(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file); }
  static SqliteDisk& DiskOf(sqlite3_vfs* vfs) { return *static_cast<SqliteDisk*>(vfs->pAppData); }
  static std::unique_lock<std::mutex> Lock(sqlite3_file* file) {
    return std::unique_lock(Of(file).disk->mutex_);
  }
  static bool AllowsWrite(sqlite3_file* file) { return Of(file).disk->power_.AllowsWrite(); }

  static int Close(sqlite3_file* file) {
    const auto lock = Lock(file);
    Of(file).Unlock(SQLITE_LOCK_NONE);
    Of(file).UnmapShared();
    Of(file).~Handle();
    return SQLITE_OK;
  }
  static int Read(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) {
    const auto lock = Lock(file);
    const std::string& bytes = FileOf(file).bytes;
    const auto at = std::min<std::size_t>(static_cast<std::size_t>(offset), bytes.size());
    const auto got = std::min<std::size_t>(static_cast<std::size_t>(size), bytes.size() - at);
    std::memcpy(out, bytes.data() + at, got);
    std::memset(static_cast<char*>(out) + got, 0, static_cast<std::size_t>(size) - got);
    return got == static_cast<std::size_t>(size) ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
  }
  static int Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
    const auto lock = Lock(file);
    if (!AllowsWrite(file)) return SQLITE_IOERR_WRITE;
    FileOf(file).Write(static_cast<std::size_t>(offset),
                       {static_cast<const char*>(bytes), static_cast<std::size_t>(size)});
    return SQLITE_OK;
  }
  static int Truncate(sqlite3_file* file, sqlite3_int64 size) {
    const auto lock = Lock(file);
    if (!AllowsWrite(file)) return SQLITE_IOERR_TRUNCATE;
    FileOf(file).Truncate(static_cast<std::size_t>(size));
    return SQLITE_OK;
  }
  static int Sync(sqlite3_file* file, int) {
    const auto lock = Lock(file);
    if (!AllowsWrite(file)) return SQLITE_IOERR_FSYNC;
    FileOf(file).unsynced.clear();
    return SQLITE_OK;
  }
  static int FileSize(sqlite3_file* file, sqlite3_int64* size) {
    const auto lock = Lock(file);
    *size = static_cast<sqlite3_int64>(FileOf(file).bytes.size());
    return SQLITE_OK;
  }
  static int TakeLock(sqlite3_file* file, int level) {
    const auto lock = Lock(file);
    return Of(file).Lock(level);
  }
  static int Unlock(sqlite3_file* file, int level) {
    const auto lock = Lock(file);
    Of(file).Unlock(level);
    return SQLITE_OK;
  }
  static int CheckReserved(sqlite3_file* file, int* reserved) {
    const auto lock = Lock(file);
    *reserved = FileOf(file).reserved_by != nullptr;
    return SQLITE_OK;
  }
  static int Control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
  static int SectorSize(sqlite3_file*) { return static_cast<int>(kSectorBytes); }
  static int Characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }
  static int MapShared(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
    const auto lock = Lock(file);
    *out = Of(file).MapShared(static_cast<std::size_t>(region), static_cast<std::size_t>(size),
                              extend != 0);
    return SQLITE_OK;
  }
  static int LockShared(sqlite3_file* file, int first, int count, int flags) {
    const auto lock = Lock(file);
    return Of(file).LockSlots(static_cast<std::size_t>(first), static_cast<std::size_t>(count),
                              flags);
  }
  static void Barrier(sqlite3_file* file) { const auto lock = Lock(file); }
  static int UnmapShared(sqlite3_file* file, int) {
    const auto lock = Lock(file);
    Of(file).UnmapShared();
    return SQLITE_OK;
  }

  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out);
  static int Delete(sqlite3_vfs* vfs, const char* name, int) {
    SqliteDisk& disk = DiskOf(vfs);
    const std::lock_guard lock(disk.mutex_);
    if (!disk.power_.AllowsWrite()) return SQLITE_IOERR_DELETE;
    return disk.files_.erase(name) != 0 ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
  }
  static int Access(sqlite3_vfs* vfs, const char* name, int, int* out) {
    SqliteDisk& disk = DiskOf(vfs);
    const std::lock_guard lock(disk.mutex_);
    *out = disk.files_.contains(name);
    return SQLITE_OK;
  }
  static int FullPath(sqlite3_vfs*, const char* name, int size, char* out) {
    return std::snprintf(out, static_cast<std::size_t>(size), "%s", name) < size ? SQLITE_OK
                                                                                 : SQLITE_CANTOPEN;
  }
  static int Random(sqlite3_vfs*, int size, char* out) {
    std::memset(out, 7, static_cast<std::size_t>(size));
    return size;
  }
  static int Sleep(sqlite3_vfs*, int) { return 0; }  // Nobody is busy for long.
  static int Time(sqlite3_vfs*, sqlite3_int64* out) {
    constexpr sqlite3_int64 kSomeDay = 212'000'000'000'000;  // Milliseconds of the Julian day.
    *out = kSomeDay;
    return SQLITE_OK;
  }
  static int LastError(sqlite3_vfs*, int, char*) { return 0; }
};

constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = DiskCalls::Close,
    .xRead = DiskCalls::Read,
    .xWrite = DiskCalls::Write,
    .xTruncate = DiskCalls::Truncate,
    .xSync = DiskCalls::Sync,
    .xFileSize = DiskCalls::FileSize,
    .xLock = DiskCalls::TakeLock,
    .xUnlock = DiskCalls::Unlock,
    .xCheckReservedLock = DiskCalls::CheckReserved,
    .xFileControl = DiskCalls::Control,
    .xSectorSize = DiskCalls::SectorSize,
    .xDeviceCharacteristics = DiskCalls::Characteristics,
    .xShmMap = DiskCalls::MapShared,
    .xShmLock = DiskCalls::LockShared,
    .xShmBarrier = DiskCalls::Barrier,
    .xShmUnmap = DiskCalls::UnmapShared,
};

int DiskCalls::Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out) {
  SqliteDisk& disk = DiskOf(vfs);
  const std::lock_guard lock(disk.mutex_);
  file->pMethods = nullptr;
  std::shared_ptr<File> opened = std::make_shared<File>();
  if (name != nullptr) {
    const auto found = disk.files_.find(name);
    const bool create = (flags & SQLITE_OPEN_CREATE) != 0;
    if (found == disk.files_.end() && !create) return SQLITE_CANTOPEN;
    opened = found != disk.files_.end() ? found->second
                                        : disk.files_.emplace(name, opened).first->second;
  }
  auto* handle = new (file) Handle{};
  handle->base.pMethods = &kMethods;
  handle->disk = &disk;
  handle->file = std::move(opened);
  if (out != nullptr) *out = flags;
  return SQLITE_OK;
}

struct SqliteDisk::Registration {
  explicit Registration(SqliteDisk& disk)
      : vfs{.iVersion = 2,
            .szOsFile = sizeof(Handle),
            .mxPathname = 1024,
            .pNext = nullptr,
            .zName = "simulated",
            .pAppData = &disk,
            .xOpen = DiskCalls::Open,
            .xDelete = DiskCalls::Delete,
            .xAccess = DiskCalls::Access,
            .xFullPathname = DiskCalls::FullPath,
            .xRandomness = DiskCalls::Random,
            .xSleep = DiskCalls::Sleep,
            .xGetLastError = DiskCalls::LastError,
            .xCurrentTimeInt64 = DiskCalls::Time} {
    sqlite3_vfs_register(&vfs, 1);
  }
  ~Registration() { sqlite3_vfs_unregister(&vfs); }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

  sqlite3_vfs vfs;
};

SqliteDisk::SqliteDisk(Power& power)
    : power_(power), registration_(std::make_unique<Registration>(*this)) {}
SqliteDisk::~SqliteDisk() = default;

SqliteDisk::Image SqliteDisk::Read() const {
  const std::lock_guard lock(mutex_);
  Image image;
  for (const auto& [name, file] : files_) image[name] = file->bytes;
  return image;
}

void SqliteDisk::Reset(const Image& image) {
  const std::lock_guard lock(mutex_);
  files_.clear();
  for (const auto& [name, bytes] : image) {
    files_.emplace(name, std::make_shared<File>()).first->second->bytes = bytes;
  }
}

void SqliteDisk::LosePower(Dice& dice) {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, file] : files_) file->LoseUnsynced(dice);
}

}  // namespace fetchd::simulation
