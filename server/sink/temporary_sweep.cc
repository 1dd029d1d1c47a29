#include "sink/temporary_sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <string_view>

#include "sink/part_name.h"

namespace fetchd::sink {

bool TemporarySweep::Step(std::size_t directories) {
  for (; directories > 0 && !pending_.empty(); --directories) {
    // Depth first: the list stays as short as the tree is deep and wide at one place.
    const std::string directory = std::move(pending_.back());
    pending_.pop_back();
    Visit(directory);
  }
  return !pending_.empty();
}

void TemporarySweep::Visit(const std::string& directory) {
  absl::StatusOr<UniqueFd> fd = tree_.OpenDirectory(directory);
  if (!fd.ok()) return;
  // fdopendir() takes its own descriptor over.
  const int listing_fd = ::fcntl(fd->get(), F_DUPFD_CLOEXEC, 0);
  const auto close = [](DIR* open) { ::closedir(open); };
  const std::unique_ptr<DIR, decltype(close)> listing(listing_fd < 0 ? nullptr
                                                                     : ::fdopendir(listing_fd));
  if (listing == nullptr) return;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    // File systems that do not tell the type: opening as a directory fails for the rest.
    if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) {
      pending_.push_back(directory.empty() ? std::string(name)
                                           : directory + "/" + std::string(name));
    }
    const std::optional<JobId> job = JobOfPartFile(name);
    if (!job || entry->d_type == DT_DIR || live_(*job)) continue;
    if (::unlinkat(fd->get(), entry->d_name, 0) == 0) ++removed_;
  }
}

}  // namespace fetchd::sink
