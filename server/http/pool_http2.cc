// The connections of a pool that are shared: HTTP/2.
#include <algorithm>
#include <memory>
#include <utility>

#include "http/connection_pool.h"
#include "http/http2_stream.h"
#include "http/pool_line.h"
#include "http/pooled_connection.h"

namespace fetchd::http {

bool ConnectionPool::MayMultiplex(const PoolKey& key) const {
  return key.origin.scheme == "https" ? config_.offer_http2 : KnowsHttp2(key.origin);
}

bool ConnectionPool::KnowsHttp2(const Origin& origin) const {
  return std::ranges::find(config_.http2_origins, origin) != config_.http2_origins.end();
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
  if (!group.shared->http->usable() || group.shared->retire_at <= clock().Now() ||
      budget_.IsCrowded(group.shared->permit)) {
    Forget(group);
    return std::nullopt;
  }
  if (!group.shared->http->has_room()) return std::nullopt;
  return Share(group.shared, true);
}

Lease ConnectionPool::Share(std::shared_ptr<MultiplexedConnection> shared, bool reused) {
  Unpark(*shared);
  Enter(*shared->group.group().dials, reused);
  return Lease(*this, std::move(shared), reused);
}

/// The first stream of a new HTTP/2 connection, which the group shares unless it shares one
/// already.
Lease ConnectionPool::Multiplex(GroupRef ref, ConnectionPermit permit,
                                std::unique_ptr<net::Stream> stream) {
  auto session =
      Http2Session::Start(std::move(stream), PeerOf(ref.key()), watchdog_, tasks_, config_.http2);
  const SteadyTime retire_at = Deadline::After(clock(), RandomLifetime()).at();
  auto shared = std::make_shared<MultiplexedConnection>(*this, std::move(ref), std::move(permit),
                                                        std::move(session), retire_at);
  shared->http->OnChange([this, connection = shared.get()] { OnSessionChange(*connection); });
  Group& group = shared->group.group();
  if (group.shared == nullptr && !closed_) group.shared = shared;
  return Share(std::move(shared), false);
}

/// No new streams on what the group shares; it goes when its last stream does.
void ConnectionPool::Forget(Group& group) {
  const auto forgotten = std::exchange(group.shared, nullptr);
  if (forgotten == nullptr) return;
  Unpark(*forgotten);
  InLine::WakeFirst(group);
}

void ConnectionPool::OnSessionChange(const MultiplexedConnection& shared) {
  Group& group = shared.group.group();
  if (group.shared.get() == &shared && !shared.http->usable()) {
    if (shared.is_idle()) Count(counters_.lost);
    Forget(group);  // `shared` and the group may be gone now.
  } else {
    InLine::WakeFirst(group);
  }
}

void ConnectionPool::OnStreamDropped(const std::shared_ptr<MultiplexedConnection>& shared) {
  Group& group = shared->group.group();
  Leave(*group.dials);
  if (group.shared != shared || shared->http->streams() > 0) return;
  if (closed_ || shared->retire_at <= clock().Now()) return Forget(group);
  Park(*shared);
  if (budget_.anybody_waits()) OfferShared(*shared);
}

void ConnectionPool::Park(MultiplexedConnection& shared) {
  budget_.MarkIdle(shared.permit, shard_);
  idle_.Add(shared, IdleUntil(shared.retire_at, Duration::max()));
}

void ConnectionPool::Unpark(MultiplexedConnection& shared) {
  if (!shared.is_idle()) return;
  budget_.MarkBusy(shared.permit, shard_);
  idle_.Remove(shared);
}

/// Lets the budget decide about a parked connection. It and its group may be gone afterwards.
void ConnectionPool::OfferShared(MultiplexedConnection& shared) {
  std::unique_ptr<Occupant> none;  // It cannot be handed over, so it is offered in nobody's name.
  if (budget_.Offer(shared.permit, nullptr, none) == HostBudget::Advice::kKeep) return;
  Count(counters_.evicted);
  Forget(shared.group.group());
}

void ConnectionPool::ExpireShared(MultiplexedConnection& shared) {
  Count(counters_.expired);
  Forget(shared.group.group());
}

}  // namespace fetchd::http
