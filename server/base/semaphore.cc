#include "base/semaphore.h"

#include <absl/status/status.h>

#include <algorithm>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <list>
#include <mutex>

#include "base/check.h"
#include "base/strings.h"

namespace fetchd {
namespace {

using ErrorCode = boost::system::error_code;

}  // namespace

struct Semaphore::Core {
  // Called once, by whoever took the waiter out of the queue; posts to the waiter's executor.
  using Complete = std::move_only_function<void(ErrorCode, Permit)>;
  struct Waiter {
    std::uint64_t count = 0;
    Complete complete;
    bool queued = false;
    std::list<std::shared_ptr<Waiter>>::iterator position;
  };
  using Queue = std::list<std::shared_ptr<Waiter>>;

  Core(Semaphore* owner_semaphore, std::uint64_t capacity_units)
      : owner(owner_semaphore), capacity(capacity_units) {}

  bool Fits(std::uint64_t count) const { return count <= capacity - in_use; }

  void Take(std::uint64_t count) {
    in_use += count;
    peak = std::max(peak, in_use);
  }

  // Takes permits for all waiters at the head that now fit. They are to be resumed without the
  // lock.
  Queue TakeReady() {
    Queue ready;
    while (!queue.empty() && Fits(queue.front()->count)) {
      Take(queue.front()->count);
      queue.front()->queued = false;
      ready.splice(ready.end(), queue, queue.begin());
    }
    return ready;
  }

  void Resume(Queue ready) {
    for (const auto& waiter : ready) waiter->complete(ErrorCode(), Permit(owner, waiter->count));
  }

  void Enqueue(std::shared_ptr<Waiter> waiter) {
    Queue ready;
    {
      const std::lock_guard lock(mutex);
      waiter->queued = true;
      waiter->position = queue.insert(queue.end(), waiter);
      ready = TakeReady();
    }
    Resume(std::move(ready));
  }

  void Cancel(const std::shared_ptr<Waiter>& waiter) {
    Queue ready;
    {
      const std::lock_guard lock(mutex);
      if (!waiter->queued) return;  // Its permit is on the way and comes back by RAII.
      waiter->queued = false;
      queue.erase(waiter->position);
      ready = TakeReady();  // It may have been a large request that held up small ones.
    }
    waiter->complete(asio::error::operation_aborted, Permit());
    Resume(std::move(ready));
  }

  void Release(std::uint64_t count) {
    Queue ready;
    {
      const std::lock_guard lock(mutex);
      in_use -= count;
      ready = TakeReady();
    }
    Resume(std::move(ready));
  }

  template <typename Handler>
  static Complete MakeComplete(Handler handler) {
    auto executor = asio::get_associated_executor(handler);
    auto slot = asio::get_associated_cancellation_slot(handler);
    return [handler = std::move(handler), slot, work = asio::make_work_guard(executor)](
               ErrorCode error, Permit permit) mutable {
      asio::post(work.get_executor(),
                 [handler = std::move(handler), slot, error, permit = std::move(permit)]() mutable {
                   if (slot.is_connected()) slot.clear();
                   std::move(handler)(error, std::move(permit));
                 });
    };
  }

  // Waits in the queue. Throws operation_aborted when cancelled.
  static Task<absl::StatusOr<Permit>> Wait(std::shared_ptr<Core> core, std::uint64_t count) {
    auto initiate = [&core, count](auto handler) {
      auto slot = asio::get_associated_cancellation_slot(handler);
      auto waiter = std::make_shared<Waiter>();
      waiter->count = count;
      waiter->complete = MakeComplete(std::move(handler));
      if (slot.is_connected()) {
        // Weak: the waiter owns the coroutine, which owns the slot.
        slot.assign([core, weak = std::weak_ptr(waiter)](asio::cancellation_type) {
          if (const auto waiting = weak.lock()) core->Cancel(waiting);
        });
      }
      core->Enqueue(std::move(waiter));
    };
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&,
                                            void(ErrorCode, Permit)>(initiate, asio::use_awaitable);
  }

  Semaphore* const owner;
  const std::uint64_t capacity;
  mutable std::mutex mutex;  ///< Guards all below.
  std::uint64_t in_use = 0;
  std::uint64_t peak = 0;
  Queue queue;
};

void Permit::Release() noexcept {
  Semaphore* const semaphore = std::exchange(semaphore_, nullptr);
  const std::uint64_t count = std::exchange(count_, 0);
  if (semaphore != nullptr) semaphore->core_->Release(count);
}

Semaphore::Semaphore(std::uint64_t capacity) : core_(std::make_shared<Core>(this, capacity)) {}

Semaphore::~Semaphore() {
  const std::lock_guard lock(core_->mutex);
  FETCHD_CHECK(core_->in_use == 0);
  FETCHD_CHECK(core_->queue.empty());
}

Task<absl::StatusOr<Permit>> Semaphore::Acquire(std::uint64_t count, Clock& clock,
                                                Deadline deadline, const char* what) {
  if (count > core_->capacity) {
    co_return absl::InvalidArgumentError(
        Concat(what, ": ", count, " asked for of at most ", core_->capacity));
  }
  if (Permit permit = TryAcquire(count)) co_return permit;
  if (!deadline.IsNever() && deadline.Passed(clock)) co_return absl::DeadlineExceededError(what);
  co_return co_await WithDeadline<Permit>(clock, deadline, what, Core::Wait(core_, count));
}

Permit Semaphore::TryAcquire(std::uint64_t count) {
  const std::lock_guard lock(core_->mutex);
  if (!core_->queue.empty() || !core_->Fits(count)) return Permit();
  core_->Take(count);
  return Permit(this, count);
}

std::uint64_t Semaphore::capacity() const { return core_->capacity; }

std::uint64_t Semaphore::in_use() const {
  const std::lock_guard lock(core_->mutex);
  return core_->in_use;
}

std::uint64_t Semaphore::peak() const {
  const std::lock_guard lock(core_->mutex);
  return core_->peak;
}

std::uint64_t Semaphore::waiting() const {
  const std::lock_guard lock(core_->mutex);
  return core_->queue.size();
}

}  // namespace fetchd
