// Threads of the process: one io thread ("shard") a core, and a blocking pool.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/task.h"
#include "base/time.h"
#include "runtime/blocking_pool.h"

namespace fetchd::runtime {

struct RuntimeConfig {
  std::size_t shards = 0;  ///< 0 = one a core that this process may use.
  std::size_t blocking_threads = 8;
};

/// A thread with its own event loop. Objects belong to a shard and have no locks; crossing is
/// explicit (OnShard).
class Shard {
 public:
  explicit Shard(std::size_t index) : index_(index), context_(1), work_(context_.get_executor()) {}
  std::size_t index() const { return index_; }
  asio::any_io_executor executor() { return context_.get_executor(); }
  asio::io_context& context() { return context_; }

 private:
  friend class Runtime;
  std::size_t index_;
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
};

/// Starts its threads in the constructor (all signals blocked in them); Stop() lets the loops run
/// dry and joins.
class Runtime {
 public:
  explicit Runtime(RuntimeConfig config);
  /// Without threads, for a simulation in which one thread runs everything in an order of its
  /// choosing: `step` runs some of what is ready in the shards' contexts or in that of `blocking`,
  /// where blocking calls go. RunBlocking calls it while it waits; else the owner does.
  Runtime(std::size_t shards, const asio::any_io_executor& blocking,
          const std::function<void()>& step);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  std::size_t size() const { return shards_.size(); }
  Shard& shard(std::size_t index) { return *shards_[index]; }
  BlockingPool& blocking() { return *blocking_; }
  /// Every TaskGroup must have been joined. Idempotent. Not from a shard.
  void Stop();

 private:
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<BlockingPool> blocking_;
  std::vector<std::jthread> threads_;
};

/// Runs `task` on `executor` and completes on the caller's executor. Cancellation of the caller is
/// passed on.
template <typename T>
Task<T> OnShard(asio::any_io_executor executor, Task<T> task);

/// For main() and tests: runs `task` on `executor` from a thread that is not a shard, and waits for
/// it.
template <typename T>
T RunBlocking(asio::any_io_executor executor, Task<T> task);

}  // namespace fetchd::runtime

#include "runtime/runtime_inl.h"
