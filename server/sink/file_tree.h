// Paths beneath one root directory.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include "base/status.h"
#include "sink/file_calls.h"
#include "sink/unique_fd.h"

namespace fetchd::sink {

/// Every walk starts at the root's descriptor and goes through openat2(RESOLVE_BENEATH |
/// RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS), so no name can lead out of the root, whatever
/// others rename or link meanwhile. Paths are relative and
/// '/'-joined; "" is the root. All calls block. Thread-safe.
class FileTree {
 public:
  /// Makes the root (mode 0700) when it is missing. FAILED_PRECONDITION on kernels without openat2
  /// (before 5.6). `calls` outlives the tree.
  static absl::StatusOr<std::unique_ptr<FileTree>> Open(const std::filesystem::path& root,
                                                        FileCalls& calls = SystemFileCalls());

  absl::StatusOr<UniqueFd> OpenFile(const std::string& path, int flags, mode_t mode = 0) const;
  absl::StatusOr<UniqueFd> OpenDirectory(const std::string& path) const;
  /// As OpenDirectory, but makes what is missing, mode 0755 less the umask.
  absl::StatusOr<UniqueFd> MakeDirectory(const std::string& path);
  /// fsyncs `path`'s directory entries, and those of its ancestors in which MakeDirectory made
  /// something not yet durable.
  absl::Status SyncDirectory(const std::string& path, int fd);
  /// syncfs(2): all that was written to the root's file system is durable, whoever wrote it. A
  /// file system that is mounted beneath the root is another one.
  absl::Status SyncFileSystem();
  /// Does SyncFileSystem() reach what is in this directory?
  absl::StatusOr<bool> IsOnRootFileSystem(int directory_fd) const;

  FileCalls& calls() const { return calls_; }
  const std::string& root() const { return root_; }  ///< Canonical, absolute.
  mode_t file_mode() const { return file_mode_; }    ///< 0644 less the umask.
  std::string Absolute(const std::string& path) const { return root_ + "/" + path; }

 private:
  FileTree(FileCalls& calls, std::string root, UniqueFd fd, mode_t file_mode)
      : calls_(calls), root_(std::move(root)), fd_(std::move(fd)), file_mode_(file_mode) {}
  using Unsynced = std::map<std::string, std::uint64_t>;
  void MarkUnsynced(const std::string& path);
  Unsynced UnsyncedAbove(const std::string& path) const;
  void Forget(const Unsynced& synced);

  FileCalls& calls_;
  const std::string root_;
  const UniqueFd fd_;
  const mode_t file_mode_;
  mutable std::mutex mutex_;
  /// Directories that hold a new sub-directory not yet durable, each with the number of its last
  /// change: a flush only settles the changes that came before it.
  Unsynced unsynced_;
  std::uint64_t changes_ = 0;
};

/// Fills `out` from `offset`; fewer bytes only at the end of the file. `path` is for the error.
absl::StatusOr<std::size_t> ReadAtFully(int fd, std::uint64_t offset, std::span<std::byte> out,
                                        const std::string& path);
/// "a/b/c" -> "a/b"; "c" -> "".
std::string ParentOf(const std::string& path);
/// "a/b/c" -> "c".
std::string LastSegmentOf(const std::string& path);

}  // namespace fetchd::sink
