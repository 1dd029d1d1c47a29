#include "objstore/cooldown.h"

#include <algorithm>

namespace fetchd::objstore {

void Cooldown::Hold(SteadyTime now, Duration duration) {
  const auto until = (now + std::clamp(duration, Duration::zero(), most_)).time_since_epoch();
  SteadyTime::rep known = until_.load();
  while (known < until.count() && !until_.compare_exchange_weak(known, until.count())) {
  }
}

std::optional<SteadyTime> Cooldown::Until(SteadyTime now) const {
  const SteadyTime until{SteadyTime::duration(until_.load())};
  return until <= now ? std::nullopt : std::optional(until);
}

}  // namespace fetchd::objstore
