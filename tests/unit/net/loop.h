// One event loop on the test's own thread, and the tasks on it.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>
#include <utility>

#include "base/task.h"
#include "runtime/task_group.h"

namespace fetchd::net {

/// Cancels and joins its tasks at the end; a task that ends by an exception fails the test.
class Loop {
 public:
  Loop()
      : work_(context_.get_executor()),
        tasks_(context_.get_executor(), [](const std::string& name, const absl::Status& status) {
          EXPECT_FALSE(absl::IsInternal(status)) << name << ": " << status;
        }) {}
  ~Loop() { Stop(); }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  asio::any_io_executor executor() { return context_.get_executor(); }
  runtime::TaskGroup& tasks() { return tasks_; }

  template <typename Predicate>
  void RunUntil(Predicate predicate) {
    while (!predicate()) context_.run_one();
  }
  /// Everything that can go on now, goes on.
  void Poll() { context_.poll(); }

  template <typename T>
  T Run(Task<T> task) {
    std::optional<T> result;
    tasks_.Spawn("run", Keep(std::move(task), &result));
    RunUntil([&] { return result.has_value(); });
    return *std::move(result);
  }

  /// `*result` is set when the task ends.
  template <typename T>
  runtime::TaskHandle Start(Task<T> task, std::optional<T>* result) {
    return tasks_.Spawn("started", Keep(std::move(task), result));
  }

  void Stop() {
    tasks_.Cancel();
    RunUntil([this] { return tasks_.size() == 0; });
  }

 private:
  template <typename T>
  static Task<absl::Status> Keep(Task<T> task, std::optional<T>* result) {
    T value = co_await std::move(task);
    result->emplace(std::move(value));
    co_return absl::OkStatus();
  }

  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  runtime::TaskGroup tasks_;
};

}  // namespace fetchd::net
