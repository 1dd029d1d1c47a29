#include "sink/sync_group.h"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/this_coro.hpp>
#include <functional>
#include <utility>

namespace fetchd::sink {

/// Lives in its Commit()'s frame, which is resumed only through `resume`.
struct SyncGroup::Waiter {
  Publication& publication;
  absl::Status status;
  bool leads = false;  ///< Resumed in order to run the next batch, its own commit included.
  std::move_only_function<void()> resume;
};

Task<absl::Status> SyncGroup::Commit(Publication& publication) {
  // What refers to the waiter must be done with it before the frame may go.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  Waiter waiter{publication, absl::OkStatus(), false, nullptr};
  co_await AwaitTurn(waiter);
  if (waiter.leads) co_await pool_.Run([this] { RunBatch(); });
  co_await asio::this_coro::throw_if_cancelled(throws);
  co_return std::move(waiter.status);
}

Task<void> SyncGroup::AwaitTurn(Waiter& waiter) {
  auto initiate = [this, &waiter](auto handler) {
    auto work = asio::prefer(asio::get_associated_executor(handler),
                             asio::execution::outstanding_work.tracked);
    auto resume = [work = std::move(work), handler = std::move(handler)]() mutable {
      asio::post(work, std::move(handler));
    };
    const std::lock_guard lock(mutex_);
    queue_.push_back(&waiter);
    if (std::exchange(leading_, true)) {
      waiter.resume = std::move(resume);
    } else {
      waiter.leads = true;
      resume();
    }
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void()>(initiate,
                                                                        asio::use_awaitable);
}

void SyncGroup::RunBatch() {
  std::deque<Waiter*> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(queue_);
  }
  std::vector<Waiter*> together;
  std::vector<Waiter*> alone;
  for (Waiter* waiter : batch) {
    (waiter->publication.reached_by_sync_all() ? together : alone).push_back(waiter);
  }
  if (together.size() < kSyncAllFrom) alone.insert(alone.end(), together.begin(), together.end());
  for (Waiter* waiter : alone) waiter->status = RunAlone(waiter->publication);
  if (together.size() >= kSyncAllFrom) RunTogether(together);
  Settle(batch);
}

absl::Status SyncGroup::RunAlone(Publication& publication) {
  RETURN_IF_ERROR(publication.SyncData());
  RETURN_IF_ERROR(publication.Publish());
  return publication.SyncEntries();
}

void SyncGroup::RunTogether(const std::vector<Waiter*>& batch) {
  const absl::Status flushed = syncer_.SyncAll();
  for (Waiter* waiter : batch) {
    waiter->status = flushed;
    if (waiter->status.ok()) waiter->status = waiter->publication.CheckSynced();
    if (waiter->status.ok()) waiter->status = waiter->publication.Publish();
  }
  if (!flushed.ok()) return;
  const absl::Status named = syncer_.SyncAll();
  for (Waiter* waiter : batch) {
    if (waiter->status.ok()) waiter->status = named;
  }
}

void SyncGroup::Settle(const std::deque<Waiter*>& batch) {
  std::move_only_function<void()> next;
  {
    const std::lock_guard lock(mutex_);
    leading_ = !queue_.empty();
    if (leading_) {
      queue_.front()->leads = true;
      next = std::move(queue_.front()->resume);
    }
  }
  if (next) next();
  for (Waiter* waiter : batch) {
    // The leader has none: it is waiting for RunBatch. A resumed waiter's frame may be gone at
    // once.
    if (auto resume = std::move(waiter->resume)) resume();
  }
}

}  // namespace fetchd::sink
