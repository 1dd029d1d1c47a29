// What earlier runs of a job have left of its body, where several processes run jobs.
#pragma once

#include <cstdint>
#include <string>

#include "base/ids.h"
#include "base/status.h"
#include "sink/destinations.h"
#include "sink/file_tree.h"

namespace fetchd::sink {

/// The temporary files beside one destination of one job, each named for its run. All calls block.
class EarlierParts {
 public:
  /// Of runs before `run.own`; nothing when that is 0.
  EarlierParts(const FileTree& tree, std::string basename, JobId job, RunNumbers run);

  bool any() const { return run_.own > 1; }
  /// Makes the file of the latest run, of those from `run.kept` on, that has `bytes` or more the
  /// one of this run, if there is any such and this run has none yet. Removes the others: whoever
  /// still has one open can no longer publish it. What another process may still be writing is not
  /// taken over but copied, up to `bytes`; when it may, its lock says (flock(2)), or that there are
  /// no locks here.
  absl::Status TakeOver(int directory_fd, std::uint64_t bytes) const;
  absl::Status Remove(int directory_fd) const;
  /// Is one of them, or that of this run, the same file as `name`: published by a run that did not
  /// live to record it?
  bool Published(int directory_fd, const std::string& name) const;

 private:
  std::int64_t first() const;
  std::string NameOf(std::int64_t run) const;
  absl::StatusOr<bool> Inherit(int directory_fd, std::int64_t run, std::uint64_t bytes) const;
  absl::StatusOr<bool> Copy(int directory_fd, int from_fd, std::uint64_t bytes) const;
  absl::Status Unlink(int directory_fd, std::int64_t run) const;

  const FileTree& tree_;
  const std::string basename_;
  const JobId job_;
  const RunNumbers run_;
};

}  // namespace fetchd::sink
