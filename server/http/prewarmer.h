// Connections that are opened before anybody asks.
#pragma once

#include <cstddef>
#include <vector>

#include "base/time.h"
#include "base/url.h"
#include "http/client.h"
#include "http/pooled_client.h"
#include "runtime/task_group.h"

namespace fetchd::http {

/// Keeps connections open to the origins that the operator names: idle ones and ones in use
/// together. Over HTTP/2 one is enough. They take free places only, and give them up like any idle
/// connection; those that end are replaced. Lives on one shard; join `tasks` before this dies.
class Prewarmer {
 public:
  static constexpr Duration kInterval = std::chrono::seconds(1);
  static constexpr Duration kMaxInterval = std::chrono::minutes(1);  ///< While connecting fails.

  struct Target {
    Url url;
    std::size_t connections = 0;
  };

  Prewarmer(Clock& clock, PooledClient& client, runtime::TaskGroup& tasks)
      : clock_(clock), client_(client), tasks_(tasks) {}

  /// Until `tasks` is cancelled.
  void Keep(Target target);

 private:
  Task<absl::Status> KeepTask(Target target);

  Clock& clock_;
  PooledClient& client_;
  runtime::TaskGroup& tasks_;
};

}  // namespace fetchd::http
