#include "sink/earlier_parts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sink/file_error.h"
#include "sink/part_name.h"

namespace fetchd::sink {
namespace {

// Names that are tried. A job may have been claimed many more times: what still older runs left is
// swept at the next start.
constexpr std::int64_t kMostNames = 64;

}  // namespace

EarlierParts::EarlierParts(const FileTree& tree, std::string basename, JobId job, RunNumbers run)
    : tree_(tree), basename_(std::move(basename)), job_(std::move(job)), run_(run) {}

// 0: of the time when no other process wrote here.
std::int64_t EarlierParts::first() const {
  return std::max<std::int64_t>(run_.own - kMostNames, 0);
}

std::string EarlierParts::NameOf(std::int64_t run) const {
  return PartFileName(basename_, job_, run);
}

absl::Status EarlierParts::Unlink(int directory_fd, std::int64_t run) const {
  if (tree_.calls().Unlink(directory_fd, NameOf(run)) == 0 || errno == ENOENT) {
    return absl::OkStatus();
  }
  return FileError(errno, "remove an earlier temporary file of", basename_);
}

absl::Status EarlierParts::Remove(int directory_fd) const {
  for (std::int64_t run = run_.own - 1; run >= first(); --run) {
    RETURN_IF_ERROR(Unlink(directory_fd, run));
  }
  return absl::OkStatus();
}

absl::Status EarlierParts::TakeOver(int directory_fd, std::uint64_t bytes) const {
  if (!any()) return absl::OkStatus();
  struct stat own{};
  bool found = bytes == 0 ||
               ::fstatat(directory_fd, NameOf(run_.own).c_str(), &own, AT_SYMLINK_NOFOLLOW) == 0;
  for (std::int64_t run = run_.own - 1; !found && run >= std::max(first(), run_.kept); --run) {
    ASSIGN_OR_RETURN(found, Inherit(directory_fd, run, bytes));
  }
  return Remove(directory_fd);
}

// Whoever writes to it holds its lock for as long as he lives.
absl::StatusOr<bool> EarlierParts::Inherit(int directory_fd, std::int64_t run,
                                           std::uint64_t bytes) const {
  FileCalls& calls = tree_.calls();
  const UniqueFd part(calls.OpenAt(directory_fd, NameOf(run), O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0));
  struct stat info{};
  if (!part || ::fstat(part.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1 ||
      static_cast<std::uint64_t>(info.st_size) < bytes) {
    return false;
  }
  if (calls.Lock(part.get()) != 0) return Copy(directory_fd, part.get(), bytes);
  if (calls.Rename(directory_fd, NameOf(run), NameOf(run_.own)) == 0) return true;
  return FileError(errno, "take over the temporary file of", basename_);
}

// False when there is no room for it or the like: it is fetched again.
absl::StatusOr<bool> EarlierParts::Copy(int directory_fd, int from_fd, std::uint64_t bytes) const {
  FileCalls& calls = tree_.calls();
  const std::string name = NameOf(run_.own);
  const UniqueFd copy(
      calls.OpenAt(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, kPartMode));
  if (!copy) return FileError(errno, "open the temporary file of", basename_);
  if (calls.Copy(from_fd, copy.get(), bytes) == 0) return true;
  if (calls.Unlink(directory_fd, name) != 0) {
    return FileError(errno, "remove the temporary file of", basename_);
  }
  return false;
}

bool EarlierParts::Published(int directory_fd, const std::string& name) const {
  struct stat published{};
  if (::fstatat(directory_fd, name.c_str(), &published, AT_SYMLINK_NOFOLLOW) != 0) return false;
  for (std::int64_t run = run_.own; run >= first(); --run) {
    struct stat part{};
    if (::fstatat(directory_fd, NameOf(run).c_str(), &part, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (part.st_dev == published.st_dev && part.st_ino == published.st_ino) return true;
  }
  return false;
}

}  // namespace fetchd::sink
