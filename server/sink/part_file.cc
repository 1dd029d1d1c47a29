#include "sink/part_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/strings.h"
#include "sink/file_error.h"
#include "sink/part_name.h"

namespace fetchd::sink {
namespace {

constexpr std::size_t kCompareBlock = std::size_t{256} << 10;

// Dirty pages a transfer may pile up before write-back starts, so that a flush never has much left
// to do, its own or another's.
constexpr std::uint64_t kWriteBackStep = std::uint64_t{8} << 20;

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// False with errno set when there is no such name.
bool StatAt(int directory_fd, const std::string& name, struct stat& out) {
  return ::fstatat(directory_fd, name.c_str(), &out, AT_SYMLINK_NOFOLLOW) == 0;
}

// A hint: what it cannot start now, the flush does later.
void StartWriteBack(int fd, std::uint64_t first, std::uint64_t end) {
  ::sync_file_range(fd, static_cast<off_t>(first), static_cast<off_t>(end - first),
                    SYNC_FILE_RANGE_WRITE);
}

}  // namespace

PartFile::PartFile(FileTree& tree, std::string path, PartOwner owner, OverwritePolicy overwrite)
    : tree_(tree),
      path_(std::move(path)),
      directory_(ParentOf(path_)),
      name_(LastSegmentOf(path_)),
      part_name_(PartFileName(name_, owner.job, owner.run.own)),
      shared_(owner.run.own > 0),
      earlier_(tree, name_, std::move(owner.job), owner.run),
      overwrite_(overwrite) {}

absl::Status PartFile::CheckDestination(int directory_fd) const {
  struct stat existing{};
  if (!StatAt(directory_fd, name_, existing)) {
    return errno == ENOENT ? absl::OkStatus() : FileError(errno, "look at", path_);
  }
  if (S_ISREG(existing.st_mode)) return absl::OkStatus();
  const char* what = S_ISDIR(existing.st_mode)   ? "a directory"
                     : S_ISLNK(existing.st_mode) ? "a symbolic link"
                                                 : "not a regular file";
  return WithReason(absl::FailedPreconditionError(
                        Concat("destination \"", path_, "\" exists and is ", std::string_view(what),
                               ": remove it or choose another destination")),
                    {"DESTINATION_INVALID", {}});
}

// Overwrite "never", before anything is written. True: this job's own was there, published before a
// crash that came before its success was recorded. All names go, and the next bytes to another
// file: somebody may be reading this one.
absl::StatusOr<bool> PartFile::AdmitNewFile(int directory_fd) {
  struct stat existing{};
  struct stat part{};
  if (!StatAt(directory_fd, name_, existing)) return false;
  const bool own = StatAt(directory_fd, part_name_, part) && SameFile(existing, part);
  if (!own && !earlier_.Removed(existing)) return FileError(EEXIST, "write", path_);
  if (tree_.calls().Unlink(directory_fd, name_) != 0) return FileError(errno, "take back", path_);
  RETURN_IF_ERROR(DiscardOwn(directory_fd));
  return true;
}

// Says to later runs that this one writes, for as long as the file is open; where there are no
// locks they copy what they find.
absl::Status PartFile::Hold(int directory_fd) const {
  const bool locked = tree_.calls().Lock(fd_.get()) == 0;
  struct stat named{};
  struct stat open{};
  const bool there = (locked || errno != EWOULDBLOCK) && StatAt(directory_fd, part_name_, named) &&
                     ::fstat(fd_.get(), &open) == 0 && SameFile(named, open);
  if (there) return absl::OkStatus();
  return absl::UnavailableError(
      Concat("a later run has the temporary file of \"", path_, "\" by now"));
}

// A file that has another name as well, or is no plain file, is not ours to write into: it is
// replaced.
absl::Status PartFile::OpenPart(int directory_fd) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
  FileCalls& calls = tree_.calls();
  fd_ = UniqueFd(calls.OpenAt(directory_fd, part_name_, kFlags, kPartMode));
  struct stat part{};
  if (fd_ && ::fstat(fd_.get(), &part) == 0 && S_ISREG(part.st_mode) && part.st_nlink == 1) {
    return absl::OkStatus();
  }
  if (!fd_ && errno != ELOOP) return FileError(errno, "open the temporary file of", path_);
  calls.Unlink(directory_fd, part_name_);
  fd_ = UniqueFd(calls.OpenAt(directory_fd, part_name_, kFlags | O_EXCL, kPartMode));
  if (!fd_) return FileError(errno, "open the temporary file of", path_);
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> PartFile::Open(std::uint64_t resume_bytes) {
  ASSIGN_OR_RETURN(const UniqueFd directory, tree_.MakeDirectory(directory_));
  RETURN_IF_ERROR(CheckDestination(directory.get()));
  // First: whoever is to be found out to have published has no name to do so afterwards.
  ASSIGN_OR_RETURN(fd_, earlier_.TakeOver(directory.get(), resume_bytes));
  if (overwrite_ == OverwritePolicy::kNever) {
    ASSIGN_OR_RETURN(const bool taken_back, AdmitNewFile(directory.get()));
    if (taken_back) fd_.Reset();
  }
  if (!fd_) RETURN_IF_ERROR(OpenPart(directory.get()));
  if (shared_) RETURN_IF_ERROR(Hold(directory.get()));
  ASSIGN_OR_RETURN(on_root_file_system_, tree_.IsOnRootFileSystem(directory.get()));
  struct stat part{};
  if (::fstat(fd_.get(), &part) != 0) return FileError(errno, "open", path_);
  const bool kept = resume_bytes > 0 && static_cast<std::uint64_t>(part.st_size) >= resume_bytes;
  size_bytes_ = kept ? resume_bytes : 0;
  written_back_bytes_ = size_bytes_;
  ahead_.Clear();
  if (static_cast<std::uint64_t>(part.st_size) != size_bytes_ &&
      tree_.calls().Truncate(fd_.get(), size_bytes_) != 0) {
    return FileError(errno, "truncate", path_);
  }
  return size_bytes_;
}

absl::Status PartFile::Truncate() {
  if (tree_.calls().Truncate(fd_.get(), 0) != 0) return FileError(errno, "truncate", path_);
  size_bytes_ = 0;
  written_back_bytes_ = 0;
  ahead_.Clear();
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> PartFile::ReadAt(std::uint64_t offset, std::span<std::byte> out) const {
  const std::uint64_t end = ahead_.EndFrom(size_bytes_);
  if (offset >= end) return 0;
  const auto wanted = std::min<std::uint64_t>(out.size(), end - offset);
  return ReadAtFully(fd_.get(), offset, out.first(wanted), path_);
}

absl::Status PartFile::WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = tree_.calls().Write(fd_.get(), bytes, offset);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return FileError(errno, "write", path_);
    offset += static_cast<std::uint64_t>(put);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return absl::OkStatus();
}

// The file is whole up to here.
void PartFile::Reach(std::uint64_t size_bytes) {
  size_bytes_ = size_bytes;
  ahead_.DropBefore(size_bytes_);
  if (size_bytes_ - written_back_bytes_ < kWriteBackStep) return;
  StartWriteBack(fd_.get(), written_back_bytes_, size_bytes_);
  written_back_bytes_ = size_bytes_;
}

absl::Status PartFile::Append(std::span<const std::byte> bytes) {
  RETURN_IF_ERROR(WriteAt(size_bytes_, bytes));
  Reach(size_bytes_ + bytes.size());
  return absl::OkStatus();
}

absl::Status PartFile::WriteAhead(std::uint64_t offset, std::span<const std::byte> bytes) {
  if (offset < size_bytes_) return absl::InternalError("written ahead over what was written");
  RETURN_IF_ERROR(WriteAt(offset, bytes));
  const std::uint64_t end = offset + bytes.size();
  ahead_.Add(offset, end);
  const std::uint64_t step = offset / kWriteBackStep * kWriteBackStep;
  if (end >= step + kWriteBackStep) StartWriteBack(fd_.get(), step, step + kWriteBackStep);
  return absl::OkStatus();
}

absl::Status PartFile::Advance(std::uint64_t bytes) {
  const std::uint64_t end = size_bytes_ + bytes;
  if (ahead_.EndFrom(size_bytes_) < end) return absl::InternalError("not all was written ahead");
  Reach(end);
  return absl::OkStatus();
}

absl::Status PartFile::CheckWhole() const {
  if (ahead_.empty()) return absl::OkStatus();
  return absl::InternalError(Concat("\"", path_, "\" has a hole behind byte ", size_bytes_));
}

absl::Status PartFile::Checkpoint() {
  RETURN_IF_ERROR(SyncData());
  if (entry_durable_) return absl::OkStatus();
  ASSIGN_OR_RETURN(const UniqueFd directory, tree_.OpenDirectory(directory_));
  RETURN_IF_ERROR(tree_.SyncDirectory(directory_, directory.get()));
  entry_durable_ = true;
  return absl::OkStatus();
}

absl::Status PartFile::Discard() {
  fd_.Reset();
  const absl::StatusOr<UniqueFd> directory = tree_.OpenDirectory(directory_);
  if (!directory.ok()) {
    return absl::IsNotFound(directory.status()) ? absl::OkStatus() : directory.status();
  }
  RETURN_IF_ERROR(DiscardOwn(directory->get()));
  return earlier_.Remove(directory->get());
}

absl::Status PartFile::DiscardOwn(int directory_fd) {
  if (tree_.calls().Unlink(directory_fd, part_name_) == 0 || errno == ENOENT) {
    return absl::OkStatus();
  }
  return FileError(errno, "remove the temporary file of", path_);
}

absl::StatusOr<bool> PartFile::MatchesDestination() {
  const absl::StatusOr<UniqueFd> existing =
      tree_.OpenFile(path_, O_RDONLY | O_NONBLOCK | O_NOFOLLOW);
  if (absl::IsUnavailable(existing.status())) return existing.status();
  if (!existing.ok()) return false;  // Absent, or not to be read: it is replaced.
  ASSIGN_OR_RETURN(const bool same, HoldsTheSame(existing->get()));
  if (!same) return false;
  if (tree_.calls().SyncData(existing->get()) != 0) return FileError(errno, "flush", path_);
  ASSIGN_OR_RETURN(const UniqueFd directory, tree_.OpenDirectory(directory_));
  RETURN_IF_ERROR(tree_.SyncDirectory(directory_, directory.get()));
  return true;
}

absl::StatusOr<bool> PartFile::HoldsTheSame(int existing_fd) const {
  struct stat info{};
  if (::fstat(existing_fd, &info) != 0) return FileError(errno, "look at", path_);
  if (!S_ISREG(info.st_mode) || static_cast<std::uint64_t>(info.st_size) != size_bytes_) {
    return false;
  }
  const auto mine = std::make_unique_for_overwrite<std::byte[]>(kCompareBlock);
  const auto theirs = std::make_unique_for_overwrite<std::byte[]>(kCompareBlock);
  for (std::uint64_t offset = 0; offset < size_bytes_; offset += kCompareBlock) {
    const std::span<std::byte> mine_span(mine.get(), kCompareBlock);
    const std::span<std::byte> theirs_span(theirs.get(), kCompareBlock);
    ASSIGN_OR_RETURN(const std::size_t mine_size, ReadAtFully(fd_.get(), offset, mine_span, path_));
    ASSIGN_OR_RETURN(const std::size_t theirs_size,
                     ReadAtFully(existing_fd, offset, theirs_span, path_));
    if (!std::ranges::equal(mine_span.first(mine_size), theirs_span.first(theirs_size))) {
      return false;
    }
  }
  return true;
}

absl::Status PartFile::SyncData() {
  if (tree_.calls().SyncData(fd_.get()) != 0) return FileError(errno, "flush", path_);
  return absl::OkStatus();
}

absl::Status PartFile::CheckSynced() {
  if (tree_.calls().AwaitWriteBack(fd_.get()) != 0) return FileError(errno, "flush", path_);
  return absl::OkStatus();
}

absl::Status PartFile::Link(int directory_fd) const {
  if (overwrite_ == OverwritePolicy::kNever) {
    if (tree_.calls().Link(directory_fd, part_name_, name_) != 0) {
      return FileError(errno, "publish", path_);
    }
    return absl::OkStatus();
  }
  if (tree_.calls().Rename(directory_fd, part_name_, name_) != 0) {
    return FileError(errno, "publish", path_);
  }
  return absl::OkStatus();
}

absl::Status PartFile::Publish() {
  auto directory = tree_.OpenDirectory(directory_);
  if (absl::IsNotFound(directory.status())) return FileError(ENOENT, "publish", path_);
  RETURN_IF_ERROR(directory.status());
  directory_fd_ = *std::move(directory);
  RETURN_IF_ERROR(CheckDestination(directory_fd_.get()));
  if (tree_.calls().SetMode(fd_.get(), tree_.file_mode()) != 0)
    return FileError(errno, "publish", path_);
  return Link(directory_fd_.get());
}

absl::Status PartFile::SyncEntries() {
  return tree_.SyncDirectory(directory_, directory_fd_.get());
}

}  // namespace fetchd::sink
