// Wakes waiting streams when something changed.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "jobs/store.h"

namespace fetchd::rpc {

/// One waiter's bell. Rings between two waits count once. Made with make_shared.
class Waker : public std::enable_shared_from_this<Waker> {
 public:
  explicit Waker(asio::any_io_executor executor);
  void Ring();  ///< Thread-safe; does not block.
  /// Completes once Ring() was called since the last Wait. On the executor; one task at a time.
  Task<absl::StatusOr<bool>> Wait();

 private:
  asio::any_io_executor executor_;
  asio::steady_timer bell_;  ///< Never expires; cancelled to wake.
  std::atomic<bool> rung_{false};
};

/// Rings every waker after each commit that made events, and when watching ends. Thread-safe.
/// Owner: Server; the store outlives it.
class WakerHub {
 public:
  explicit WakerHub(jobs::Store& store);
  ~WakerHub();
  WakerHub(const WakerHub&) = delete;
  WakerHub& operator=(const WakerHub&) = delete;

  /// Belongs to the hub's list for as long as somebody holds it.
  std::shared_ptr<Waker> Make(asio::any_io_executor executor);
  void End();  ///< Asks every waiter to finish; those made later too.
  bool ended() const { return ended_.load(std::memory_order_acquire); }

 private:
  void RingAll();

  jobs::Store& store_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<Waker>> wakers_;
  std::atomic<bool> ended_{false};
  std::uint64_t listener_;  ///< Last: it may call back as soon as it is there.
};

}  // namespace fetchd::rpc
