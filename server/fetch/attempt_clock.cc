#include "fetch/attempt_clock.h"

#include <algorithm>
#include <chrono>

namespace fetchd::fetch {
namespace {

constexpr Duration kTick = std::chrono::milliseconds(50);

}  // namespace

SteadyTime AttemptClock::Now() const {
  if (hops_.empty() || !hops_.front().served_at) return SteadyTime();
  const SteadyTime now = real_.Now();
  return SteadyTime(now - *hops_.front().served_at - Waited(now));
}

Duration AttemptClock::Waited(SteadyTime now) const {
  Duration waited = paused_;
  if (paused_since_) waited += now - *paused_since_;
  for (auto hop = hops_.begin() + 1; hop != hops_.end(); ++hop) {
    waited += hop->served_at.value_or(now) - hop->begun_at;
  }
  for (const http::ExchangeRecord& hop : hops_) {
    waited += hop.memory_wait;
    if (hop.memory_wait_since) waited += now - *hop.memory_wait_since;
  }
  return waited;
}

Task<void> AttemptClock::SleepUntil(SteadyTime at) {
  for (Duration left = at - Now(); left > Duration::zero(); left = at - Now()) {
    co_await real_.SleepFor(std::max(left, kTick));
  }
}

}  // namespace fetchd::fetch
