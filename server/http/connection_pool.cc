#include "http/connection_pool.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <functional>

#include "base/check.h"
#include "base/strings.h"
#include "http/error.h"

namespace fetchd::http {
namespace {

void Add(std::atomic<std::uint64_t>& counter, std::uint64_t count = 1) {
  counter.fetch_add(count, std::memory_order_relaxed);
}

std::string PeerName(const Origin& origin) { return Concat(origin.host, ":", origin.port); }

}  // namespace

/// Keeps a group in the map.
class ConnectionPool::GroupRef {
 public:
  GroupRef(Groups& groups, Groups::value_type& entry) : groups_(&groups), entry_(&entry) {
    ++entry.second.users;
  }
  GroupRef(GroupRef&& other) noexcept
      : groups_(other.groups_), entry_(std::exchange(other.entry_, nullptr)) {}
  GroupRef& operator=(GroupRef&&) = delete;
  ~GroupRef();
  const PoolKey& key() const { return entry_->first; }
  Group& group() const { return entry_->second; }

 private:
  Groups* groups_;
  Groups::value_type* entry_;
};

/// Members die in reverse: the socket is closed before its place is given away.
struct PooledConnection final : Occupant {
  PooledConnection(ConnectionPool::GroupRef owner, ConnectionPermit place,
                   std::unique_ptr<net::Stream> stream, Watchdog& watchdog, SteadyTime retire)
      : group(std::move(owner)),
        permit(std::move(place)),
        retire_at(retire),
        http(std::move(stream), PeerName(group.key().origin), watchdog) {}

  ConnectionPool::GroupRef group;
  ConnectionPermit permit;
  const SteadyTime retire_at;
  SteadyTime expires_at;  ///< While idle.
  Http1Connection http;
};

ConnectionPool::Group::Group() = default;
ConnectionPool::Group::~Group() = default;

ConnectionPool::GroupRef::~GroupRef() {
  if (entry_ == nullptr || --entry_->second.users > 0) return;
  groups_->erase(groups_->find(entry_->first));
}

Lease::Lease(ConnectionPool& pool, std::unique_ptr<PooledConnection> connection, bool reused)
    : pool_(&pool), connection_(std::move(connection)), reused_(reused) {}
Lease::Lease(Lease&&) noexcept = default;
Lease& Lease::operator=(Lease&& other) noexcept {
  Lease taken(std::move(other));
  std::swap(pool_, taken.pool_);
  std::swap(connection_, taken.connection_);
  std::swap(reused_, taken.reused_);
  return *this;
}
Lease::~Lease() {
  if (connection_ != nullptr) pool_->Discard(std::move(connection_));
}
Http1Connection& Lease::connection() const { return connection_->http; }
void Lease::Recycle() && { pool_->Recycle(std::move(connection_)); }

std::size_t ConnectionPool::KeyHash::operator()(const KeyView& key) const {
  const std::hash<std::string_view> hash;
  return hash(key.origin.host) * 31 + hash(key.tls_profile) + key.origin.port +
         key.origin.scheme.size();
}
std::size_t ConnectionPool::KeyHash::operator()(const PoolKey& key) const {
  return (*this)(KeyView{key.origin, key.tls_profile});
}
bool ConnectionPool::KeyEqual::operator()(const KeyView& a, const PoolKey& b) const {
  return a.origin == b.origin && a.tls_profile == b.tls_profile;
}

ConnectionPool::ConnectionPool(asio::any_io_executor executor, std::size_t shard, PoolConfig config,
                               HostBudget& budget, net::Dialer& dialer, Watchdog& watchdog,
                               runtime::TaskGroup& tasks)
    : executor_(std::move(executor)),
      shard_(shard),
      config_(config),
      budget_(budget),
      dialer_(dialer),
      watchdog_(watchdog),
      tasks_(tasks),
      random_(config.seed),
      alive_(std::make_shared<ConnectionPool*>(this)) {
  budget_.SetEvictIdle(
      shard_, [executor = executor_, weak = std::weak_ptr(alive_)](std::optional<Origin> origin) {
        asio::post(executor, [weak, origin = std::move(origin)] {
          if (const auto pool = weak.lock()) (*pool)->OfferIdle(origin);
        });
      });
}

ConnectionPool::~ConnectionPool() {
  budget_.SetEvictIdle(shard_, nullptr);
  Close();
  FETCHD_CHECK(leased_ == 0);
  FETCHD_CHECK(groups_.empty());
}

void ConnectionPool::Close() {
  closed_ = true;
  std::vector<std::unique_ptr<PooledConnection>> doomed;
  for (auto& [key, group] : groups_) {
    while (!group.idle.empty()) doomed.push_back(TakeIdle(group, group.idle.size() - 1));
  }
}

ConnectionPool::GroupRef ConnectionPool::Refer(const PoolKey& key) {
  return GroupRef(groups_, *groups_.try_emplace(key).first);
}

Duration ConnectionPool::RandomLifetime() {
  constexpr Duration kForever = std::chrono::hours(24 * 365);  // Beyond: no limit; and no overflow.
  if (config_.max_lifetime >= kForever) return Duration::max();
  std::uniform_real_distribution<double> factor(0.9, 1.1);
  return std::chrono::duration_cast<Duration>(config_.max_lifetime * factor(random_));
}

Lease ConnectionPool::LeaseOut(std::unique_ptr<PooledConnection> connection, bool reused) {
  ++leased_;
  if (reused) Add(counters_.reused);
  return Lease(*this, std::move(connection), reused);
}

std::unique_ptr<PooledConnection> ConnectionPool::TakeIdle(Group& group, std::size_t index) {
  auto connection = std::move(group.idle[index]);
  group.idle.erase(group.idle.begin() + static_cast<std::ptrdiff_t>(index));
  budget_.MarkBusy(connection->permit, shard_);
  --idle_;
  return connection;
}

std::optional<Lease> ConnectionPool::TryReuse(const Origin& origin, std::string_view tls_profile) {
  const auto found = groups_.find(KeyView{origin, tls_profile});
  if (found == groups_.end() || found->second.idle.empty()) return std::nullopt;
  const SteadyTime now = clock().Now();
  Group& group = found->second;
  // Held: closing the last stale connection would end the group under our feet.
  const GroupRef hold(groups_, *found);
  while (!group.idle.empty()) {
    auto connection = TakeIdle(group, group.idle.size() - 1);
    if (connection->expires_at <= now) {
      Add(counters_.expired);
    } else if (connection->http.IsStale()) {
      Add(counters_.discarded);
    } else {
      return LeaseOut(std::move(connection), true);
    }
  }
  return std::nullopt;
}

Task<absl::StatusOr<Lease>> ConnectionPool::Acquire(Want want, ExchangeRecord* record) {
  GroupRef group = Refer(want.key);
  ConnectionPermit permit = budget_.TryAcquire(want.key.origin);
  if (!permit) {
    CO_ASSIGN_OR_RETURN(Place place, co_await WaitForPlace(want, &group.group(), record));
    if (place.occupant != nullptr) {
      std::unique_ptr<PooledConnection> connection(
          static_cast<PooledConnection*>(place.occupant.release()));
      if (!connection->http.IsStale()) co_return LeaseOut(std::move(connection), true);
      place.permit = std::move(connection->permit);
    }
    permit = std::move(place.permit);
  }
  co_return co_await Dial(std::move(want), std::move(group), std::move(permit), record);
}

Task<absl::StatusOr<Place>> ConnectionPool::WaitForPlace(Want want, const Group* group,
                                                         ExchangeRecord* record) {
  Add(counters_.waited);
  const SteadyTime begun = clock().Now();
  const Deadline own = Deadline::After(begun, want.timeouts.pool_wait);
  const bool total_first = want.deadline.at() < own.at();
  const std::string peer = PeerName(want.key.origin);
  absl::StatusOr<Place> place =
      co_await WithDeadline<Place>(clock(), own.Min(want.deadline), PhaseName(Phase::kPoolWait),
                                   budget_.Wait({want.key.origin, group}));
  record->pool_wait = clock().Now() - begun;
  CountWait(record->pool_wait);
  if (place.ok()) co_return place;
  record->failed_phase = Phase::kPoolWait;
  if (absl::IsResourceExhausted(place.status())) Add(counters_.rejected);
  if (!absl::IsDeadlineExceeded(place.status())) co_return place;
  if (total_first) co_return TotalTimeoutError(peer, PhaseName(Phase::kPoolWait));
  co_return TimeoutError(peer, PhaseName(Phase::kPoolWait), want.timeouts.pool_wait);
}

void ConnectionPool::CountWait(Duration waited) {
  const auto ns = static_cast<std::uint64_t>(waited.count());
  Add(counters_.wait_total_ns, ns);
  if (ns > counters_.wait_max_ns.load(std::memory_order_relaxed)) {
    counters_.wait_max_ns.store(ns, std::memory_order_relaxed);
  }
}

Task<absl::StatusOr<Lease>> ConnectionPool::Dial(Want want, GroupRef group, ConnectionPermit permit,
                                                 ExchangeRecord* record) {
  net::DialRequest request{want.key.origin, want.key.tls_profile, want.timeouts.dial};
  absl::StatusOr<std::unique_ptr<net::Stream>> stream =
      co_await dialer_.Dial(std::move(request), want.deadline, &record->dial);
  if (!stream.ok()) {
    record->failed_phase = record->dial.failed_phase;
    co_return std::move(stream).status();
  }
  Add(counters_.opened);
  const SteadyTime retire_at = Deadline::After(clock(), RandomLifetime()).at();
  auto connection = std::make_unique<PooledConnection>(std::move(group), std::move(permit),
                                                       *std::move(stream), watchdog_, retire_at);
  co_return LeaseOut(std::move(connection), false);
}

Task<absl::StatusOr<Lease>> ConnectionPool::Redial(Lease stale, Want want, ExchangeRecord* record) {
  ConnectionPermit permit = std::move(stale.connection_->permit);
  GroupRef group = Refer(want.key);
  Discard(std::move(stale.connection_));
  co_return co_await Dial(std::move(want), std::move(group), std::move(permit), record);
}

void ConnectionPool::Discard(std::unique_ptr<PooledConnection> connection) noexcept {
  --leased_;
  Add(counters_.discarded);
  connection.reset();
}

void ConnectionPool::Recycle(std::unique_ptr<PooledConnection> connection) {
  if (closed_ || !connection->http.reusable()) return Discard(std::move(connection));
  const SteadyTime now = clock().Now();
  if (connection->retire_at <= now) {
    --leased_;
    return Add(counters_.expired);
  }
  --leased_;
  connection->http.Relax();
  connection->expires_at =
      std::min(connection->retire_at, Deadline::After(now, config_.idle_ttl).at());
  Group& group = connection->group.group();
  PushIdle(std::move(connection));
  // Idle first, then the look at the waiters: a waiter does it the other way round, so one of the
  // two sees the other.
  if (budget_.anybody_waits()) Offer(group, group.idle.size() - 1);
}

void ConnectionPool::PushIdle(std::unique_ptr<PooledConnection> connection) {
  budget_.MarkIdle(connection->permit, shard_);
  ++idle_;
  Group& group = connection->group.group();
  group.idle.push_back(std::move(connection));
  if (expiring_) return;
  expiring_ = true;
  tasks_.Spawn("http idle expiry", ExpireTask());
}

/// Lets the budget decide about an idle connection. `group` may be gone afterwards.
void ConnectionPool::Offer(Group& group, std::size_t index) {
  PooledConnection* const connection = group.idle[index].release();
  std::unique_ptr<Occupant> occupant(connection);
  switch (budget_.Offer(connection->permit, &group, occupant)) {
    case HostBudget::Advice::kKeep:
      occupant.release();
      group.idle[index].reset(connection);
      return;
    case HostBudget::Advice::kHandOver:
      // Its new user runs on this shard, later: the connection is still there to be counted.
      budget_.MarkBusy(connection->permit, shard_);
      --idle_;
      group.idle.erase(group.idle.begin() + static_cast<std::ptrdiff_t>(index));
      return;
    case HostBudget::Advice::kClose:
      occupant.release();
      group.idle[index].reset(connection);
      Add(counters_.discarded);
      TakeIdle(group, index).reset();
      return;
  }
}

/// Somebody on some shard wants a place that an idle connection here holds.
void ConnectionPool::OfferIdle(const std::optional<Origin>& origin) {
  Group* oldest = nullptr;
  for (auto& [key, group] : groups_) {
    const bool fits =
        !origin || (key.origin.host == origin->host && key.origin.port == origin->port);
    if (group.idle.empty() || !fits) continue;
    if (oldest == nullptr || group.idle.front()->expires_at < oldest->idle.front()->expires_at) {
      oldest = &group;
    }
  }
  if (oldest != nullptr) Offer(*oldest, 0);
}

/// Closes what has expired; when the next one will, if any is left.
std::optional<SteadyTime> ConnectionPool::ExpireIdle(SteadyTime now) {
  std::vector<std::unique_ptr<PooledConnection>> expired;  // Groups must not go while we walk them.
  std::optional<SteadyTime> next;
  for (auto& [key, group] : groups_) {
    for (std::size_t i = group.idle.size(); i-- > 0;) {
      const SteadyTime expires_at = group.idle[i]->expires_at;
      if (expires_at <= now) {
        expired.push_back(TakeIdle(group, i));
      } else {
        next = std::min(next.value_or(expires_at), expires_at);
      }
    }
  }
  Add(counters_.expired, expired.size());
  return next;
}

Task<absl::Status> ConnectionPool::ExpireTask() {
  constexpr Duration kMinPause = std::chrono::milliseconds(100);
  struct Stopped {
    bool& expiring;
    ~Stopped() { expiring = false; }
  } const stopped{expiring_};
  while (true) {
    const SteadyTime now = clock().Now();
    const std::optional<SteadyTime> next = ExpireIdle(now);
    if (!next) co_return absl::OkStatus();
    co_await clock().SleepUntil(std::max(*next, now + kMinPause));
  }
}

}  // namespace fetchd::http
