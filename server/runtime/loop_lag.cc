#include "runtime/loop_lag.h"

#include <algorithm>
#include <chrono>

namespace fetchd::runtime {

struct LoopLagMonitor::ShardLag {
  explicit ShardLag(asio::any_io_executor executor) : tasks(std::move(executor)) {}

  Task<absl::Status> Measure(Clock& clock, Duration interval);
  void Record(Duration lag, SteadyTime now);

  std::atomic<Duration::rep> last{0};
  std::atomic<Duration::rep> peak{0};
  SteadyTime minute_began;  ///< On the shard only.
  TaskGroup tasks;
};

Task<absl::Status> LoopLagMonitor::ShardLag::Measure(Clock& clock, Duration interval) {
  minute_began = clock.Now();
  while (true) {
    const SteadyTime due = clock.Now() + interval;
    co_await clock.SleepUntil(due);
    const SteadyTime now = clock.Now();
    Record(std::max(Duration::zero(), Duration(now - due)), now);
  }
}

void LoopLagMonitor::ShardLag::Record(Duration lag, SteadyTime now) {
  last.store(lag.count(), std::memory_order_relaxed);
  const bool new_minute = now - minute_began >= std::chrono::minutes(1);
  if (new_minute) minute_began = now;
  if (new_minute || lag.count() > peak.load(std::memory_order_relaxed)) {
    peak.store(lag.count(), std::memory_order_relaxed);
  }
}

LoopLagMonitor::LoopLagMonitor(Runtime& runtime, Clock& clock, Duration interval)
    : runtime_(runtime) {
  for (std::size_t i = 0; i < runtime.size(); ++i) {
    shards_.push_back(std::make_unique<ShardLag>(runtime.shard(i).executor()));
    shards_.back()->tasks.Spawn("loop-lag", shards_.back()->Measure(clock, interval));
  }
}

LoopLagMonitor::~LoopLagMonitor() { Stop(); }

void LoopLagMonitor::Stop() {
  if (stopped_) return;
  stopped_ = true;
  for (const auto& shard : shards_) shard->tasks.Cancel();
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    RunBlocking(runtime_.shard(i).executor(), shards_[i]->tasks.Join());
  }
}

std::vector<LoopLagMonitor::Lag> LoopLagMonitor::Read() const {
  std::vector<Lag> lags;
  for (const auto& shard : shards_) {
    lags.push_back({Duration(shard->last.load(std::memory_order_relaxed)),
                    Duration(shard->peak.load(std::memory_order_relaxed))});
  }
  return lags;
}

}  // namespace fetchd::runtime
