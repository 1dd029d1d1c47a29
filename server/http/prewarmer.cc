#include "http/prewarmer.h"

#include <algorithm>
#include <utility>

namespace fetchd::http {

void Prewarmer::Keep(Target target) { tasks_.Spawn("http prewarm", KeepTask(std::move(target))); }

Task<absl::Status> Prewarmer::KeepTask(Target target) {
  Duration interval = kInterval;
  while (true) {
    bool opened_some = false;
    absl::StatusOr<bool> opened = true;
    while (opened.ok() && *opened) {
      opened = co_await client_.Warm(target.url, target.connections, Timeouts());
      opened_some |= opened.ok() && *opened;
    }
    // Also when they do not last: a server may accept and then close, for ever.
    interval = opened.ok() && !opened_some ? kInterval : std::min(2 * interval, kMaxInterval);
    co_await clock_.SleepFor(interval);
  }
}

}  // namespace fetchd::http
