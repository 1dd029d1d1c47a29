#include "http/prewarmer.h"

#include <algorithm>
#include <utility>

namespace fetchd::http {

void Prewarmer::Keep(Target target) { tasks_.Spawn("http prewarm", KeepTask(std::move(target))); }

Task<absl::Status> Prewarmer::KeepTask(Target target) {
  Duration interval = kInterval;
  while (true) {
    const absl::StatusOr<bool> opened =
        co_await client_.Warm(target.url, target.connections, Timeouts());
    interval = opened.ok() ? kInterval : std::min(2 * interval, kMaxInterval);
    if (opened.ok() && *opened) continue;
    co_await clock_.SleepFor(interval);
  }
}

}  // namespace fetchd::http
