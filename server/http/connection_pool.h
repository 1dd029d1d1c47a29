// The connections of one shard: leased, idle, and the way to a new one.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>

#include "http/client.h"
#include "http/connection.h"
#include "http/host_budget.h"
#include "http/watchdog.h"
#include "net/dialer.h"
#include "runtime/task_group.h"

namespace fetchd::http {

/// Everything that changes whom we trust or where we connect.
struct PoolKey {
  Origin origin;
  std::string tls_profile;
  friend bool operator==(const PoolKey&, const PoolKey&) = default;
};

struct PoolConfig {
  Duration idle_ttl = std::chrono::seconds(55);
  Duration max_lifetime = std::chrono::minutes(10);  ///< +-10 %, by connection.
  std::uint64_t seed = 0;                            ///< For the lifetimes.
};

/// Edges of the pool's states; written by its shard, read by anybody.
struct PoolCounters {
  std::atomic<std::uint64_t> opened{0}, reused{0}, expired{0}, discarded{0}, waited{0}, rejected{0};
  std::atomic<std::uint64_t> wait_total_ns{0}, wait_max_ns{0};
};

class ConnectionPool;
struct PooledConnection;

/// A connection in use. Dropped = closed, and its place is free; reuse is asked for by the code
/// that saw a clean end.
class Lease {
 public:
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) noexcept;
  ~Lease();
  Http1Connection& connection() const;
  bool reused() const { return reused_; }  ///< May be stale: one silent re-dial is allowed.
  /// Only after a clean end of response; a connection that is not reusable() is closed all the
  /// same.
  void Recycle() &&;

 private:
  friend class ConnectionPool;
  Lease(ConnectionPool& pool, std::unique_ptr<PooledConnection> connection, bool reused);
  ConnectionPool* pool_;
  std::unique_ptr<PooledConnection> connection_;
  bool reused_;
};

/// Lives on one shard; every lease must be gone before it dies. The budget is common to all shards.
/// `tasks` runs the expiry of idle connections; join it before the pool dies.
class ConnectionPool {
 public:
  ConnectionPool(asio::any_io_executor executor, std::size_t shard, PoolConfig config,
                 HostBudget& budget, net::Dialer& dialer, Watchdog& watchdog,
                 runtime::TaskGroup& tasks);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  /// The idle connection used last, if there is a live one. Does not wait.
  std::optional<Lease> TryReuse(const Origin& origin, std::string_view tls_profile);

  struct Want {
    PoolKey key;
    Timeouts timeouts;
    Deadline deadline;
  };
  /// An open connection: first come, first served. Errors: RESOURCE_EXHAUSTED (too many wait),
  /// DEADLINE_EXCEEDED ("pool wait" or "total"), CANCELLED (closed), and those of Dialer::Dial.
  /// Fills in what it learns of `record`, also when it fails.
  Task<absl::StatusOr<Lease>> Acquire(Want want, ExchangeRecord* record);
  /// Closes `stale` and opens a new connection in its place, without queueing again.
  Task<absl::StatusOr<Lease>> Redial(Lease stale, Want want, ExchangeRecord* record);

  /// Closes idle connections; from now on nothing is kept.
  void Close();
  const PoolCounters& counters() const { return counters_; }
  Clock& clock() const { return watchdog_.clock(); }

 private:
  friend class Lease;
  friend struct PooledConnection;

  struct KeyView {
    const Origin& origin;
    std::string_view tls_profile;
  };
  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(const KeyView& key) const;
    std::size_t operator()(const PoolKey& key) const;
  };
  struct KeyEqual {
    using is_transparent = void;
    bool operator()(const PoolKey& a, const PoolKey& b) const { return a == b; }
    bool operator()(const KeyView& a, const PoolKey& b) const;
    bool operator()(const PoolKey& a, const KeyView& b) const { return (*this)(b, a); }
  };
  /// The connections of one key. Exists while one is open or wanted.
  struct Group {
    Group();
    ~Group();
    std::vector<std::unique_ptr<PooledConnection>> idle;  ///< Used last at the back.
    std::size_t users = 0;  ///< Connections and acquires that refer to it.
  };
  using Groups = std::unordered_map<PoolKey, Group, KeyHash, KeyEqual>;
  class GroupRef;

  GroupRef Refer(const PoolKey& key);
  Task<absl::StatusOr<Place>> WaitForPlace(Want want, const Group* group, ExchangeRecord* record);
  Task<absl::StatusOr<Lease>> Dial(Want want, GroupRef group, ConnectionPermit permit,
                                   ExchangeRecord* record);
  Lease LeaseOut(std::unique_ptr<PooledConnection> connection, bool reused);
  void Recycle(std::unique_ptr<PooledConnection> connection);
  void Discard(std::unique_ptr<PooledConnection> connection) noexcept;
  void PushIdle(std::unique_ptr<PooledConnection> connection);
  std::unique_ptr<PooledConnection> TakeIdle(Group& group, std::size_t index);
  void Offer(Group& group, std::size_t index);
  void OfferIdle(const std::optional<Origin>& origin);
  std::optional<SteadyTime> ExpireIdle(SteadyTime now);
  Task<absl::Status> ExpireTask();
  Duration RandomLifetime();
  void CountWait(Duration waited);

  asio::any_io_executor executor_;
  const std::size_t shard_;
  const PoolConfig config_;
  HostBudget& budget_;
  net::Dialer& dialer_;
  Watchdog& watchdog_;
  runtime::TaskGroup& tasks_;
  std::mt19937_64 random_;
  Groups groups_;
  std::size_t idle_ = 0;
  std::size_t leased_ = 0;
  bool expiring_ = false;  ///< The expiry task runs.
  bool closed_ = false;
  PoolCounters counters_;
  std::shared_ptr<ConnectionPool*> alive_;  ///< For eviction requests that arrive late.
};

}  // namespace fetchd::http
