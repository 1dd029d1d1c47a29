// The time of one attempt, for its total timeout.
#pragma once

#include <optional>
#include <vector>

#include "base/time.h"
#include "http/client.h"

namespace fetchd::fetch {

/// Its Now() is how long the attempt has been with its origins: from the first connection in hand
/// or dialled, standing still while a later hop waits for a place in the pool, or a body for the
/// memory of its decoders, and while it is paused. So a total timeout says what an origin may take,
/// whatever else goes on in this process. On one shard; `hops` are those of the attempt, and
/// outlive it as `real` does.
class AttemptClock final : public Clock {
 public:
  AttemptClock(Clock& real, const std::vector<http::ExchangeRecord>& hops)
      : real_(real), hops_(hops) {}

  SteadyTime Now() const override;
  WallTime WallNow() const override { return real_.WallNow(); }
  /// Late by up to 50 ms when the clock stood still meanwhile.
  Task<void> SleepUntil(SteadyTime at) override;

  /// Stands still while one of these exists: nothing is asked of the origin.
  class Pause {
   public:
    explicit Pause(AttemptClock& clock) : clock_(clock) {
      if (clock_.pauses_++ == 0) clock_.paused_since_ = clock_.real_.Now();
    }
    ~Pause() {
      if (--clock_.pauses_ > 0) return;
      clock_.paused_ += clock_.real_.Now() - *clock_.paused_since_;
      clock_.paused_since_.reset();
    }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    AttemptClock& clock_;
  };

 private:
  Duration Waited(SteadyTime now) const;

  Clock& real_;
  const std::vector<http::ExchangeRecord>& hops_;
  int pauses_ = 0;
  Duration paused_{};
  std::optional<SteadyTime> paused_since_;
};

}  // namespace fetchd::fetch
