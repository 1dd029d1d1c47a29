#include "simulation/scheduler.h"

#include <algorithm>

#include "base/check.h"

namespace fetchd::simulation {
namespace {

// Some hundred times what a run takes.
constexpr std::uint64_t kMaxSteps = 5'000'000;

}  // namespace

bool Scheduler::RunOne() {
  FETCHD_CHECK(++steps_ < kMaxSteps);  // It goes round in circles.
  const std::size_t shards = runtime_.size();
  const std::size_t first = dice_.Below(shards + 1);
  for (std::size_t i = 0; i <= shards; ++i) {
    const std::size_t turn = (first + i) % (shards + 1);
    asio::io_context& loop = turn < shards ? runtime_.shard(turn).context() : blocking_;
    loop.restart();
    if (loop.poll_one() > 0) return true;
  }
  return false;
}

void Scheduler::PassTime() {
  const auto timer = clock_.NextWakeAt();
  const auto delay = delays_.NextAt();
  FETCHD_CHECK(timer || delay);  // Somebody waits, and nothing will ever happen.
  const SteadyTime next =
      std::min(timer.value_or(SteadyTime::max()), delay.value_or(SteadyTime::max()));
  clock_.Advance(std::max(next - clock_.Now(), SteadyTime::duration::zero()));
  delays_.RunDue();
}

}  // namespace fetchd::simulation
