#include "store/data_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "base/strings.h"
#include "store/sqlite_error.h"

namespace fetchd::store {
namespace {

constexpr mode_t kOwnerOnly = 0600;

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// A new name is durable only once its directory is.
absl::Status SyncDirectoryOf(const std::filesystem::path& path) {
  const std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : ".";
  const FileDescriptor fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || fsync(fd.get()) != 0) {
    return FileError(errno, Concat("cannot sync the directory ", directory.native()));
  }
  return absl::OkStatus();
}

absl::Status WriteAll(int fd, std::string_view bytes, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FileError(errno, what);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return fsync(fd) == 0 ? absl::OkStatus() : FileError(errno, what);
}

absl::Status InUse(const std::filesystem::path& database, int lock_fd) {
  char pid[16];
  const ssize_t size = pread(lock_fd, pid, sizeof pid, 0);
  const std::string_view holder(pid, size > 0 ? static_cast<std::size_t>(size) : 0);
  return absl::UnavailableError(Concat(
      "data directory ", database.parent_path().native(), " is in use by another fetchd (pid ",
      holder.empty() ? "unknown" : holder, "); stop it, or choose another data_dir"));
}

}  // namespace

absl::StatusOr<DatabaseLock> DatabaseLock::Acquire(const std::filesystem::path& database) {
  const std::string path = database.native() + ".lock";
  FileDescriptor fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kOwnerOnly));
  if (fd.get() < 0) return FileError(errno, Concat("cannot open ", path));
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return InUse(database, fd.get());
    return FileError(errno, Concat("cannot lock ", path));
  }
  const std::string pid = Concat(getpid());
  if (ftruncate(fd.get(), 0) != 0) return FileError(errno, Concat("cannot write ", path));
  RETURN_IF_ERROR(WriteAll(fd.get(), pid, Concat("cannot write ", path)));
  return DatabaseLock(fd.Release());
}

DatabaseLock::DatabaseLock(DatabaseLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

DatabaseLock::~DatabaseLock() {
  // The file stays: removing it would let a third process lock a new one while a second holds the
  // old.
  if (fd_ >= 0) close(fd_);
}

absl::Status EnsureFile(const std::filesystem::path& path) {
  const FileDescriptor fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kOwnerOnly));
  if (fd.get() < 0) return FileError(errno, Concat("cannot open ", path.native()));
  return SyncDirectoryOf(path);
}

absl::Status CreateFile(const std::filesystem::path& path, std::string_view bytes) {
  const std::string what = Concat("cannot create ", path.native());
  // Under another name until it is whole: a crash must not leave half of it.
  const std::string unfinished = path.native() + ".new";
  const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
  const FileDescriptor fd(open(unfinished.c_str(), flags, kOwnerOnly));
  if (fd.get() < 0) return FileError(errno, what);
  RETURN_IF_ERROR(WriteAll(fd.get(), bytes, what));
  if (renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0) {
    const int error = errno;
    unlink(unfinished.c_str());
    if (error == EEXIST) return absl::AlreadyExistsError(what + ": it exists");
    return FileError(error, what);
  }
  return SyncDirectoryOf(path);
}

absl::StatusOr<std::string> ReadPrivateFile(const std::filesystem::path& path, std::size_t limit) {
  const std::string what = Concat("cannot read ", path.native());
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0 && errno == ENOENT) return absl::NotFoundError(what + ": no such file");
  if (fd.get() < 0) return FileError(errno, what);
  struct stat facts{};
  if (fstat(fd.get(), &facts) != 0) return FileError(errno, what);
  if ((facts.st_mode & S_IRWXO) != 0) {
    return absl::FailedPreconditionError(
        Concat(path.native(), " is open to others than its owner: chmod 600 it"));
  }
  // Kubernetes opens all files of a volume to the group of the pod, at each mount.
  if ((facts.st_mode & S_IRWXG) != 0 && fchmod(fd.get(), kOwnerOnly) != 0) {
    return FileError(errno, Concat("cannot close ", path.native(), " to its group"));
  }
  std::string bytes(limit, '\0');
  std::size_t filled = 0;
  while (filled < limit) {
    const ssize_t got = read(fd.get(), bytes.data() + filled, limit - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, what);
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

}  // namespace fetchd::store
