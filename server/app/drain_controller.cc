#include "app/drain_controller.h"

namespace fetchd::app {

DrainController::DrainController(Clock& clock, Duration default_grace, runtime::DrainSignal& signal)
    : clock_(clock), default_grace_(default_grace), signal_(signal) {}

SteadyTime DrainController::Begin(std::optional<Duration> grace) {
  SteadyTime deadline;
  {
    const std::lock_guard lock(mutex_);
    if (deadline_) return *deadline_;
    deadline_ = Deadline::After(clock_, grace.value_or(default_grace_)).at();
    deadline = *deadline_;
  }
  signal_.Begin(deadline);
  begun_.notify_all();
  return deadline;
}

SteadyTime DrainController::Wait() {
  std::unique_lock lock(mutex_);
  begun_.wait(lock, [this] { return deadline_.has_value(); });
  return *deadline_;
}

}  // namespace fetchd::app
