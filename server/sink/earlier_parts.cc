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

absl::Status EarlierParts::Unlink(int directory_fd, std::int64_t run) {
  const std::string name = NameOf(run);
  struct stat part{};
  if (::fstatat(directory_fd, name.c_str(), &part, AT_SYMLINK_NOFOLLOW) == 0) {
    removed_.emplace_back(part.st_dev, part.st_ino);
  }
  if (tree_.calls().Unlink(directory_fd, name) == 0 || errno == ENOENT) return absl::OkStatus();
  return FileError(errno, "remove an earlier temporary file of", basename_);
}

absl::Status EarlierParts::Remove(int directory_fd) {
  for (std::int64_t run = run_.own - 1; run >= first(); --run) {
    RETURN_IF_ERROR(Unlink(directory_fd, run));
  }
  return absl::OkStatus();
}

bool EarlierParts::Removed(const struct stat& file) const {
  return std::ranges::find(removed_, std::pair(file.st_dev, file.st_ino)) != removed_.end();
}

absl::StatusOr<UniqueFd> EarlierParts::TakeOver(int directory_fd, std::uint64_t bytes) {
  UniqueFd taken;
  if (!any()) return taken;
  struct stat own{};
  const bool has_own =
      ::fstatat(directory_fd, NameOf(run_.own).c_str(), &own, AT_SYMLINK_NOFOLLOW) == 0;
  const std::int64_t last = bytes == 0 || has_own ? run_.own : std::max(first(), run_.kept);
  for (std::int64_t run = run_.own - 1; !taken && run >= last; --run) {
    ASSIGN_OR_RETURN(taken, Inherit(directory_fd, run, bytes));
  }
  RETURN_IF_ERROR(Remove(directory_fd));
  return taken;
}

// Whoever writes to it holds its lock for as long as he lives.
absl::StatusOr<UniqueFd> EarlierParts::Inherit(int directory_fd, std::int64_t run,
                                               std::uint64_t bytes) const {
  FileCalls& calls = tree_.calls();
  UniqueFd part(calls.OpenAt(directory_fd, NameOf(run), O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0));
  struct stat info{};
  if (!part || ::fstat(part.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_nlink != 1 ||
      static_cast<std::uint64_t>(info.st_size) < bytes) {
    return UniqueFd();
  }
  if (calls.Lock(part.get()) != 0) return Copy(directory_fd, part.get(), bytes);
  if (calls.Rename(directory_fd, NameOf(run), NameOf(run_.own)) == 0) return part;
  return FileError(errno, "take over the temporary file of", basename_);
}

// None when there is no room for it or the like: it is fetched again. What is taken over is
// durable, as the last checkpoint promised.
absl::StatusOr<UniqueFd> EarlierParts::Copy(int directory_fd, int from_fd,
                                            std::uint64_t bytes) const {
  FileCalls& calls = tree_.calls();
  const std::string name = NameOf(run_.own);
  UniqueFd copy(
      calls.OpenAt(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, kPartMode));
  if (!copy) return FileError(errno, "open the temporary file of", basename_);
  if (calls.Copy(from_fd, copy.get(), bytes) == 0 && calls.SyncData(copy.get()) == 0) return copy;
  if (calls.Unlink(directory_fd, name) != 0) {
    return FileError(errno, "remove the temporary file of", basename_);
  }
  return UniqueFd();
}

}  // namespace fetchd::sink
