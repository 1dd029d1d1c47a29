// The temporary file of one job, and how it becomes the destination.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/ids.h"
#include "sink/destinations.h"
#include "sink/earlier_parts.h"
#include "sink/file_tree.h"
#include "sink/sync_group.h"
#include "sink/written_ahead.h"

namespace fetchd::sink {

/// Whose a temporary file is.
struct PartOwner {
  JobId job;
  RunNumbers run = {};
};

/// Lies beside the destination, mode 0600, until it is published. All calls block; one thread at a
/// time. Destruction keeps the file for a later Open.
///
/// With overwrite "never" the file is published as a second hard link and the temporary name stays:
/// if the process dies before the job's success is recorded, the next Open sees by it that the
/// destination is this job's own, takes it back and publishes anew. Destinations::DropTemporary
/// removes it once the success is recorded.
class PartFile final : public Publication {
 public:
  PartFile(FileTree& tree, std::string path, PartOwner owner, OverwritePolicy overwrite);

  /// As Sink::Open.
  absl::StatusOr<std::uint64_t> Open(std::uint64_t resume_bytes);
  bool is_open() const { return static_cast<bool>(fd_); }
  absl::Status Truncate();
  /// Also of what was written ahead without a gap.
  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, std::span<std::byte> out) const;
  absl::Status Append(std::span<const std::byte> bytes);
  /// As Sink::WriteAhead and Sink::Advance.
  absl::Status WriteAhead(std::uint64_t offset, std::span<const std::byte> bytes);
  absl::Status Advance(std::uint64_t bytes);
  /// INTERNAL when something was written ahead that nothing leads up to: a hole.
  absl::Status CheckWhole() const;
  /// Data and directory entry are durable under the temporary name.
  absl::Status Checkpoint();
  /// With those of earlier runs.
  absl::Status Discard();
  /// For overwrite "if different": the destination holds exactly these bytes already. Then they and
  /// their name are durable, whoever wrote them: the job that is told so counts on it.
  absl::StatusOr<bool> MatchesDestination();

  bool reached_by_sync_all() const override { return on_root_file_system_; }
  absl::Status SyncData() override;
  absl::Status CheckSynced() override;
  absl::Status Publish() override;
  absl::Status SyncEntries() override;

  std::uint64_t size_bytes() const { return size_bytes_; }  ///< Without what was written ahead.
  OverwritePolicy overwrite() const { return overwrite_; }
  std::string url() const { return "file://" + tree_.Absolute(path_); }
  /// When nothing is to be resumed: what Open() finds out can wait for the first write. Not where a
  /// later run may have taken the name before that.
  bool CanOpenLater() const { return overwrite_ != OverwritePolicy::kNever && !shared_; }

 private:
  absl::Status CheckDestination(int directory_fd) const;
  absl::StatusOr<bool> AdmitNewFile(int directory_fd);
  absl::Status Hold(int directory_fd) const;
  absl::Status DiscardOwn(int directory_fd);
  absl::Status OpenPart(int directory_fd);
  absl::Status Link(int directory_fd) const;
  absl::Status WriteAt(std::uint64_t offset, std::span<const std::byte> bytes);
  void Reach(std::uint64_t size_bytes);
  absl::StatusOr<bool> HoldsTheSame(int existing_fd) const;

  FileTree& tree_;
  const std::string path_;
  const std::string directory_;
  const std::string name_;
  const std::string part_name_;
  const bool shared_;  ///< Other processes may write for the same job.
  EarlierParts earlier_;
  const OverwritePolicy overwrite_;
  UniqueFd fd_;
  UniqueFd directory_fd_;  ///< Between Publish and SyncEntries.
  std::uint64_t size_bytes_ = 0;
  WrittenAhead ahead_;                    ///< Behind size_bytes_.
  std::uint64_t written_back_bytes_ = 0;  ///< Up to here the kernel was asked to write to disk.
  bool entry_durable_ = false;
  bool on_root_file_system_ = false;
};

}  // namespace fetchd::sink
