#include "sink/file_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"
#include "sink/file_error.h"

namespace fetchd::sink {
namespace {

constexpr mode_t kRootMode = 0700;
constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0644;

mode_t CurrentUmask() {
  // There is no call that only reads it; the root is opened before the process writes any file.
  const mode_t mask = ::umask(077);
  ::umask(mask);
  return mask;
}

}  // namespace

std::string ParentOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string LastSegmentOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

absl::StatusOr<std::size_t> ReadAtFully(int fd, std::uint64_t offset, std::span<std::byte> out,
                                        const std::string& path) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FileError(errno, "read", path);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

absl::StatusOr<std::unique_ptr<FileTree>> FileTree::Open(const std::filesystem::path& root,
                                                         FileCalls& calls) {
  std::error_code error;
  const bool existed = std::filesystem::exists(root, error);
  std::filesystem::create_directories(root, error);
  if (error) return FileError(error.value(), "make files.root", root.string());
  if (!existed) ::chmod(root.c_str(), kRootMode);
  const std::filesystem::path canonical = std::filesystem::canonical(root, error);
  if (error) return FileError(error.value(), "open files.root", root.string());
  UniqueFd fd(::open(canonical.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return FileError(errno, "open files.root", root.string());
  const UniqueFd probe(calls.OpenBeneath(fd.get(), "", O_RDONLY | O_DIRECTORY, 0));
  if (!probe && errno == ENOSYS) {
    return absl::FailedPreconditionError("file destinations need openat2(2): Linux 5.6 or newer");
  }
  if (!probe) return FileError(errno, "open files.root", root.string());
  if (::faccessat(fd.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    return FileError(errno, "write to files.root", root.string());
  }
  return std::unique_ptr<FileTree>(
      new FileTree(calls, canonical.string(), std::move(fd), kFileMode & ~CurrentUmask()));
}

absl::StatusOr<UniqueFd> FileTree::OpenFile(const std::string& path, int flags, mode_t mode) const {
  UniqueFd fd(calls_.OpenBeneath(fd_.get(), path, flags, mode));
  if (!fd && errno == ENOENT) return absl::NotFoundError(Concat("no file \"", path, "\""));
  if (!fd) return FileError(errno, "open", path);
  return fd;
}

absl::StatusOr<UniqueFd> FileTree::OpenDirectory(const std::string& path) const {
  return OpenFile(path, O_RDONLY | O_DIRECTORY);
}

absl::StatusOr<UniqueFd> FileTree::MakeDirectory(const std::string& path) {
  UniqueFd fd(calls_.OpenBeneath(fd_.get(), path, O_RDONLY | O_DIRECTORY, 0));
  if (fd) return fd;
  if (errno != ENOENT) return FileError(errno, "open directory", path);
  const std::string parent = ParentOf(path);
  ASSIGN_OR_RETURN(const UniqueFd parent_fd, MakeDirectory(parent));
  const std::string name = LastSegmentOf(path);
  // Marked before, so that a commit that finds the directory also finds that it is not durable; and
  // after, because a flush in between did not cover it.
  MarkUnsynced(parent);
  if (calls_.MakeDirectory(parent_fd.get(), name, kDirectoryMode) != 0 && errno != EEXIST) {
    return FileError(errno, "make directory", path);
  }
  MarkUnsynced(parent);
  fd = UniqueFd(calls_.OpenBeneath(fd_.get(), path, O_RDONLY | O_DIRECTORY, 0));
  if (!fd) return FileError(errno, "open directory", path);
  return fd;
}

void FileTree::MarkUnsynced(const std::string& path) {
  const std::lock_guard lock(mutex_);
  unsynced_[path] = ++changes_;
}

FileTree::Unsynced FileTree::UnsyncedAbove(const std::string& path) const {
  Unsynced found;
  const std::lock_guard lock(mutex_);
  for (std::string at = path; !at.empty() && !unsynced_.empty();) {
    at = ParentOf(at);
    const auto entry = unsynced_.find(at);
    if (entry != unsynced_.end()) found.insert(*entry);
  }
  return found;
}

void FileTree::Forget(const Unsynced& synced) {
  const std::lock_guard lock(mutex_);
  for (const auto& [path, change] : synced) {
    const auto entry = unsynced_.find(path);
    if (entry != unsynced_.end() && entry->second == change) unsynced_.erase(entry);
  }
}

absl::Status FileTree::SyncDirectory(const std::string& path, int fd) {
  if (calls_.SyncDirectory(fd) != 0) return FileError(errno, "flush directory", path);
  const Unsynced above = UnsyncedAbove(path);
  for (const auto& [ancestor, change] : above) {
    ASSIGN_OR_RETURN(const UniqueFd ancestor_fd, OpenDirectory(ancestor));
    if (calls_.SyncDirectory(ancestor_fd.get()) != 0)
      return FileError(errno, "flush directory", ancestor);
  }
  Forget(above);
  return absl::OkStatus();
}

absl::Status FileTree::SyncFileSystem() {
  Unsynced before;
  {
    const std::lock_guard lock(mutex_);
    before = unsynced_;
  }
  if (calls_.SyncFileSystem(fd_.get()) != 0) return FileError(errno, "flush", root_);
  Forget(before);
  return absl::OkStatus();
}

absl::StatusOr<bool> FileTree::IsOnRootFileSystem(int directory_fd) const {
  struct stat root{};
  struct stat directory{};
  if (::fstat(fd_.get(), &root) != 0 || ::fstat(directory_fd, &directory) != 0) {
    return FileError(errno, "look at a directory in", root_);
  }
  return root.st_dev == directory.st_dev;
}

}  // namespace fetchd::sink
