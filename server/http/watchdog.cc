#include "http/watchdog.h"

namespace fetchd::http {

void Watch::Reset(SpeedFloor floor) {
  floor_ = floor;
  waited_ = Duration::zero();
  bytes_ = 0;
  expiry_ = Expiry::kNone;
}

void Watch::Count(std::size_t bytes, SteadyTime now) {
  if (floor_.bytes_per_sec == 0) return;
  waited_ += now - armed_at_;
  bytes_ += bytes;
  armed_at_ = now;
  if (waited_ < floor_.window) return;
  if (TooSlow(now)) return Expire(Expiry::kMinimumSpeed);
  waited_ = Duration::zero();
  bytes_ = 0;
}

bool Watch::TooSlow(SteadyTime now) const {
  const Duration waited = waited_ + (now - armed_at_);
  if (floor_.bytes_per_sec == 0 || waited < floor_.window) return false;
  const double seconds = std::chrono::duration<double>(waited).count();
  return static_cast<double>(bytes_) < static_cast<double>(floor_.bytes_per_sec) * seconds;
}

void Watch::Check(SteadyTime now) {
  if (total_.Passed(now)) return Expire(Expiry::kTotal);
  if (phase_.Passed(now)) return Expire(Expiry::kPhase);
  if (judge_speed_ && TooSlow(now)) Expire(Expiry::kMinimumSpeed);
}

void Watch::Expire(Expiry expiry) {
  expiry_ = expiry;
  unlink();
  target_->Abort();
}

void Watchdog::Arm(Watch& watch, const Wait& wait) {
  watch.unlink();
  watch.target_ = &wait.target;
  watch.armed_at_ = wait.now;
  watch.phase_ = wait.phase;
  watch.total_ = wait.total;
  watch.judge_speed_ = wait.judge_speed;
  armed_.push_back(watch);
  if (ticking_) return;
  ticking_ = true;
  tasks_.Spawn("http watchdog", Tick());
}

Task<absl::Status> Watchdog::Tick() {
  struct Stopped {
    bool& ticking;
    ~Stopped() { ticking = false; }
  } const stopped{ticking_};
  while (!armed_.empty()) {
    co_await clock_.SleepFor(kTick);
    const SteadyTime now = clock_.Now();
    for (auto it = armed_.begin(); it != armed_.end();) {
      Watch& watch = *it++;
      watch.Check(now);
    }
  }
  co_return absl::OkStatus();
}

}  // namespace fetchd::http
