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
#include "http/http2_session.h"
#include "http/watchdog.h"
#include "net/dialer.h"
#include "runtime/task_group.h"

namespace fetchd::http {

/// Everything that changes whom we trust or where we connect.
struct PoolKey {
  Origin origin;
  std::string tls_profile;
  /// The way to it, and with it the credentials for that way: the object, not what is in it. Null =
  /// direct.
  net::ProxyPtr proxy;
  friend bool operator==(const PoolKey&, const PoolKey&) = default;
};

struct PoolConfig {
  Duration idle_ttl = std::chrono::seconds(55);
  Duration max_lifetime = std::chrono::minutes(10);  ///< +-10 %, by connection.
  bool offer_http2 = true;                           ///< To https origins, by ALPN.
  /// http origins that are spoken to in HTTP/2 at once (RFC 9113 3.3, prior knowledge).
  std::vector<Origin> http2_origins;
  Http2Config http2;
  std::uint64_t seed = 0;  ///< For the lifetimes.
};

/// Edges of the pool's states; written by its shard, read by anybody.
struct PoolCounters {
  std::atomic<std::uint64_t> opened{0}, reused{0}, expired{0}, discarded{0}, waited{0}, rejected{0};
  std::atomic<std::uint64_t> wait_total_ns{0}, wait_max_ns{0};
};

class ConnectionPool;
class Http2Stream;
struct PooledConnection;
struct MultiplexedConnection;

/// An HTTP/1.1 connection in use, or a stream of an HTTP/2 one. Dropped = closed, and its place is
/// free; reuse is asked for by the code that saw a clean end.
class Lease {
 public:
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) noexcept;
  ~Lease();
  Channel& channel() const;
  bool reused() const { return reused_; }  ///< May be stale: one silent re-dial is allowed.
  /// Only after a clean end of response; a connection that is not reusable() is closed all the
  /// same. For a stream: as good as dropping it.
  void Recycle() &&;

 private:
  friend class ConnectionPool;
  Lease(ConnectionPool& pool, std::unique_ptr<PooledConnection> connection, bool reused);
  Lease(ConnectionPool& pool, std::shared_ptr<MultiplexedConnection> shared, bool reused);
  void Drop();
  ConnectionPool* pool_;
  std::unique_ptr<PooledConnection> connection_;   ///< Either this...
  std::shared_ptr<MultiplexedConnection> shared_;  ///< ... or these two.
  std::unique_ptr<Http2Stream> stream_;
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

  /// A stream of the HTTP/2 connection, or the idle connection used last. Does not wait; empty when
  /// there is none, or others came first.
  std::optional<Lease> TryReuse(const Origin& origin, std::string_view tls_profile,
                                const net::Proxy* proxy);

  struct Want {
    PoolKey key;
    Timeouts timeouts;
    Deadline deadline;
  };
  /// An open connection, or a stream of one: first come, first served. While it is not known which
  /// protocol an https origin speaks, one connect is in flight and the others wait for what it
  /// finds. Errors: RESOURCE_EXHAUSTED (too many wait),
  /// DEADLINE_EXCEEDED ("pool wait" or "total"), CANCELLED (closed), and those of Dialer::Dial.
  /// Fills in what it learns of `record`, also when it fails.
  Task<absl::StatusOr<Lease>> Acquire(Want want, ExchangeRecord* record);
  /// Drops `stale` and gets another: a new connection in its place, without queueing again, or a
  /// stream elsewhere.
  Task<absl::StatusOr<Lease>> Redial(Lease stale, Want want, ExchangeRecord* record);

  /// Closes idle connections; from now on nothing is kept.
  void Close();
  const PoolCounters& counters() const { return counters_; }
  Clock& clock() const { return watchdog_.clock(); }

 private:
  friend class Lease;
  friend struct PooledConnection;
  friend struct MultiplexedConnection;

  struct KeyView {
    const Origin& origin;
    std::string_view tls_profile;
    const net::Proxy* proxy;
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
    std::shared_ptr<MultiplexedConnection> shared;        ///< HTTP/2; null, or usable a moment ago.
    bool http1 = false;                                   ///< The origin has chosen HTTP/1.1.
    bool unreachable = false;  ///< The last connect failed: nobody waits for another's.
    bool connecting = false;   ///< A connect that may bring `shared` is in flight.
    std::list<Signal*> line;   ///< Who waits for that, or for room in `shared`.
    std::size_t users = 0;     ///< Connections and acquires that refer to it.
  };
  using Groups = std::unordered_map<PoolKey, Group, KeyHash, KeyEqual>;
  /// A wait for a place or a stream: how long it may take.
  struct PoolWait {
    SteadyTime begun;
    Deadline own;
    Deadline total;
    Deadline until() const { return own.Min(total); }
  };
  class GroupRef;
  class InLine;
  class Connecting;

  GroupRef Refer(const PoolKey& key);
  Task<absl::StatusOr<Place>> WaitForPlace(Want want, const Group* group, ExchangeRecord* record);
  Task<absl::StatusOr<Lease>> Connect(Want want, GroupRef group, ExchangeRecord* record);
  Task<absl::StatusOr<Lease>> Dial(Want want, GroupRef group, ConnectionPermit permit,
                                   ExchangeRecord* record);
  Lease Multiplex(GroupRef ref, ConnectionPermit permit, std::unique_ptr<net::Stream> stream);
  bool MayMultiplex(const PoolKey& key) const;
  bool KnowsHttp2(const Origin& origin) const;
  bool IsForwarded(const PoolKey& key) const;
  /// A stream of the shared connection, after the others in line; or empty, when there is none.
  Task<absl::StatusOr<std::optional<Lease>>> JoinShared(Want want, Group& group,
                                                        ExchangeRecord* record);
  static Task<absl::StatusOr<bool>> WaitInLine(InLine& place, const Group& group);
  std::optional<Lease> TryStream(Group& group);
  Lease Share(std::shared_ptr<MultiplexedConnection> shared, bool reused);
  void Forget(Group& group);
  void OnSessionChange(const MultiplexedConnection& shared);
  void OnStreamDropped(const std::shared_ptr<MultiplexedConnection>& shared);
  void Park(MultiplexedConnection& shared);
  void Unpark(MultiplexedConnection& shared);
  void OfferShared(Group& group);
  PoolWait BeginWait(const Want& want);
  absl::Status EndWait(const PoolWait& wait, const Want& want, const absl::Status& outcome,
                       ExchangeRecord* record);
  void StartExpiry();
  SteadyTime IdleUntil(SteadyTime retire_at) const;
  static SteadyTime FirstExpiry(const Group& group);
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
