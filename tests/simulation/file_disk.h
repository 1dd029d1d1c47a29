// The disk under the real file sink: a real folder, which forgets what was not flushed.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "simulation/dice.h"
#include "simulation/power.h"
#include "sink/file_calls.h"
#include "sink/unique_fd.h"

namespace fetchd::simulation {

/// The folder is what the running system sees; for each change that is not flushed it is known how
/// to undo it. A name is durable once its directory is flushed, bytes once their file is. One
/// thread.
class FileDisk final : public sink::FileCalls {
 public:
  /// Called when a name that is no temporary file's comes to lead to other bytes.
  using OnVisible = std::function<void(const std::string& path)>;

  FileDisk(Power& power, std::filesystem::path folder);
  ~FileDisk() override;

  const std::filesystem::path& root() const { return root_; }
  void Watch(OnVisible on_visible) { on_visible_ = std::move(on_visible); }
  /// Calls that write fail with EIO or ENOSPC so often. `dice` outlives its use.
  void Fail(double share, Dice* dice);
  /// Empty, and durable.
  void Reset();
  /// Undoes, in each directory, changes of names from some point on, and of each file some of what
  /// was written. Nothing is open.
  void LosePower(Dice& dice);

  int OpenAt(int directory, const std::string& name, int flags, mode_t mode) override;
  int MakeDirectory(int parent, const std::string& name, mode_t mode) override;
  ssize_t Write(int fd, std::span<const std::byte> bytes, std::uint64_t offset) override;
  int Truncate(int fd, std::uint64_t size_bytes) override;
  int SetMode(int fd, mode_t mode) override;
  int Rename(int directory, const std::string& from, const std::string& to) override;
  int Link(int directory, const std::string& from, const std::string& to) override;
  int Unlink(int directory, const std::string& name) override;
  int SyncData(int fd) override;
  int SyncDirectory(int fd) override;
  int SyncFileSystem(int fd) override;
  int AwaitWriteBack(int fd) override;

 private:
  /// A change of a name that is not flushed.
  struct NameChange {
    enum class Kind { kCreate, kMakeDirectory, kRename, kLink, kUnlink };
    Kind kind;
    std::string directory, name;
    std::string from;  ///< kRename.
    std::string kept;  ///< What the name led to before, in the attic; empty = nothing.
  };
  struct Unflushed {
    sink::UniqueFd file;
    std::string durable;
  };

  bool Allows();
  std::string Keep(const std::string& path);
  void RememberBytes(int fd);
  void Undo(const NameChange& change);
  void NoteVisible(const std::string& directory, const std::string& name);

  Power& power_;
  const std::filesystem::path folder_;
  const std::filesystem::path root_;
  const std::filesystem::path attic_;
  OnVisible on_visible_;
  double fail_share_ = 0;
  Dice* dice_ = nullptr;
  std::size_t kept_ = 0;
  std::vector<NameChange> names_;
  std::map<ino_t, Unflushed> bytes_;
};

/// The whole file; empty when it cannot be read.
std::string ReadFile(const std::filesystem::path& path);

}  // namespace fetchd::simulation
