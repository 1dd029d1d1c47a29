#include "http/host_budget.h"

#include <algorithm>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "base/check.h"
#include "base/strings.h"

namespace fetchd::http {
namespace {

using ErrorCode = boost::system::error_code;

}  // namespace

struct HostBudget::Waiter {
  /// Posts the outcome to the waiter's executor. Called once, by whoever took the waiter out of the
  /// queue.
  std::move_only_function<void(ErrorCode, absl::Status, Place)> complete;
  const void* group = nullptr;
  HostShare* host = nullptr;  ///< Null when not queued.
  std::uint64_t arrival = 0;
  std::list<WaiterPtr>::iterator position;
};

class HostShare {
 public:
  HostShare(Origin first_origin, Use its_use, std::size_t most, std::size_t shards)
      : origin(std::move(first_origin)), use(its_use), limit(most), idle(shards), max_open(most) {}

  bool HasRoom() const { return open < max_open; }
  bool IsCrowded() const { return open > max_open; }

  std::uint64_t idle_total() const {
    std::uint64_t sum = 0;
    for (const auto& count : idle) sum += count.load(std::memory_order_seq_cst);
    return sum;
  }

  const Origin origin;
  const Use use;
  const std::size_t limit;
  std::vector<std::atomic<std::uint64_t>> idle;  ///< By shard; changed without the lock.
  // The budget's mutex guards the rest.
  std::size_t max_open;  ///< What is allotted of the limit, where it is not all.
  std::size_t open = 0;
  bool crowded = false;  ///< Counted in crowded_.
  std::list<HostBudget::WaiterPtr> queue;
  std::uint64_t ready_key = 0;  ///< Its key in ready_; 0 = not there.
};

ConnectionPermit::~ConnectionPermit() {
  if (budget_ != nullptr) budget_->Release(host_);
}

HostBudget::HostBudget(BudgetLimits limits, std::size_t shards)
    : limits_(std::move(limits)), shards_(shards), idle_(shards), evict_(shards) {}

HostBudget::~HostBudget() {
  const std::lock_guard lock(mutex_);
  FETCHD_CHECK(open_ == 0);
  FETCHD_CHECK(hosts_.empty());
}

void HostBudget::SetEvictIdle(std::size_t shard, EvictIdle evict) {
  const std::lock_guard lock(mutex_);
  evict_[shard] = std::move(evict);
}

HostShare& HostBudget::HostFor(const Origin& origin, Use use) {
  auto& host = hosts_[HostKey(origin.host, origin.port, use)];
  if (host == nullptr) {
    host = std::make_unique<HostShare>(origin, use, LimitOf(origin), shards_);
  }
  return *host;
}

std::size_t HostBudget::LimitOf(const Origin& origin) const {
  return limits_.rules.For(origin).max_connections.value_or(limits_.max_per_host);
}

/// What the host may have now; restores what UpdateReady() does, and crowded_.
void HostBudget::UpdateRoom(HostShare& host) {
  if (limits_.allotments != nullptr && host.use == Use::kOrigins) {
    host.max_open = std::min(limits_.allotments->Of(host.origin, host.limit), host.limit);
    if (host.crowded != host.IsCrowded()) {
      host.crowded = !host.crowded;
      host.crowded ? ++crowded_ : --crowded_;
    }
  }
  UpdateReady(host);
}

/// Somebody is left without a place.
void HostBudget::WantRoom(const HostShare& host) {
  if (!host.HasRoom() && host.max_open < host.limit) {
    limits_.allotments->Want(host.origin, host.limit);
  }
}

const HostShare* HostBudget::Find(const Origin& origin) const {
  const auto host = hosts_.find(HostKey(origin.host, origin.port, Use::kOrigins));
  return host == hosts_.end() ? nullptr : host->second.get();
}

bool HostBudget::IsCrowded(const ConnectionPermit& permit) const {
  if (crowded_.load(std::memory_order_seq_cst) == 0) return false;
  const std::lock_guard lock(mutex_);
  return permit.host_->IsCrowded();
}

bool HostBudget::IsCrowded(const Origin& origin) const {
  if (crowded_.load(std::memory_order_seq_cst) == 0) return false;
  const std::lock_guard lock(mutex_);
  const HostShare* const host = Find(origin);
  return host != nullptr && host->IsCrowded();
}

std::uint64_t HostBudget::WaitingFor(const Origin& origin) const {
  const std::lock_guard lock(mutex_);
  const HostShare* const host = Find(origin);
  return host == nullptr ? 0 : host->queue.size();
}

void HostBudget::EraseIfUnused(HostShare& host) {
  if (host.open == 0 && host.queue.empty()) {
    hosts_.erase(HostKey(host.origin.host, host.origin.port, host.use));
  }
}

/// Restores: a host is in ready_ exactly when it has waiters and room, under its first waiter's
/// arrival.
void HostBudget::UpdateReady(HostShare& host) {
  const std::uint64_t key = host.queue.empty() || !host.HasRoom() ? 0 : host.queue.front()->arrival;
  if (key == host.ready_key) return;
  if (host.ready_key != 0) ready_.erase(host.ready_key);
  if (key != 0) ready_.emplace(key, &host);
  host.ready_key = key;
}

ConnectionPermit HostBudget::TryAcquire(const Origin& origin, Use use) {
  const std::lock_guard lock(mutex_);
  if (closed_ || open_ >= limits_.max_connections) return {};
  HostShare& host = HostFor(origin, use);
  UpdateRoom(host);
  if (!host.HasRoom() || !host.queue.empty()) {
    WantRoom(host);
    EraseIfUnused(host);
    return {};
  }
  ++host.open;
  peak_open_ = std::max(peak_open_, ++open_);
  return ConnectionPermit(this, &host);
}

HostBudget::WaiterPtr HostBudget::Dequeue(HostShare& host,
                                          std::list<WaiterPtr>::iterator position) {
  WaiterPtr waiter = std::move(*position);
  host.queue.erase(position);
  waiter->host = nullptr;
  waiting_.fetch_sub(1, std::memory_order_seq_cst);
  return waiter;
}

/// Gives free places to those who wait for them; to be completed by the caller without the lock.
void HostBudget::GrantPlaces(std::vector<std::pair<WaiterPtr, Place>>& granted) {
  while (open_ < limits_.max_connections && !ready_.empty()) {
    HostShare& host = *ready_.begin()->second;
    UpdateRoom(host);
    if (!host.HasRoom()) continue;  // What was allotted has just passed.
    WaiterPtr waiter = Dequeue(host, host.queue.begin());
    ++host.open;
    peak_open_ = std::max(peak_open_, ++open_);
    UpdateReady(host);
    granted.emplace_back(std::move(waiter), Place{ConnectionPermit(this, &host), nullptr});
  }
  // Whoever is next waits for the common limit: an idle connection of anybody would do.
  if (!ready_.empty()) AskForRoom(*ready_.begin()->second);
}

/// Asks one shard to give up an idle connection whose place would help `host`.
void HostBudget::AskForRoom(const HostShare& host) {
  const bool own = !host.HasRoom();
  for (std::size_t shard = 0; shard < shards_; ++shard) {
    const auto& idle = own ? host.idle[shard] : idle_[shard];
    if (idle.load(std::memory_order_seq_cst) == 0 || !evict_[shard]) continue;
    evict_[shard](own ? std::optional(host.origin) : std::nullopt);
    return;
  }
}

void HostBudget::Enqueue(const WaiterPtr& waiter, const Waiting& waits) {
  std::vector<std::pair<WaiterPtr, Place>> granted;
  absl::Status refused;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) {
      refused = absl::CancelledError("the HTTP client is closed");
    } else if (waiting() >= limits_.max_waiters) {
      refused = WithReason(absl::ResourceExhaustedError("too many requests wait for a connection"),
                           {"CONNECTION_QUEUE_FULL", {}});
    } else {
      HostShare& host = HostFor(waits.origin, waits.use);
      waiter->host = &host;
      waiter->arrival = next_arrival_++;
      waiter->position = host.queue.insert(host.queue.end(), waiter);
      waiting_.fetch_add(1, std::memory_order_seq_cst);
      UpdateRoom(host);
      if (host.HasRoom()) {
        GrantPlaces(granted);
      } else {
        WantRoom(host);
        AskForRoom(host);
      }
    }
  }
  for (auto& [first, place] : granted) {
    first->complete(ErrorCode(), absl::OkStatus(), std::move(place));
  }
  if (!refused.ok()) waiter->complete(ErrorCode(), std::move(refused), Place());
}

void HostBudget::CancelWaiter(const WaiterPtr& waiter) {
  {
    const std::lock_guard lock(mutex_);
    if (waiter->host == nullptr) return;  // Its place is on the way, and comes back by RAII.
    HostShare& host = *waiter->host;
    Dequeue(host, waiter->position);
    UpdateReady(host);
    EraseIfUnused(host);
  }
  waiter->complete(asio::error::operation_aborted, absl::OkStatus(), Place());
}

Task<absl::StatusOr<Place>> HostBudget::Wait(Waiting waiting) {
  auto initiate = [this, &waiting](auto handler) {
    auto slot = asio::get_associated_cancellation_slot(handler);
    auto waiter = std::make_shared<Waiter>();
    waiter->group = waiting.group;
    auto work = asio::make_work_guard(asio::get_associated_executor(handler));
    waiter->complete = [handler = std::move(handler), slot, work = std::move(work)](
                           ErrorCode error, absl::Status status, Place place) mutable {
      asio::post(
          work.get_executor(), [handler = std::move(handler), slot, error,
                                status = std::move(status), place = std::move(place)]() mutable {
            if (slot.is_connected()) slot.clear();
            using Outcome = absl::StatusOr<Place>;
            std::move(handler)(error, status.ok() ? Outcome(std::move(place)) : Outcome(status));
          });
    };
    if (slot.is_connected()) {
      // Weak: the waiter owns the coroutine, which owns the slot.
      slot.assign([this, weak = std::weak_ptr(waiter)](asio::cancellation_type) {
        if (const auto queued = weak.lock()) CancelWaiter(queued);
      });
    }
    Enqueue(waiter, waiting);
  };
  co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&,
                                          void(ErrorCode, absl::StatusOr<Place>)>(
      initiate, asio::use_awaitable);
}

HostBudget::Advice HostBudget::Offer(const ConnectionPermit& permit, const void* group,
                                     std::unique_ptr<Occupant>& occupant) {
  WaiterPtr waiter;
  {
    const std::lock_guard lock(mutex_);
    HostShare& host = *permit.host_;
    if (host.IsCrowded()) return Advice::kClose;
    const bool same_host_waits = !host.queue.empty();
    if (!same_host_waits && ready_.empty()) return Advice::kKeep;
    const bool other_first =
        !ready_.empty() &&
        (!same_host_waits || ready_.begin()->first < host.queue.front()->arrival);
    if (other_first || host.queue.front()->group != group) return Advice::kClose;
    waiter = Dequeue(host, host.queue.begin());
    UpdateReady(host);
  }
  waiter->complete(ErrorCode(), absl::OkStatus(), Place{{}, std::move(occupant)});
  return Advice::kHandOver;
}

void HostBudget::AskAgain(const std::optional<Origin>& origin, Use use) {
  const std::lock_guard lock(mutex_);
  if (!origin) {
    if (!ready_.empty()) AskForRoom(*ready_.begin()->second);
    return;
  }
  const auto host = hosts_.find(HostKey(origin->host, origin->port, use));
  if (host == hosts_.end()) return;
  if (!host->second->queue.empty() || host->second->IsCrowded()) AskForRoom(*host->second);
}

void HostBudget::Reconsider(const Origin& origin) {
  std::vector<std::pair<WaiterPtr, Place>> granted;
  {
    const std::lock_guard lock(mutex_);
    const auto found = hosts_.find(HostKey(origin.host, origin.port, Use::kOrigins));
    if (found == hosts_.end()) return;
    HostShare& host = *found->second;
    UpdateRoom(host);
    if (host.IsCrowded()) AskForRoom(host);
    GrantPlaces(granted);
    if (!host.queue.empty()) WantRoom(host);
  }
  for (auto& [waiter, place] : granted) {
    waiter->complete(ErrorCode(), absl::OkStatus(), std::move(place));
  }
}

void HostBudget::MarkIdle(const ConnectionPermit& permit, std::size_t shard) {
  permit.host_->idle[shard].fetch_add(1, std::memory_order_seq_cst);
  idle_[shard].fetch_add(1, std::memory_order_seq_cst);
}

void HostBudget::MarkBusy(const ConnectionPermit& permit, std::size_t shard) {
  permit.host_->idle[shard].fetch_sub(1, std::memory_order_seq_cst);
  idle_[shard].fetch_sub(1, std::memory_order_seq_cst);
}

void HostBudget::Release(HostShare* host) noexcept {
  std::vector<std::pair<WaiterPtr, Place>> granted;
  {
    const std::lock_guard lock(mutex_);
    const bool was_crowded = host->IsCrowded();
    --host->open;
    --open_;
    UpdateRoom(*host);
    if (was_crowded && limits_.allotments != nullptr) limits_.allotments->GaveBack(host->origin);
    if (host->IsCrowded()) AskForRoom(*host);
    GrantPlaces(granted);
    EraseIfUnused(*host);
  }
  for (auto& [waiter, place] : granted) {
    waiter->complete(ErrorCode(), absl::OkStatus(), std::move(place));
  }
}

void HostBudget::Close() {
  std::vector<WaiterPtr> waiters;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (auto it = hosts_.begin(); it != hosts_.end();) {
      HostShare& host = *(it++)->second;
      while (!host.queue.empty()) waiters.push_back(Dequeue(host, host.queue.begin()));
      UpdateReady(host);
      EraseIfUnused(host);
    }
  }
  for (const WaiterPtr& waiter : waiters) {
    waiter->complete(ErrorCode(), absl::CancelledError("the HTTP client is closed"), Place());
  }
}

std::vector<HostBudget::HostCounts> HostBudget::Hosts() const {
  const std::lock_guard lock(mutex_);
  std::vector<HostCounts> counts;
  counts.reserve(hosts_.size());
  for (const auto& [key, host] : hosts_) {
    counts.push_back({host->origin, host->use, host->open, host->idle_total(), host->queue.size()});
  }
  return counts;
}

std::uint64_t HostBudget::open() const {
  const std::lock_guard lock(mutex_);
  return open_;
}

std::uint64_t HostBudget::peak_open() const {
  const std::lock_guard lock(mutex_);
  return peak_open_;
}

}  // namespace fetchd::http
