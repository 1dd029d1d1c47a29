// The system calls that change files or make them durable.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace fetchd::sink {

/// A seam: tests note their order and make them fail. Each returns what the call it is named for
/// does: -1 with errno set when it fails. Thread-safe. All block.
class FileCalls {
 public:
  virtual ~FileCalls() = default;
  /// openat2(2): no way out of `root`, no link followed.
  virtual int OpenBeneath(int root, const std::string& path, int flags, mode_t mode);
  virtual int OpenAt(int directory, const std::string& name, int flags, mode_t mode);
  virtual int MakeDirectory(int parent, const std::string& name, mode_t mode);
  virtual ssize_t Write(int fd, std::span<const std::byte> bytes, std::uint64_t offset);
  virtual int Truncate(int fd, std::uint64_t size_bytes);
  virtual int SetMode(int fd, mode_t mode);
  virtual int Rename(int directory, const std::string& from, const std::string& to);
  virtual int Link(int directory, const std::string& from, const std::string& to);
  virtual int Unlink(int directory, const std::string& name);
  virtual int SyncData(int fd);        ///< fdatasync(2).
  virtual int SyncDirectory(int fd);   ///< fsync(2).
  virtual int SyncFileSystem(int fd);  ///< syncfs(2).
  virtual int AwaitWriteBack(int fd);  ///< sync_file_range(2) of all, without a device flush.
  virtual int Lock(int fd);            ///< flock(2), exclusive, without waiting.
  /// copy_file_range(2) of the first bytes, until they are there.
  virtual int Copy(int from, int to, std::uint64_t bytes);
};

/// The real ones.
FileCalls& SystemFileCalls();

}  // namespace fetchd::sink
