#include "http/connection_pool.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <functional>

#include "base/check.h"
#include "base/strings.h"
#include "http/error.h"
#include "http/http2_stream.h"
#include "net/error.h"

namespace fetchd::http {
namespace {

void Add(std::atomic<std::uint64_t>& counter, std::uint64_t count = 1) {
  counter.fetch_add(count, std::memory_order_relaxed);
}

std::string PeerOf(const PoolKey& key) { return net::PeerName(key.origin, key.proxy.get()); }

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
                   std::unique_ptr<net::Stream> stream, Watchdog& watchdog, SteadyTime retire,
                   net::ProxyPtr forwarding)
      : group(std::move(owner)),
        permit(std::move(place)),
        retire_at(retire),
        http(std::move(stream), PeerOf(group.key()), watchdog, std::move(forwarding)) {}

  ConnectionPool::GroupRef group;
  ConnectionPermit permit;
  const SteadyTime retire_at;
  SteadyTime expires_at;  ///< While idle.
  Http1Connection http;
};

/// An HTTP/2 connection. Its group keeps it while it takes new streams, and so does every lease.
struct MultiplexedConnection final {
  MultiplexedConnection(ConnectionPool::GroupRef owner, ConnectionPermit place,
                        std::shared_ptr<Http2Session> session, SteadyTime retire)
      : group(std::move(owner)),
        permit(std::move(place)),
        retire_at(retire),
        http(std::move(session)) {}
  /// The socket is closed before its place is given away.
  ~MultiplexedConnection() {
    http->OnChange(nullptr);
    http->Close();
  }

  ConnectionPool::GroupRef group;
  ConnectionPermit permit;
  const SteadyTime retire_at;
  SteadyTime expires_at;  ///< While parked.
  bool parked = false;    ///< Idle: its place may be asked for.
  const std::shared_ptr<Http2Session> http;
};

/// A place in a group's line. Whoever leaves it lets the next one look.
class ConnectionPool::InLine {
 public:
  InLine(const asio::any_io_executor& executor, Group& group)
      : group_(group), signal_(executor), place_(group.line.insert(group.line.end(), &signal_)) {}
  InLine(const InLine&) = delete;
  InLine& operator=(const InLine&) = delete;
  ~InLine() {
    group_.line.erase(place_);
    WakeFirst(group_);
  }
  bool first() const { return group_.line.front() == &signal_; }
  Task<void> Wait() { return signal_.Wait(); }

  static void WakeFirst(const Group& group) {
    if (!group.line.empty()) group.line.front()->Notify();
  }

 private:
  Group& group_;
  Signal signal_;
  const std::list<Signal*>::iterator place_;
};

/// While a connect is in flight that others wait for. When it is cancelled, the next in line
/// connects; when it failed, nobody waits for a second failure.
class ConnectionPool::Connecting {
 public:
  explicit Connecting(Group& group) : group_(group) { group_.connecting = true; }
  Connecting(const Connecting&) = delete;
  Connecting& operator=(const Connecting&) = delete;
  ~Connecting() {
    group_.connecting = false;
    InLine::WakeFirst(group_);
  }
  void Failed() { group_.unreachable = true; }

 private:
  Group& group_;
};

ConnectionPool::Group::Group() = default;
ConnectionPool::Group::~Group() = default;

ConnectionPool::GroupRef::~GroupRef() {
  if (entry_ == nullptr || --entry_->second.users > 0) return;
  groups_->erase(groups_->find(entry_->first));
}

Lease::Lease(ConnectionPool& pool, std::unique_ptr<PooledConnection> connection, bool reused)
    : pool_(&pool), connection_(std::move(connection)), reused_(reused) {}
Lease::Lease(ConnectionPool& pool, std::shared_ptr<MultiplexedConnection> shared, bool reused)
    : pool_(&pool),
      shared_(std::move(shared)),
      stream_(std::make_unique<Http2Stream>(shared_->http)),
      reused_(reused) {}
Lease::Lease(Lease&&) noexcept = default;
Lease& Lease::operator=(Lease&& other) noexcept {
  Lease taken(std::move(other));
  std::swap(pool_, taken.pool_);
  std::swap(connection_, taken.connection_);
  std::swap(shared_, taken.shared_);
  std::swap(stream_, taken.stream_);
  std::swap(reused_, taken.reused_);
  return *this;
}
Lease::~Lease() { Drop(); }
void Lease::Drop() {
  if (connection_ != nullptr) pool_->Discard(std::move(connection_));
  if (shared_ == nullptr) return;
  stream_.reset();
  pool_->OnStreamDropped(std::exchange(shared_, nullptr));
}
Channel& Lease::channel() const {
  if (stream_ != nullptr) return *stream_;
  return connection_->http;
}
void Lease::Recycle() && {
  if (connection_ != nullptr) return pool_->Recycle(std::move(connection_));
  Drop();
}

std::size_t ConnectionPool::KeyHash::operator()(const KeyView& key) const {
  const std::hash<std::string_view> hash;
  return hash(key.origin.host) * 31 + hash(key.tls_profile) + key.origin.port +
         key.origin.scheme.size() + std::hash<const net::Proxy*>()(key.proxy);
}
std::size_t ConnectionPool::KeyHash::operator()(const PoolKey& key) const {
  return (*this)(KeyView{key.origin, key.tls_profile, key.proxy.get()});
}
bool ConnectionPool::KeyEqual::operator()(const KeyView& a, const PoolKey& b) const {
  return a.origin == b.origin && a.tls_profile == b.tls_profile && a.proxy == b.proxy.get();
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
  std::vector<std::shared_ptr<MultiplexedConnection>> shared;
  for (auto& [key, group] : groups_) {
    while (!group.idle.empty()) doomed.push_back(TakeIdle(group, group.idle.size() - 1));
    if (group.shared != nullptr) shared.push_back(group.shared);
  }
  for (const auto& connection : shared) Forget(connection->group.group());
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

std::optional<Lease> ConnectionPool::TryReuse(const Origin& origin, std::string_view tls_profile,
                                              const net::Proxy* proxy) {
  const auto found = groups_.find(KeyView{origin, tls_profile, proxy});
  if (found == groups_.end()) return std::nullopt;
  Group& group = found->second;
  if (group.shared != nullptr && group.line.empty()) return TryStream(group);
  if (group.idle.empty()) return std::nullopt;
  const SteadyTime now = clock().Now();
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
  GroupRef ref = Refer(want.key);
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

bool ConnectionPool::MayMultiplex(const PoolKey& key) const {
  return key.origin.scheme == "https" ? config_.offer_http2 : KnowsHttp2(key.origin);
}

bool ConnectionPool::KnowsHttp2(const Origin& origin) const {
  return std::ranges::find(config_.http2_origins, origin) != config_.http2_origins.end();
}

/// Absolute-form carries the name, and HTTP/1.1: an origin known to speak HTTP/2 gets a tunnel.
bool ConnectionPool::IsForwarded(const PoolKey& key) const {
  return key.proxy != nullptr && key.proxy->forwards_requests() && key.origin.scheme == "http" &&
         !KnowsHttp2(key.origin);
}

Task<absl::StatusOr<std::optional<Lease>>> ConnectionPool::JoinShared(Want want, Group& group,
                                                                      ExchangeRecord* record) {
  if (group.line.empty() && !group.connecting) {
    std::optional<Lease> lease = TryStream(group);
    if (lease || group.shared == nullptr) co_return lease;
  }
  const PoolWait wait = BeginWait(want);
  InLine place(executor_, group);
  const absl::StatusOr<bool> came = co_await WithDeadline<bool>(
      clock(), wait.until(), PhaseName(Phase::kPoolWait), WaitInLine(place, group));
  CO_RETURN_IF_ERROR(EndWait(wait, want, came.status(), record));
  co_return TryStream(group);
}

Task<absl::StatusOr<bool>> ConnectionPool::WaitInLine(InLine& place, const Group& group) {
  const auto must_wait = [&] {
    const bool full = group.shared != nullptr && !group.shared->http->has_room();
    return !place.first() || group.connecting || full;
  };
  while (must_wait()) co_await place.Wait();
  co_return true;
}

std::optional<Lease> ConnectionPool::TryStream(Group& group) {
  if (group.shared == nullptr) return std::nullopt;
  if (!group.shared->http->usable() || group.shared->retire_at <= clock().Now()) {
    Forget(group);
    return std::nullopt;
  }
  if (!group.shared->http->has_room()) return std::nullopt;
  Add(counters_.reused);
  return Share(group.shared, true);
}

Lease ConnectionPool::Share(std::shared_ptr<MultiplexedConnection> shared, bool reused) {
  Unpark(*shared);
  ++leased_;
  return Lease(*this, std::move(shared), reused);
}

/// No new streams on what the group shares; it goes when its last stream does.
void ConnectionPool::Forget(Group& group) {
  const auto forgotten = std::exchange(group.shared, nullptr);
  if (forgotten == nullptr) return;
  Unpark(*forgotten);
  InLine::WakeFirst(group);
}

Task<absl::StatusOr<Lease>> ConnectionPool::Connect(Want want, GroupRef group,
                                                    ExchangeRecord* record) {
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
  const PoolWait wait = BeginWait(want);
  absl::StatusOr<Place> place = co_await WithDeadline<Place>(
      clock(), wait.until(), PhaseName(Phase::kPoolWait), budget_.Wait({want.key.origin, group}));
  CO_RETURN_IF_ERROR(EndWait(wait, want, place.status(), record));
  co_return place;
}

ConnectionPool::PoolWait ConnectionPool::BeginWait(const Want& want) {
  Add(counters_.waited);
  const SteadyTime now = clock().Now();
  return {now, Deadline::After(now, want.timeouts.pool_wait), want.deadline};
}

/// Counts the wait; `outcome`, in the words of the phase when it is a deadline.
absl::Status ConnectionPool::EndWait(const PoolWait& wait, const Want& want,
                                     const absl::Status& outcome, ExchangeRecord* record) {
  record->pool_wait = clock().Now() - wait.begun;
  CountWait(record->pool_wait);
  if (outcome.ok()) return outcome;
  record->failed_phase = Phase::kPoolWait;
  if (absl::IsResourceExhausted(outcome)) Add(counters_.rejected);
  if (!absl::IsDeadlineExceeded(outcome)) return outcome;
  const std::string peer = PeerOf(want.key);
  if (wait.total.at() < wait.own.at()) return TotalTimeoutError(peer, PhaseName(Phase::kPoolWait));
  return TimeoutError(peer, PhaseName(Phase::kPoolWait), want.timeouts.pool_wait);
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
  const bool offer_http2 = config_.offer_http2 && want.key.origin.scheme == "https";
  const bool forwarded = IsForwarded(want.key);
  net::DialRequest request{.origin = want.key.origin,
                           .tls_profile = want.key.tls_profile,
                           .timeouts = want.timeouts.dial,
                           .offer_http2 = offer_http2,
                           .proxy = want.key.proxy,
                           .tunnel = !forwarded};
  if (!record->served_at) record->served_at = clock().Now();
  absl::StatusOr<std::unique_ptr<net::Stream>> stream =
      co_await dialer_.Dial(std::move(request), want.deadline, &record->dial);
  if (!stream.ok()) {
    record->failed_phase = record->dial.failed_phase;
    co_return std::move(stream).status();
  }
  Add(counters_.opened);
  group.group().unreachable = false;
  if ((*stream)->speaks_http2() || KnowsHttp2(want.key.origin)) {
    co_return Multiplex(std::move(group), std::move(permit), *std::move(stream));
  }
  group.group().http1 = true;
  const SteadyTime retire_at = Deadline::After(clock(), RandomLifetime()).at();
  auto connection = std::make_unique<PooledConnection>(std::move(group), std::move(permit),
                                                       *std::move(stream), watchdog_, retire_at,
                                                       forwarded ? want.key.proxy : nullptr);
  co_return LeaseOut(std::move(connection), false);
}

/// The first stream of a new HTTP/2 connection, which the group shares unless it shares one
/// already.
Lease ConnectionPool::Multiplex(GroupRef ref, ConnectionPermit permit,
                                std::unique_ptr<net::Stream> stream) {
  auto session =
      Http2Session::Start(std::move(stream), PeerOf(ref.key()), watchdog_, tasks_, config_.http2);
  const SteadyTime retire_at = Deadline::After(clock(), RandomLifetime()).at();
  auto shared = std::make_shared<MultiplexedConnection>(std::move(ref), std::move(permit),
                                                        std::move(session), retire_at);
  shared->http->OnChange([this, connection = shared.get()] { OnSessionChange(*connection); });
  Group& group = shared->group.group();
  if (group.shared == nullptr && !closed_) group.shared = shared;
  return Share(std::move(shared), false);
}

void ConnectionPool::OnSessionChange(const MultiplexedConnection& shared) {
  Group& group = shared.group.group();
  if (group.shared.get() == &shared && !shared.http->usable()) {
    Forget(group);  // `shared` and the group may be gone now.
  } else {
    InLine::WakeFirst(group);
  }
}

void ConnectionPool::OnStreamDropped(const std::shared_ptr<MultiplexedConnection>& shared) {
  --leased_;
  Group& group = shared->group.group();
  if (group.shared != shared || shared->http->streams() > 0) return;
  if (closed_ || shared->retire_at <= clock().Now()) return Forget(group);
  Park(*shared);
  if (budget_.anybody_waits()) OfferShared(group);
}

void ConnectionPool::Park(MultiplexedConnection& shared) {
  shared.parked = true;
  shared.expires_at = IdleUntil(shared.retire_at);
  budget_.MarkIdle(shared.permit, shard_);
  ++idle_;
  StartExpiry();
}

void ConnectionPool::Unpark(MultiplexedConnection& shared) {
  if (!std::exchange(shared.parked, false)) return;
  budget_.MarkBusy(shared.permit, shard_);
  --idle_;
}

/// Lets the budget decide about a parked connection. `group` may be gone afterwards.
void ConnectionPool::OfferShared(Group& group) {
  std::unique_ptr<Occupant> none;  // It cannot be handed over, so it is offered in nobody's name.
  if (budget_.Offer(group.shared->permit, nullptr, none) == HostBudget::Advice::kKeep) return;
  Add(counters_.discarded);
  Forget(group);
}

Task<absl::StatusOr<Lease>> ConnectionPool::Redial(Lease stale, Want want, ExchangeRecord* record) {
  if (stale.shared_ != nullptr) {
    stale.Drop();
    co_return co_await Acquire(std::move(want), record);
  }
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
  connection->expires_at = IdleUntil(connection->retire_at);
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
  StartExpiry();
}

void ConnectionPool::StartExpiry() {
  if (std::exchange(expiring_, true)) return;
  tasks_.Spawn("http idle expiry", ExpireTask());
}

SteadyTime ConnectionPool::IdleUntil(SteadyTime retire_at) const {
  return std::min(retire_at, Deadline::After(clock(), config_.idle_ttl).at());
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
  SteadyTime oldest_expiry = SteadyTime::max();
  for (auto& [key, group] : groups_) {
    const bool fits =
        !origin || (key.origin.host == origin->host && key.origin.port == origin->port);
    const SteadyTime expiry = FirstExpiry(group);
    if (!fits || expiry >= oldest_expiry) continue;
    oldest = &group;
    oldest_expiry = expiry;
  }
  if (oldest == nullptr) return budget_.AskAgain(origin);  // It was taken in the meantime.
  if (oldest->idle.empty()) return OfferShared(*oldest);
  Offer(*oldest, 0);
}

/// Of a group's idle connections; max() when it has none.
SteadyTime ConnectionPool::FirstExpiry(const Group& group) {
  if (!group.idle.empty()) return group.idle.front()->expires_at;
  const bool parked = group.shared != nullptr && group.shared->parked;
  return parked ? group.shared->expires_at : SteadyTime::max();
}

/// Closes what has expired; when the next one will, if any is left.
std::optional<SteadyTime> ConnectionPool::ExpireIdle(SteadyTime now) {
  // Groups must not go while we walk them.
  std::vector<std::unique_ptr<PooledConnection>> expired;
  std::vector<std::shared_ptr<MultiplexedConnection>> expired_shared;
  SteadyTime next = SteadyTime::max();
  for (auto& [key, group] : groups_) {
    for (std::size_t i = group.idle.size(); i-- > 0;) {
      if (group.idle[i]->expires_at <= now) expired.push_back(TakeIdle(group, i));
    }
    const SteadyTime first = FirstExpiry(group);
    if (first <= now) {
      expired_shared.push_back(group.shared);
    } else {
      next = std::min(next, first);
    }
  }
  for (const auto& connection : expired_shared) Forget(connection->group.group());
  Add(counters_.expired, expired.size() + expired_shared.size());
  return next == SteadyTime::max() ? std::nullopt : std::optional(next);
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
