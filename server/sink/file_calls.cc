#include "sink/file_calls.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace fetchd::sink {

int FileCalls::OpenBeneath(int root, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags) | O_CLOEXEC;
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  long fd = -1;
  do {
    fd = ::syscall(SYS_openat2, root, name, &how, sizeof how);
  } while (fd < 0 && (errno == EINTR || errno == EAGAIN));
  return static_cast<int>(fd);
}

int FileCalls::OpenAt(int directory, const std::string& name, int flags, mode_t mode) {
  return ::openat(directory, name.c_str(), flags | O_CLOEXEC, mode);
}

int FileCalls::MakeDirectory(int parent, const std::string& name, mode_t mode) {
  return ::mkdirat(parent, name.c_str(), mode);
}

ssize_t FileCalls::Write(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
  return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
}

int FileCalls::Truncate(int fd, std::uint64_t size_bytes) {
  return ::ftruncate(fd, static_cast<off_t>(size_bytes));
}

int FileCalls::SetMode(int fd, mode_t mode) { return ::fchmod(fd, mode); }

int FileCalls::Rename(int directory, const std::string& from, const std::string& to) {
  return ::renameat(directory, from.c_str(), directory, to.c_str());
}

int FileCalls::Link(int directory, const std::string& from, const std::string& to) {
  return ::linkat(directory, from.c_str(), directory, to.c_str(), 0);
}

int FileCalls::Unlink(int directory, const std::string& name) {
  return ::unlinkat(directory, name.c_str(), 0);
}

int FileCalls::SyncData(int fd) { return ::fdatasync(fd); }

int FileCalls::SyncDirectory(int fd) { return ::fsync(fd); }

int FileCalls::SyncFileSystem(int fd) { return ::syncfs(fd); }

int FileCalls::AwaitWriteBack(int fd) {
  constexpr unsigned kAll =
      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  return ::sync_file_range(fd, 0, 0, kAll);
}

int FileCalls::Lock(int fd) { return ::flock(fd, LOCK_EX | LOCK_NB); }

int FileCalls::Copy(int from, int to, std::uint64_t bytes) {
  while (bytes > 0) {
    const ssize_t copied = ::copy_file_range(from, nullptr, to, nullptr, bytes, 0);
    if (copied < 0 && errno == EINTR) continue;
    if (copied <= 0) return -1;
    bytes -= static_cast<std::uint64_t>(copied);
  }
  return 0;
}

FileCalls& SystemFileCalls() {
  static FileCalls calls;
  return calls;
}

}  // namespace fetchd::sink
