#include "cli/body_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/strings.h"

namespace fetchd::cli {
namespace {

absl::Status IoError(std::string_view what, const std::string& path, int error) {
  return absl::InternalError(Concat(what, " ", path, ": ", std::string_view(strerror(error))));
}

std::string PartOf(const std::string& path) { return path + ".part"; }

/// A symbolic link is written through, not replaced.
std::string FollowLink(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_symlink(path, error)) return path;
  const auto target = std::filesystem::weakly_canonical(path, error);
  return error ? path : target.string();
}

}  // namespace

BodyFile::BodyFile(int fd, std::string path, bool keep_partial)
    : fd_(fd), path_(std::move(path)), keep_partial_(keep_partial) {}

BodyFile::BodyFile(BodyFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::exchange(other.path_, {})),
      owns_fd_(other.owns_fd_),
      keep_partial_(other.keep_partial_),
      offset_(other.offset_) {}

BodyFile::~BodyFile() {
  if (!path_.empty() && fd_ >= 0 && !keep_partial_) unlink(PartOf(path_).c_str());
  if (fd_ >= 0 && owns_fd_) close(fd_);
}

BodyFile BodyFile::ForDescriptor(int fd) {
  BodyFile file(fd, "", false);
  file.owns_fd_ = false;
  return file;
}

absl::StatusOr<BodyFile> BodyFile::Open(const std::string& given, bool keep_partial) {
  const std::string path = FollowLink(given);
  struct stat info{};
  const bool exists = stat(path.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(Concat(path, " is a directory"));
  }
  if (exists && !S_ISREG(info.st_mode)) {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd < 0) return IoError("cannot open", path, errno);
    return BodyFile(fd, "", false);
  }
  const std::string part = PartOf(path);
  const int fd = open(part.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0) return IoError("cannot create", part, errno);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::AlreadyExistsError(Concat("another process writes ", part));
  }
  BodyFile file(fd, path, keep_partial);
  if (!keep_partial && ftruncate(fd, 0) != 0) return IoError("cannot truncate", part, errno);
  const off_t end = lseek(fd, 0, SEEK_END);
  if (end < 0) return IoError("cannot seek in", part, errno);
  file.offset_ = static_cast<std::uint64_t>(end);
  return file;
}

absl::Status BodyFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      return IoError("cannot write", path_.empty() ? "output" : PartOf(path_), errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset_ += static_cast<std::uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::Status BodyFile::ReadBack(const std::function<void(std::string_view)>& visit) const {
  std::string buffer(1 << 20, '\0');
  for (std::uint64_t at = 0; at < offset_;) {
    const ssize_t got = pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return IoError("cannot read", PartOf(path_), got < 0 ? errno : EIO);
    visit(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
    at += static_cast<std::uint64_t>(got);
  }
  return absl::OkStatus();
}

absl::Status BodyFile::Commit() {
  if (path_.empty()) return absl::OkStatus();
  if (std::rename(PartOf(path_).c_str(), path_.c_str()) != 0) {
    return IoError("cannot rename to", path_, errno);
  }
  close(std::exchange(fd_, -1));
  return absl::OkStatus();
}

}  // namespace fetchd::cli
