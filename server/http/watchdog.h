// Deadlines of socket waits without a timer an operation: one task a shard looks at all of them.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>

#include "base/time.h"
#include "runtime/task_group.h"

namespace fetchd::http {

enum class Expiry { kNone, kPhase, kTotal, kMinimumSpeed };

/// What a watch ends when its time is up.
class Abortable {
 public:
  /// Makes the operation in progress fail. Called on the shard.
  virtual void Abort() noexcept = 0;

 protected:
  ~Abortable() = default;
};

/// The lower bound on how fast bytes must come while somebody waits for them.
struct SpeedFloor {
  std::uint64_t bytes_per_sec = 0;  ///< 0 = none.
  Duration window{};
};

/// What one exchange waits for. Armed only while an operation is in progress, so
/// time that the reader of the body spends elsewhere is never held against the peer. Leaves its
/// watchdog when destroyed.
class Watch : public boost::intrusive::list_base_hook<
                  boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  /// Starts anew: no expiry, no bytes counted.
  void Reset(SpeedFloor floor);
  /// Counts `bytes` that a wait armed at `since` brought. May expire: then it is aborted.
  void Count(std::size_t bytes, SteadyTime now);
  Expiry expiry() const { return expiry_; }

 private:
  friend class Watchdog;
  void Check(SteadyTime now);
  bool TooSlow(SteadyTime now) const;
  void Expire(Expiry expiry);

  Abortable* target_ = nullptr;
  SteadyTime armed_at_;
  Deadline phase_;
  Deadline total_;
  bool judge_speed_ = false;
  SpeedFloor floor_;
  Duration waited_{};  ///< In this window, over finished waits.
  std::uint64_t bytes_ = 0;
  Expiry expiry_ = Expiry::kNone;
};

/// Aborts what a watch stands for when its deadline has passed; the task that waits for it then
/// sees the expiry. Lives on one shard. Its task ticks every `tick` while something is armed, and
/// ends when nothing was at a tick; deadlines are therefore late by up to one tick. Join `tasks`
/// before this dies.
class Watchdog {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(50);

  Watchdog(Clock& clock, runtime::TaskGroup& tasks) : clock_(clock), tasks_(tasks) {}

  struct Wait {
    Abortable& target;
    SteadyTime now;
    Deadline phase;
    Deadline total;
    bool judge_speed = false;
  };
  void Arm(Watch& watch, const Wait& wait);
  static void Disarm(Watch& watch) { watch.unlink(); }

  Clock& clock() const { return clock_; }

 private:
  Task<absl::Status> Tick();

  Clock& clock_;
  runtime::TaskGroup& tasks_;
  bool ticking_ = false;
  boost::intrusive::list<Watch, boost::intrusive::constant_time_size<false>> armed_;
};

/// Takes the watch out of the watchdog however the wait ends.
class ArmedWatch {
 public:
  ArmedWatch(Watchdog& watchdog, Watch& watch, const Watchdog::Wait& wait) : watch_(watch) {
    watchdog.Arm(watch, wait);
  }
  ~ArmedWatch() { Watchdog::Disarm(watch_); }
  ArmedWatch(const ArmedWatch&) = delete;
  ArmedWatch& operator=(const ArmedWatch&) = delete;

 private:
  Watch& watch_;
};

}  // namespace fetchd::http
