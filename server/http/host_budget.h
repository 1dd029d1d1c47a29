// How many connections the process may have open, in all and to one host, over all shards.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "base/url.h"
#include "http/origin_rules.h"

namespace fetchd::http {

/// Of the limit of a host, what is this process's, where several keep it together. Thread-safe;
/// called with locks held, by whoever opens a connection: cheap, and without waiting.
class HostAllotments {
 public:
  virtual ~HostAllotments() = default;
  /// So many may be open to it now; `limit` is that of all processes.
  virtual std::size_t Of(const Origin& host, std::size_t limit) = 0;
  /// More are wanted than that.
  virtual void Want(const Origin& host, std::size_t limit) = 0;
  /// One of more than that was closed.
  virtual void GaveBack(const Origin& host) = 0;
};

struct BudgetLimits {
  std::size_t max_connections = 256;
  std::size_t max_per_host = 8;  ///< Where no rule says otherwise.
  std::size_t max_waiters = 1'000'000;
  OriginRules rules;
  /// Null: limits are this process's own. Those of stores are in any case.
  HostAllotments* allotments = nullptr;
};

/// What a connection is for. One use does not keep another out of a host: who reads an object to
/// write another one holds his connection while he waits for that of the part that he has.
enum class Use { kOrigins, kStores, kStoreBodies };

class HostBudget;

/// One host:port, for one use, and its share of the budget. Exists while a connection is open to it
/// or somebody waits for one.
class HostShare;

/// The right to one open connection to a host. Move-only; destruction gives the place to the first
/// waiter.
class ConnectionPermit {
 public:
  ConnectionPermit() = default;
  ConnectionPermit(ConnectionPermit&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)),
        host_(std::exchange(other.host_, nullptr)) {}
  ConnectionPermit& operator=(ConnectionPermit&& other) noexcept {
    ConnectionPermit taken(std::move(other));
    std::swap(budget_, taken.budget_);
    std::swap(host_, taken.host_);
    return *this;
  }
  ~ConnectionPermit();
  explicit operator bool() const { return budget_ != nullptr; }

 private:
  friend class HostBudget;
  ConnectionPermit(HostBudget* budget, HostShare* host) : budget_(budget), host_(host) {}
  HostBudget* budget_ = nullptr;
  HostShare* host_ = nullptr;
};

/// Something open that holds its permit itself, so that both can be handed to a waiter as one.
class Occupant {
 public:
  virtual ~Occupant() = default;
};

/// What a waiter gets: a permit to open a connection, or an open one.
struct Place {
  ConnectionPermit permit;
  std::unique_ptr<Occupant> occupant;
};

/// Thread-safe. Waiters are served first come, first served a host; between hosts that wait for the
/// common limit, by arrival too. When somebody waits, an idle connection that holds a place is
/// asked for through the shard's EvictIdle. So are those of a host that has more open than it may
/// have by now; such a connection is closed as soon as nobody uses it. Every permit must be back
/// before this dies.
class HostBudget {
 public:
  /// Asks a shard to Offer() an idle connection: to `origin`'s host when given, else its least
  /// recently used one. Called on any thread, with locks held: it only posts.
  using EvictIdle = std::function<void(std::optional<Origin> origin)>;

  /// Who waits: only a waiter of the same group can take over an open connection. `group` is
  /// compared, never dereferenced.
  struct Waiting {
    Origin origin;
    const void* group = nullptr;
    Use use = Use::kOrigins;
  };

  HostBudget(BudgetLimits limits, std::size_t shards);
  ~HostBudget();
  HostBudget(const HostBudget&) = delete;
  HostBudget& operator=(const HostBudget&) = delete;

  /// Before the first connection, once a shard; an empty function takes it away again. Who has
  /// several pools a shard counts each as one; it is of one use.
  void SetEvictIdle(std::size_t shard, EvictIdle evict);

  /// Without waiting; empty when there is no place or others came first.
  ConnectionPermit TryAcquire(const Origin& origin, Use use = Use::kOrigins);
  /// Completes on the caller's executor. RESOURCE_EXHAUSTED (too many wait), CANCELLED (closed). A
  /// place granted to a waiter that is cancelled at that moment goes to the next.
  Task<absl::StatusOr<Place>> Wait(Waiting waiting);

  /// What to do with a connection that nobody uses.
  enum class Advice {
    kKeep,      ///< Nobody wants its place.
    kHandOver,  ///< Its place went to a waiter of its group, and `occupant` with it.
    kClose,     ///< Somebody else is first: close it.
  };
  /// Takes `occupant` only for kHandOver.
  Advice Offer(const ConnectionPermit& permit, const void* group,
               std::unique_ptr<Occupant>& occupant);
  /// An EvictIdle found nothing to offer: asks whoever has something now.
  void AskAgain(const std::optional<Origin>& origin, Use use);
  /// Cheap: whether Offer() could do anything.
  bool anybody_waits() const {
    return waiting_.load(std::memory_order_seq_cst) != 0 ||
           crowded_.load(std::memory_order_seq_cst) != 0;
  }
  /// Its host has more open than it may have: it is to be closed when that can be done.
  bool IsCrowded(const ConnectionPermit& permit) const;
  bool IsCrowded(const Origin& origin) const;
  /// What BudgetLimits::allotments says of a host may be something else by now.
  void Reconsider(const Origin& origin);

  /// Tells that the permit's connection went idle on `shard`, or is used again.
  void MarkIdle(const ConnectionPermit& permit, std::size_t shard);
  void MarkBusy(const ConnectionPermit& permit, std::size_t shard);

  /// Fails all waiters, present and future, with CANCELLED.
  void Close();

  struct HostCounts {
    Origin origin;
    Use use = Use::kOrigins;
    std::uint64_t open = 0, idle = 0, waiting = 0;
  };
  std::vector<HostCounts> Hosts() const;
  /// Who waits for a connection to the host of `origin`.
  std::uint64_t WaitingFor(const Origin& origin) const;
  std::uint64_t open() const;
  std::uint64_t peak_open() const;  ///< Since the start.
  std::size_t limit() const { return limits_.max_connections; }
  /// Of connections to the host of `origin`: in all processes, where they keep it together.
  std::size_t LimitOf(const Origin& origin) const;
  std::uint64_t waiting() const { return waiting_.load(std::memory_order_relaxed); }

 private:
  friend class ConnectionPermit;
  friend class HostShare;
  struct Waiter;
  using WaiterPtr = std::shared_ptr<Waiter>;
  using HostKey = std::tuple<std::string, std::uint16_t, Use>;
  using HostMap = std::map<HostKey, std::unique_ptr<HostShare>>;

  // All of these hold mutex_.
  HostShare& HostFor(const Origin& origin, Use use);
  void EraseIfUnused(HostShare& host);
  void UpdateReady(HostShare& host);
  void UpdateRoom(HostShare& host);
  void WantRoom(const HostShare& host);
  const HostShare* Find(const Origin& origin) const;
  WaiterPtr Dequeue(HostShare& host, std::list<WaiterPtr>::iterator position);
  void GrantPlaces(std::vector<std::pair<WaiterPtr, Place>>& granted);
  void AskForRoom(const HostShare& host);

  void Enqueue(const WaiterPtr& waiter, const Waiting& waits);
  void CancelWaiter(const WaiterPtr& waiter);
  void Release(HostShare* host) noexcept;

  const BudgetLimits limits_;
  const std::size_t shards_;
  std::atomic<std::uint64_t> waiting_{0};
  std::atomic<std::uint64_t> crowded_{0};         ///< Hosts.
  std::vector<std::atomic<std::uint64_t>> idle_;  ///< By shard.

  mutable std::mutex mutex_;  ///< Guards all below.
  HostMap hosts_;
  std::map<std::uint64_t, HostShare*>
      ready_;                     ///< Hosts with waiters and room, by their first waiter's arrival.
  std::vector<EvictIdle> evict_;  ///< By shard.
  std::size_t open_ = 0;
  std::size_t peak_open_ = 0;
  std::uint64_t next_arrival_ = 1;
  bool closed_ = false;
};

}  // namespace fetchd::http
