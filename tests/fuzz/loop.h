// One shard without a thread, run until nothing moves.
#pragma once

#include <boost/asio/io_context.hpp>

#include "base/check.h"
#include "http/watchdog.h"
#include "runtime/task_group.h"
#include "support/manual_clock.h"

namespace fetchd::testing {

/// Everything that waits must be over when this dies: its time passes until it is.
class FuzzLoop {
 public:
  ~FuzzLoop() {
    tasks_.Cancel();
    bool joined = false;
    closing_.Spawn("join", Join(tasks_, joined));
    Poll();
    FETCHD_CHECK(joined && closing_.size() == 0);
  }
  void Poll() {
    context_.restart();
    context_.poll();
  }
  void Pass(Duration duration) {
    Poll();
    clock_.Advance(duration);
    Poll();
    clock_.Advance(http::Watchdog::kTick);
    Poll();
  }
  asio::any_io_executor executor() { return context_.get_executor(); }
  ManualClock& clock() { return clock_; }
  runtime::TaskGroup& tasks() { return tasks_; }

 private:
  static Task<absl::Status> Join(runtime::TaskGroup& group, bool& joined) {
    co_await group.Join();
    joined = true;
    co_return absl::OkStatus();
  }

  asio::io_context context_;
  ManualClock clock_;
  runtime::TaskGroup tasks_{context_.get_executor()};
  runtime::TaskGroup closing_{context_.get_executor()};
};

}  // namespace fetchd::testing
