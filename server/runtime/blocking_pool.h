// Threads for calls that block: SQLite, fsync, file system calls.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/task.h"

namespace fetchd::runtime {

/// Thread-safe. Run(f) calls f on a pool thread and completes on the caller's executor with its
/// result. f must not throw. It is not interrupted: a cancelled caller still waits for f, so what f
/// refers to stays alive.
class BlockingPool {
 public:
  explicit BlockingPool(std::size_t threads)
      : threads_(threads), executor_(threads_->get_executor()) {}
  /// Without threads of its own: calls run on `executor`.
  explicit BlockingPool(asio::any_io_executor executor) : executor_(std::move(executor)) {}
  ~BlockingPool() {
    if (threads_) threads_->join();
  }

  template <typename F>
  Task<std::invoke_result_t<F>> Run(F f);

 private:
  std::optional<asio::thread_pool> threads_;
  asio::any_io_executor executor_;
};

}  // namespace fetchd::runtime

#include "runtime/blocking_pool_inl.h"
