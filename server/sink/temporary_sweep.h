// Finds and removes the temporary files that a crash left behind.
#pragma once

#include <deque>
#include <functional>
#include <string>

#include "base/ids.h"
#include "sink/file_tree.h"

namespace fetchd::sink {

/// Walks the whole root: some 10 us a directory when cached, so 100,000 directories cost about a
/// second. Symbolic links are not followed. It goes step by step, so that its caller can be
/// cancelled between two. Blocks.
class TemporarySweep {
 public:
  TemporarySweep(const FileTree& tree, std::function<bool(const JobId&)> live)
      : tree_(tree), live_(std::move(live)), pending_({""}) {}

  /// Looks at up to `directories` more; false when none is left. What cannot be read or removed is
  /// skipped: it is no worse than before.
  bool Step(std::size_t directories);
  std::size_t removed() const { return removed_; }

 private:
  void Visit(const std::string& directory);

  const FileTree& tree_;
  const std::function<bool(const JobId&)> live_;
  std::deque<std::string> pending_;
  std::size_t removed_ = 0;
};

}  // namespace fetchd::sink
