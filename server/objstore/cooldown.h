// When a store asks everybody to wait.
#pragma once

#include <atomic>
#include <optional>

#include "base/time.h"

namespace fetchd::objstore {

/// Of one store, shared by all shards: until it is over, nobody begins a request to that store.
/// Thread-safe.
class Cooldown {
 public:
  /// A store that asks for more gets `most`.
  explicit Cooldown(Duration most = std::chrono::minutes(5)) : most_(most) {}

  /// Nobody begins before `now` + `duration`, or before what was asked for already, whichever is
  /// later.
  void Hold(SteadyTime now, Duration duration);
  /// Empty: begin.
  std::optional<SteadyTime> Until(SteadyTime now) const;

 private:
  const Duration most_;
  std::atomic<SteadyTime::rep> until_{0};  ///< Since the steady clock's epoch.
};

}  // namespace fetchd::objstore
