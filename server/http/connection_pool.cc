#include "http/connection_pool.h"

#include <boost/asio/post.hpp>
#include <functional>

#include "base/check.h"
#include "http/error.h"
#include "http/pool_line.h"
#include "http/pooled_connection.h"

namespace fetchd::http {

std::size_t ConnectionPool::KeyHash::operator()(const KeyView& key) const {
  return std::hash<std::string_view>()(key.origin.host) + key.origin.port;
}
std::size_t ConnectionPool::KeyHash::operator()(const PoolKey& key) const {
  return (*this)(KeyView{key.origin, key.tls_profile, key.proxy.get(), key.policy.get()});
}
bool ConnectionPool::KeyEqual::operator()(const KeyView& a, const PoolKey& b) const {
  return a.origin == b.origin && a.tls_profile == b.tls_profile && a.proxy == b.proxy.get() &&
         a.policy == b.policy.get();
}

ConnectionPool::ConnectionPool(asio::any_io_executor executor, std::size_t shard, PoolConfig config,
                               Deps deps)
    : executor_(std::move(executor)),
      shard_(shard),
      config_(std::move(config)),
      budget_(deps.budget),
      book_(deps.book),
      dialer_(deps.dialer),
      watchdog_(deps.watchdog),
      tasks_(deps.tasks),
      random_(config_.seed),
      idle_(watchdog_.clock(), tasks_),
      alive_(std::make_shared<ConnectionPool*>(this)) {
  budget_.SetEvictIdle(
      shard_, [executor = executor_, weak = std::weak_ptr(alive_)](std::optional<Origin> origin) {
        asio::post(executor, [weak, origin = std::move(origin)] {
          if (const auto pool = weak.lock()) (*pool)->OfferOldest(origin);
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
  idle_.Clear();
  std::vector<std::shared_ptr<MultiplexedConnection>> in_use;
  for (const auto& [key, group] : groups_) {
    if (group.shared != nullptr) in_use.push_back(group.shared);
  }
  for (const auto& shared : in_use) Forget(shared->group.group());
}

ConnectionPool::GroupRef ConnectionPool::Refer(const PoolKey& key) {
  const auto [found, created] = groups_.try_emplace(key);
  if (created) found->second.dials = book_.Open(key.origin);
  return GroupRef(groups_, *found);
}

Duration ConnectionPool::RandomLifetime() {
  constexpr Duration kForever = std::chrono::hours(24 * 365);  // Beyond: no limit; and no overflow.
  if (config_.max_lifetime >= kForever) return Duration::max();
  std::uniform_real_distribution<double> factor(0.9, 1.1);
  return std::chrono::duration_cast<Duration>(config_.max_lifetime * factor(random_));
}

void ConnectionPool::Enter(DialCounters& dials, bool reused) {
  ++leased_;
  dials.in_flight.Enter();
  book_.in_flight().Enter();
  if (reused) Count(dials.reused);
}

void ConnectionPool::Leave(DialCounters& dials) {
  --leased_;
  dials.in_flight.Leave();
  book_.in_flight().Leave();
}

Lease ConnectionPool::LeaseOut(std::unique_ptr<PooledConnection> connection, bool reused) {
  Enter(*connection->group.group().dials, reused);
  return Lease(*this, std::move(connection), reused);
}

std::optional<Lease> ConnectionPool::TryReuse(const Origin& origin, std::string_view tls_profile,
                                              const net::Proxy* proxy,
                                              const egress::Policy* policy) {
  const auto found = groups_.find(KeyView{origin, tls_profile, proxy, policy});
  if (found == groups_.end()) return std::nullopt;
  Group& group = found->second;
  const bool joins = group.shared != nullptr && group.line.empty();
  std::optional<Lease> lease = joins ? TryStream(group) : TryIdle(*found);
  if (!lease) return std::nullopt;
  Count(group.dials->requests);
  group.dials->pool_wait.Observe(Duration::zero());
  return lease;
}

std::optional<Lease> ConnectionPool::TryIdle(Groups::value_type& entry) {
  Group& group = entry.second;
  if (group.idle.empty()) return std::nullopt;
  // Held: closing the last stale connection would end the group under our feet.
  const GroupRef hold(groups_, entry);
  while (!group.idle.empty()) {
    auto connection = TakeIdle(static_cast<PooledConnection&>(group.idle.back()));
    if (!connection->http.IsStale()) return LeaseOut(std::move(connection), true);
    Count(counters_.lost);
  }
  return std::nullopt;
}

Task<absl::StatusOr<Lease>> ConnectionPool::Acquire(Want want, ExchangeRecord* record) {
  GroupRef ref = Refer(want.key);
  const std::shared_ptr<DialCounters> dials = ref.group().dials;
  Count(dials->requests);
  absl::StatusOr<Lease> lease = co_await Obtain(std::move(want), std::move(ref), record);
  dials->pool_wait.Observe(record->pool_wait);
  co_return lease;
}

Task<absl::StatusOr<Lease>> ConnectionPool::Obtain(Want want, GroupRef ref,
                                                   ExchangeRecord* record) {
  if (!MayMultiplex(want.key)) co_return co_await Connect(std::move(want), std::move(ref), record);
  const GroupRef hold = Refer(want.key);
  Group& group = hold.group();
  while (!group.http1 && !group.unreachable) {
    CO_ASSIGN_OR_RETURN(std::optional<Lease> lease, co_await JoinShared(want, group, record));
    if (lease) co_return *std::move(lease);
    if (group.shared != nullptr || group.connecting) continue;
    Connecting connecting(group);
    absl::StatusOr<Lease> connected = co_await Connect(std::move(want), std::move(ref), record);
    const bool tried =
        !absl::IsCancelled(connected.status()) && record->failed_phase != Phase::kPoolWait;
    if (!connected.ok() && tried) connecting.Failed();
    co_return connected;
  }
  co_return co_await Connect(std::move(want), std::move(ref), record);
}

Task<absl::StatusOr<Lease>> ConnectionPool::Connect(Want want, GroupRef group,
                                                    ExchangeRecord* record) {
  ConnectionPermit permit = budget_.TryAcquire(want.key.origin, config_.use);
  if (!permit) {
    CO_ASSIGN_OR_RETURN(Place place, co_await WaitForPlace(want, &group.group(), record));
    if (place.occupant != nullptr) {
      std::unique_ptr<PooledConnection> connection(
          static_cast<PooledConnection*>(place.occupant.release()));
      if (!connection->http.IsStale()) co_return LeaseOut(std::move(connection), true);
      Count(counters_.lost);
      place.permit = std::move(connection->permit);
    }
    permit = std::move(place.permit);
  }
  co_return co_await Dial(std::move(want), std::move(group), std::move(permit), record);
}

Task<absl::StatusOr<Place>> ConnectionPool::WaitForPlace(Want want, const Group* group,
                                                         ExchangeRecord* record) {
  const PoolWait wait = BeginWait(want);
  absl::StatusOr<Place> place =
      co_await WithDeadline<Place>(clock(), wait.until(), PhaseName(Phase::kPoolWait),
                                   budget_.Wait({want.key.origin, group, config_.use}));
  CO_RETURN_IF_ERROR(EndWait(wait, want, place.status(), record));
  co_return place;
}

ConnectionPool::PoolWait ConnectionPool::BeginWait(const Want& want) const {
  const SteadyTime now = clock().Now();
  return {now, Deadline::After(now, want.timeouts.pool_wait), want.deadline};
}

/// Adds the wait to the record; `outcome`, in the words of the phase when it is a deadline.
absl::Status ConnectionPool::EndWait(const PoolWait& wait, const Want& want,
                                     const absl::Status& outcome, ExchangeRecord* record) {
  record->pool_wait += clock().Now() - wait.begun;
  const auto waited_ns = static_cast<std::uint64_t>(record->pool_wait.count());
  if (waited_ns > counters_.wait_max_ns.load(std::memory_order_relaxed)) {
    counters_.wait_max_ns.store(waited_ns, std::memory_order_relaxed);
  }
  if (outcome.ok()) return outcome;
  record->failed_phase = Phase::kPoolWait;
  if (absl::IsResourceExhausted(outcome)) Count(counters_.rejected);
  if (!absl::IsDeadlineExceeded(outcome)) return outcome;
  const std::string peer = PeerOf(want.key);
  if (wait.total.at() < wait.own.at()) return TotalTimeoutError(peer, PhaseName(Phase::kPoolWait));
  return TimeoutError(peer, PhaseName(Phase::kPoolWait), want.timeouts.pool_wait);
}

/// Absolute-form carries the name, and HTTP/1.1: an origin known to speak HTTP/2 gets a tunnel.
bool ConnectionPool::IsForwarded(const PoolKey& key) const {
  return key.proxy != nullptr && key.proxy->forwards_requests() && key.origin.scheme == "http" &&
         !KnowsHttp2(key.origin);
}

Task<absl::StatusOr<Lease>> ConnectionPool::Dial(Want want, GroupRef group, ConnectionPermit permit,
                                                 ExchangeRecord* record) {
  const bool offer_http2 = config_.offer_http2 && want.key.origin.scheme == "https";
  const bool forwarded = IsForwarded(want.key);
  net::DialRequest request{.origin = want.key.origin,
                           .tls_profile = want.key.tls_profile,
                           .timeouts = want.timeouts.dial,
                           .offer_http2 = offer_http2,
                           .proxy = want.key.proxy,
                           .tunnel = !forwarded,
                           .policy = want.key.policy,
                           .subject = want.subject};
  const SteadyTime begun = clock().Now();
  if (!record->served_at) record->served_at = begun;
  absl::StatusOr<std::unique_ptr<net::Stream>> stream =
      co_await dialer_.Dial(std::move(request), want.deadline, &record->dial);
  if (!stream.ok()) {
    record->failed_phase = record->dial.failed_phase;
    co_return std::move(stream).status();
  }
  Count(group.group().dials->opened);
  group.group().unreachable = false;
  if ((*stream)->speaks_http2() || KnowsHttp2(want.key.origin)) {
    co_return Multiplex(std::move(group), std::move(permit), *std::move(stream));
  }
  group.group().http1 = true;
  const SteadyTime now = clock().Now();
  const SteadyTime retire_at = Deadline::After(now, RandomLifetime()).at();
  auto connection = std::make_unique<PooledConnection>(*this, std::move(group), std::move(permit),
                                                       *std::move(stream), retire_at, now - begun,
                                                       forwarded ? want.key.proxy : nullptr);
  co_return LeaseOut(std::move(connection), false);
}

Task<absl::StatusOr<bool>> ConnectionPool::Warm(Want want, std::size_t enough) {
  GroupRef ref = Refer(want.key);
  const GroupRef hold = Refer(want.key);
  Group& group = hold.group();
  const bool unknown = MayMultiplex(want.key) && !group.http1;
  if (closed_ || group.shared != nullptr || group.open >= enough) co_return false;
  if (unknown && group.connecting) co_return false;
  ConnectionPermit permit = budget_.TryAcquire(want.key.origin, config_.use);
  if (!permit) co_return false;
  std::optional<Connecting> connecting;  // Requests wait for what it finds.
  if (unknown) connecting.emplace(group);
  ExchangeRecord record;
  absl::StatusOr<Lease> lease =
      co_await Dial(std::move(want), std::move(ref), std::move(permit), &record);
  if (!lease.ok() && !absl::IsCancelled(lease.status()) && connecting) connecting->Failed();
  CO_RETURN_IF_ERROR(lease.status());
  std::move(*lease).Recycle();
  co_return true;
}

Task<absl::StatusOr<Lease>> ConnectionPool::Redial(Lease stale, Want want, ExchangeRecord* record) {
  GroupRef group = Refer(want.key);
  Count(group.group().dials->redialled);
  if (stale.shared_ != nullptr) {
    stale.Drop();
    co_return co_await Obtain(std::move(want), std::move(group), record);
  }
  ConnectionPermit permit = std::move(stale.connection_->permit);
  Discard(std::move(stale.connection_));
  co_return co_await Dial(std::move(want), std::move(group), std::move(permit), record);
}

}  // namespace fetchd::http
