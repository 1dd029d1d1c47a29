// One shard without a thread whose time passes by itself: what waits is woken at once, in order.
#pragma once

#include <boost/asio/io_context.hpp>
#include <optional>
#include <utility>

#include "base/check.h"
#include "runtime/task_group.h"
#include "support/manual_clock.h"

namespace fetchd::objstore {

class StoreLoop {
 public:
  ~StoreLoop() {
    bool joined = false;
    closing_.Spawn("join", Join(tasks_, joined));
    Poll();
    FETCHD_CHECK(joined && closing_.size() == 0);
  }

  /// Starts `task`, whose result will be in `result`, which outlives it.
  template <typename T>
  void Start(Task<T> task, std::optional<T>& result) {
    tasks_.Spawn("test", Keep(std::move(task), result));
  }
  /// Runs until nothing moves.
  void Poll() {
    context_.restart();
    context_.poll();
  }
  /// Runs until it is done, through all that it waits for.
  template <typename T>
  T Run(Task<T> task) {
    std::optional<T> result;
    Start(std::move(task), result);
    for (Poll(); !result; Poll()) {
      const auto next = clock_.NextWakeAt();
      FETCHD_CHECK(next.has_value());
      clock_.Advance(*next - clock_.Now());
    }
    return *std::move(result);
  }

  asio::any_io_executor executor() { return context_.get_executor(); }
  testing::ManualClock& clock() { return clock_; }

 private:
  template <typename T>
  static Task<absl::Status> Keep(Task<T> task, std::optional<T>& result) {
    result.emplace(co_await std::move(task));
    co_return absl::OkStatus();
  }
  static Task<absl::Status> Join(runtime::TaskGroup& group, bool& joined) {
    co_await group.Join();
    joined = true;
    co_return absl::OkStatus();
  }

  asio::io_context context_;
  testing::ManualClock clock_;
  runtime::TaskGroup tasks_{context_.get_executor()};
  runtime::TaskGroup closing_{context_.get_executor()};
};

}  // namespace fetchd::objstore
