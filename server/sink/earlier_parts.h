// What earlier runs of a job have left of its body, where several processes run jobs.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

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
  /// The file of the latest run, of those from `run.kept` on, that has `bytes` or more, locked, as
  /// that of this run; none when there is no such, or this run has one already. Removes the others:
  /// whoever still has one open can no longer publish it. What another process may still be writing
  /// is not taken over but copied, up to `bytes`; when it may, its lock says (flock(2)), or that
  /// there are no locks here.
  absl::StatusOr<UniqueFd> TakeOver(int directory_fd, std::uint64_t bytes);
  absl::Status Remove(int directory_fd);
  /// Is `file` one of those that were removed: published by a run that did not live to record it?
  bool Removed(const struct stat& file) const;

 private:
  std::int64_t first() const;
  std::string NameOf(std::int64_t run) const;
  absl::StatusOr<UniqueFd> Inherit(int directory_fd, std::int64_t run, std::uint64_t bytes) const;
  absl::StatusOr<UniqueFd> Copy(int directory_fd, int from_fd, std::uint64_t bytes) const;
  absl::Status Unlink(int directory_fd, std::int64_t run);

  const FileTree& tree_;
  const std::string basename_;
  const JobId job_;
  const RunNumbers run_;
  std::vector<std::pair<dev_t, ino_t>> removed_;
};

}  // namespace fetchd::sink
