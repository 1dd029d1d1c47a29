// The connections of one shard: leased, idle, and the way to a new one.
#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "http/client.h"
#include "http/host_budget.h"
#include "http/http2_session.h"
#include "http/idle_connections.h"
#include "http/lease.h"
#include "http/origin_book.h"
#include "http/signal.h"
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
  /// What judged the addresses: the object, not what is in it. Null = the dialer's own. Who may not
  /// contact an address does not get there on the connection of one who may.
  std::shared_ptr<const egress::Policy> policy;
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
  Use use = Use::kOrigins;
};

/// How connections ended, and waits; written by the pool's shard, read by anybody. What is counted
/// by origin is in the OriginBook.
struct PoolCounters {
  std::atomic<std::uint64_t> expired{0};    ///< Idle for too long, or too old.
  std::atomic<std::uint64_t> lost{0};       ///< Closed by the peer while idle.
  std::atomic<std::uint64_t> evicted{0};    ///< Idle, and another needed the place.
  std::atomic<std::uint64_t> discarded{0};  ///< Could not be used again after a response.
  std::atomic<std::uint64_t> read_out{0};   ///< Saved by reading the rest of a response.
  std::atomic<std::uint64_t> rejected{0};   ///< Requests: too many were waiting.
  std::atomic<std::uint64_t> wait_max_ns{0};
};

/// Links the idle connections of a group.
struct GroupLink : boost::intrusive::list_base_hook<> {};

/// Lives on one shard; every lease must be gone before it dies. The budget and the book are common
/// to all shards. `tasks` runs the upkeep of idle connections; join it before the pool dies.
class ConnectionPool {
 public:
  /// References outlive the pool.
  struct Deps {
    HostBudget& budget;
    OriginBook& book;
    net::Dialer& dialer;
    Watchdog& watchdog;
    runtime::TaskGroup& tasks;
  };
  /// `shard`: this pool's number among those of the budget.
  ConnectionPool(asio::any_io_executor executor, std::size_t shard, PoolConfig config, Deps deps);
  ~ConnectionPool();
  ConnectionPool(const ConnectionPool&) = delete;
  ConnectionPool& operator=(const ConnectionPool&) = delete;

  /// A stream of the HTTP/2 connection, or the idle connection used last. Does not wait; empty when
  /// there is none, or others came first.
  std::optional<Lease> TryReuse(const Origin& origin, std::string_view tls_profile,
                                const net::Proxy* proxy, const egress::Policy* policy = nullptr);

  struct Want {
    PoolKey key;
    Timeouts timeouts;
    Deadline deadline;
    egress::SubjectPtr subject;  ///< See net::DialRequest.
  };
  /// An open connection, or a stream of one: first come, first served. While it is not known which
  /// protocol an https origin speaks, one connect is in flight and the others wait for what it
  /// finds. Errors: RESOURCE_EXHAUSTED (too many wait), DEADLINE_EXCEEDED ("pool wait" or "total"),
  /// CANCELLED (closed), and those of Dialer::Dial. Fills in what it learns of `record`, also when
  /// it fails.
  Task<absl::StatusOr<Lease>> Acquire(Want want, ExchangeRecord* record);
  /// Drops `stale` and gets another: a new connection in its place, without queueing again, or a
  /// stream elsewhere.
  Task<absl::StatusOr<Lease>> Redial(Lease stale, Want want, ExchangeRecord* record);

  /// Opens an idle connection. False when `enough` are open already, in use or not (one, over
  /// HTTP/2), when one is being opened, or when no place is free. Errors: those of Dialer::Dial.
  Task<absl::StatusOr<bool>> Warm(Want want, std::size_t enough);

  /// Closes idle connections; from now on nothing is kept.
  void Close();
  const PoolCounters& counters() const { return counters_; }
  Clock& clock() const { return watchdog_.clock(); }
  Use use() const { return config_.use; }

 private:
  friend class Lease;
  friend struct PooledConnection;
  friend struct MultiplexedConnection;

  struct KeyView {
    const Origin& origin;
    std::string_view tls_profile;
    const net::Proxy* proxy;
    const egress::Policy* policy;
  };
  /// All keys of one host and port have one hash: they are found together.
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
    boost::intrusive::list<GroupLink> idle;         ///< Owned; used last at the back.
    std::shared_ptr<MultiplexedConnection> shared;  ///< HTTP/2; null, or usable a moment ago.
    bool http1 = false;                             ///< The origin has chosen HTTP/1.1.
    bool unreachable = false;  ///< The last connect failed: nobody waits for another's.
    bool connecting = false;   ///< A connect that may bring `shared` is in flight.
    std::list<Signal*> line;   ///< Who waits for that, or for room in `shared`.
    std::size_t open = 0;      ///< HTTP/1.1 connections.
    std::size_t users = 0;     ///< Connections and acquires that refer to it.
    std::shared_ptr<DialCounters> dials;
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

  // connection_pool.cc: to a connection.
  GroupRef Refer(const PoolKey& key);
  Task<absl::StatusOr<Lease>> Obtain(Want want, GroupRef ref, ExchangeRecord* record);
  Task<absl::StatusOr<Place>> WaitForPlace(Want want, const Group* group, ExchangeRecord* record);
  Task<absl::StatusOr<Lease>> Connect(Want want, GroupRef group, ExchangeRecord* record);
  Task<absl::StatusOr<Lease>> Dial(Want want, GroupRef group, ConnectionPermit permit,
                                   ExchangeRecord* record);
  bool IsForwarded(const PoolKey& key) const;
  PoolWait BeginWait(const Want& want) const;
  absl::Status EndWait(const PoolWait& wait, const Want& want, const absl::Status& outcome,
                       ExchangeRecord* record);
  Duration RandomLifetime();
  std::optional<Lease> TryIdle(Groups::value_type& entry);
  Lease LeaseOut(std::unique_ptr<PooledConnection> connection, bool reused);
  void Enter(DialCounters& dials, bool reused);
  void Leave(DialCounters& dials);

  // pool_http2.cc: connections that are shared.
  bool MayMultiplex(const PoolKey& key) const;
  bool KnowsHttp2(const Origin& origin) const;
  Lease Multiplex(GroupRef ref, ConnectionPermit permit, std::unique_ptr<net::Stream> stream);
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
  void OfferShared(MultiplexedConnection& shared);
  void ExpireShared(MultiplexedConnection& shared);

  // pool_upkeep.cc: what becomes of a connection that was used.
  void Recycle(std::unique_ptr<PooledConnection> connection);
  void Discard(std::unique_ptr<PooledConnection> connection) noexcept;
  Task<void> ReadOut(Lease lease);
  Task<absl::Status> ReadOutLater(Lease lease, std::uint64_t left);
  SteadyTime IdleUntil(SteadyTime retire_at, Duration peer_keeps) const;
  void PushIdle(std::unique_ptr<PooledConnection> connection, SteadyTime until);
  std::unique_ptr<PooledConnection> TakeIdle(PooledConnection& connection);
  void OfferIdle(PooledConnection& connection);
  void OfferOldest(const std::optional<Origin>& origin);
  IdleConnection* OldestOf(const Origin& origin);
  void ExpireIdle(PooledConnection& connection);
  void WatchIdle(PooledConnection& connection);
  void OnIdleInput(PooledConnection& connection);

  asio::any_io_executor executor_;
  const std::size_t shard_;
  const PoolConfig config_;
  HostBudget& budget_;
  OriginBook& book_;
  net::Dialer& dialer_;
  Watchdog& watchdog_;
  runtime::TaskGroup& tasks_;
  std::mt19937_64 random_;
  Groups groups_;
  IdleConnections idle_;
  std::size_t leased_ = 0;
  bool closed_ = false;
  PoolCounters counters_;
  std::shared_ptr<ConnectionPool*> alive_;  ///< For eviction requests that arrive late.
};

}  // namespace fetchd::http
