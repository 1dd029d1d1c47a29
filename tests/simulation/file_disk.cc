#include "simulation/file_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <ranges>

#include "base/strings.h"
#include "sink/part_name.h"

namespace fetchd::simulation {
namespace {

constexpr std::size_t kBlockBytes = 64;  // Small, as the bodies are.

std::string PathOf(int fd) {
  std::array<char, PATH_MAX> path;
  const ssize_t size = ::readlink(Concat("/proc/self/fd/", fd).c_str(), path.data(), path.size());
  return std::string(path.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
}

bool Exists(int directory, const std::string& name) {
  return ::faccessat(directory, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

std::string ReadAll(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return "";
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), 0);
  bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  return bytes;
}

}  // namespace

std::string ReadFile(const std::filesystem::path& path) {
  const sink::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd ? ReadAll(fd.get()) : "";
}

FileDisk::FileDisk(Power& power, std::filesystem::path folder)
    : power_(power),
      folder_(std::move(folder)),
      root_(folder_ / "files"),
      attic_(folder_ / "attic") {
  Reset();
}

FileDisk::~FileDisk() {
  bytes_.clear();
  std::filesystem::remove_all(root_);
  std::filesystem::remove_all(attic_);
}

void FileDisk::Reset() {
  names_.clear();
  bytes_.clear();
  for (const auto& folder : {root_, attic_}) {
    std::filesystem::create_directories(folder);
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::filesystem::remove_all(entry.path());
    }
  }
}

void FileDisk::Fail(double share, Dice* dice) {
  fail_share_ = share;
  dice_ = dice;
}

bool FileDisk::Allows() {
  if (!power_.AllowsWrite()) {
    errno = EIO;
    return false;
  }
  if (fail_share_ == 0 || !dice_->Chance(fail_share_)) return true;
  errno = dice_->Chance(0.5) ? EIO : ENOSPC;
  return false;
}

// Under another name, so that an undone change can bring it back.
std::string FileDisk::Keep(const std::string& path) {
  const std::string kept = (attic_ / Concat(++kept_)).string();
  return ::link(path.c_str(), kept.c_str()) == 0 ? kept : "";
}

void FileDisk::RememberBytes(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0 || bytes_.contains(info.st_ino)) return;
  // Open as long as it is remembered: the number is nobody else's meanwhile.
  bytes_[info.st_ino] = {sink::UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)), ReadAll(fd)};
}

void FileDisk::NoteVisible(const std::string& directory, const std::string& name) {
  if (on_visible_ && !sink::JobOfPartFile(name)) on_visible_(directory + "/" + name);
}

int FileDisk::OpenAt(int directory, const std::string& name, int flags, mode_t mode) {
  const bool creates = (flags & O_CREAT) != 0 && !Exists(directory, name);
  if (creates && !Allows()) return -1;
  const int fd = FileCalls::OpenAt(directory, name, flags, mode);
  if (fd >= 0 && creates) {
    names_.push_back({NameChange::Kind::kCreate, PathOf(directory), name, "", ""});
    NoteVisible(names_.back().directory, name);
  }
  return fd;
}

int FileDisk::MakeDirectory(int parent, const std::string& name, mode_t mode) {
  if (!Allows()) return -1;
  const int made = FileCalls::MakeDirectory(parent, name, mode);
  if (made == 0) {
    names_.push_back({NameChange::Kind::kMakeDirectory, PathOf(parent), name, "", ""});
  }
  return made;
}

ssize_t FileDisk::Write(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
  if (!Allows()) return -1;
  RememberBytes(fd);
  const ssize_t put = FileCalls::Write(fd, bytes, offset);
  struct stat info{};
  if (::fstat(fd, &info) == 0 && info.st_nlink == 0) return put;  // Without a name nobody sees it.
  const std::filesystem::path path = PathOf(fd);
  NoteVisible(path.parent_path(), path.filename());
  return put;
}

int FileDisk::Truncate(int fd, std::uint64_t size_bytes) {
  if (!Allows()) return -1;
  RememberBytes(fd);
  return FileCalls::Truncate(fd, size_bytes);
}

int FileDisk::SetMode(int fd, mode_t mode) { return Allows() ? FileCalls::SetMode(fd, mode) : -1; }

int FileDisk::Rename(int directory, const std::string& from, const std::string& to) {
  if (!Allows()) return -1;
  const std::string folder = PathOf(directory);
  const std::string kept = Keep(folder + "/" + to);
  const int renamed = FileCalls::Rename(directory, from, to);
  if (renamed != 0) return renamed;
  names_.push_back({NameChange::Kind::kRename, folder, to, from, kept});
  NoteVisible(folder, to);
  return 0;
}

int FileDisk::Link(int directory, const std::string& from, const std::string& to) {
  if (!Allows()) return -1;
  const int linked = FileCalls::Link(directory, from, to);
  if (linked != 0) return linked;
  names_.push_back({NameChange::Kind::kLink, PathOf(directory), to, "", ""});
  NoteVisible(names_.back().directory, to);
  return 0;
}

int FileDisk::Unlink(int directory, const std::string& name) {
  if (!Allows()) return -1;
  const std::string folder = PathOf(directory);
  const std::string kept = Keep(folder + "/" + name);
  const int removed = FileCalls::Unlink(directory, name);
  if (removed == 0) names_.push_back({NameChange::Kind::kUnlink, folder, name, "", kept});
  return removed;
}

int FileDisk::SyncData(int fd) {
  if (!Allows()) return -1;
  struct stat info{};
  if (::fstat(fd, &info) == 0) bytes_.erase(info.st_ino);
  return 0;
}

int FileDisk::SyncDirectory(int fd) {
  if (!Allows()) return -1;
  std::erase_if(names_,
                [path = PathOf(fd)](const NameChange& change) { return change.directory == path; });
  return 0;
}

int FileDisk::SyncFileSystem(int) {
  if (!Allows()) return -1;
  names_.clear();
  bytes_.clear();
  return 0;
}

// Starts the write-back and waits for it; only a flush of the device makes it durable.
int FileDisk::AwaitWriteBack(int) { return Allows() ? 0 : -1; }

void FileDisk::Undo(const NameChange& change) {
  const std::filesystem::path path = std::filesystem::path(change.directory) / change.name;
  std::error_code gone;  // What lay in a directory that is undone too.
  switch (change.kind) {
    case NameChange::Kind::kMakeDirectory:
      std::filesystem::remove_all(path, gone);
      return;
    case NameChange::Kind::kRename:
      std::filesystem::rename(path, path.parent_path() / change.from, gone);
      break;
    case NameChange::Kind::kCreate:
    case NameChange::Kind::kLink:
      std::filesystem::remove(path, gone);
      break;
    case NameChange::Kind::kUnlink:
      break;
  }
  if (!change.kept.empty()) std::filesystem::rename(change.kept, path, gone);
}

void FileDisk::LosePower(Dice& dice) {
  // Directory by directory, what came last is lost first.
  std::map<std::string, std::size_t> left;
  for (const NameChange& change : names_) ++left[change.directory];
  for (auto& [directory, changes] : left) changes = dice.Below(changes + 1);
  std::vector<const NameChange*> lost;
  for (const NameChange& change : names_) {
    std::size_t& kept = left[change.directory];
    if (kept == 0) lost.push_back(&change);
    if (kept > 0) --kept;
  }
  for (const NameChange* change : std::views::reverse(lost)) Undo(*change);
  for (auto& [inode, file] : bytes_) {
    if (dice.Chance(0.3)) FileCalls::Truncate(file.file.get(), file.durable.size());
    std::string bytes = ReadAll(file.file.get());
    const double kept_share = static_cast<double>(dice.Below(3)) / 2.0;
    file.durable.resize(bytes.size());  // Where the size came through and the bytes did not: zeros.
    for (std::size_t at = 0; at < bytes.size(); at += kBlockBytes) {
      if (!dice.Chance(kept_share)) bytes.replace(at, kBlockBytes, file.durable, at, kBlockBytes);
    }
    FileCalls::Write(file.file.get(), std::as_bytes(std::span(bytes)), 0);
  }
  names_.clear();
  bytes_.clear();
}

}  // namespace fetchd::simulation
