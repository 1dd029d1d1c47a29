#include "fetch/batch_runner.h"

#include <utility>

namespace fetchd::fetch {
namespace {

/// Small enough that other changes, which wait behind a step, do not notice it.
constexpr int kJobsAStep = 200;
constexpr Duration kAfterAFailedStep = std::chrono::seconds(1);

}  // namespace

BatchRunner::BatchRunner(asio::any_io_executor executor, Clock& clock, jobs::BatchStore& store,
                         StoreHealth& health, OnStep on_step, std::optional<Duration> look_again)
    : clock_(clock),
      store_(store),
      health_(health),
      on_step_(std::move(on_step)),
      look_again_(look_again),
      wake_(executor),
      stop_(executor) {}

void BatchRunner::Stop() {
  stopping_.store(true, std::memory_order_release);
  stop_.Set();
  wake_.Set();
}

Task<absl::Status> BatchRunner::Run() {
  while (!stopping()) {
    const bool more = co_await Step();
    if (!more && !stopping()) co_await WaitForWork();
  }
  co_return absl::OkStatus();
}

Task<void> BatchRunner::WaitForWork() {
  if (look_again_) {
    co_await FirstOf(clock_.SleepFor(*look_again_), wake_.Wait());
  } else {
    co_await wake_.Wait();
  }
}

// Returns whether there is more to do, as far as is known.
Task<bool> BatchRunner::Step() {
  absl::StatusOr<jobs::BatchStep> step = co_await store_.StepBatches(kJobsAStep);
  health_.Note("do what was asked of a batch", step.status());
  if (!step.ok()) {
    co_await FirstOf(clock_.SleepFor(kAfterAFailedStep), stop_.Wait());
    co_return true;
  }
  const bool more = step->more;
  co_await on_step_(std::move(step->changed));
  co_return more;
}

}  // namespace fetchd::fetch
