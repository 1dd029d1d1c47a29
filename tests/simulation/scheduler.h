// The one thread of a run, and the order of everything.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>

#include "runtime/runtime.h"
#include "simulation/delays.h"
#include "simulation/dice.h"
#include "support/manual_clock.h"

namespace fetchd::simulation {

/// Shards and blocking pool without threads. Of what is ready the dice choose; when nothing is,
/// time jumps to the next moment that somebody waits for.
class Scheduler {
 public:
  Scheduler(std::size_t shards, testing::ManualClock& clock, Delays& delays, Dice& dice)
      : clock_(clock),
        delays_(delays),
        dice_(dice),
        runtime_(shards, blocking_.get_executor(), [this] { Step(); }) {}

  runtime::Runtime& runtime() { return runtime_; }
  template <typename T>
  T Run(Task<T> task) {
    return runtime::RunBlocking(runtime_.shard(0).executor(), std::move(task));
  }
  void Step() {
    if (!RunOne()) PassTime();
  }
  /// Until nothing is left to do at this moment.
  void Settle() {
    while (RunOne()) {
    }
  }
  std::uint64_t steps() const { return steps_; }

 private:
  bool RunOne();
  void PassTime();

  testing::ManualClock& clock_;
  Delays& delays_;
  Dice& dice_;
  asio::io_context blocking_{1};
  runtime::Runtime runtime_;
  std::uint64_t steps_ = 0;
};

}  // namespace fetchd::simulation
