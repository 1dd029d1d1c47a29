// What becomes of an HTTP/1.1 connection that was used: kept, watched, handed over, closed.
#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "http/connection_pool.h"
#include "http/pooled_connection.h"

namespace fetchd::http {
namespace {

/// A connection is rather closed than read on for longer.
constexpr std::uint64_t kMaxReadOutBytes = 128 * 1024;
/// A new connection takes as long as the old one took; what is on its way already gets a moment.
constexpr Duration kMinReadOut = std::chrono::milliseconds(5);
constexpr Duration kMaxReadOut = std::chrono::milliseconds(500);
/// Session tickets and key updates while idle; who sends more of them is up to something.
constexpr int kMaxFalseAlarms = 16;
/// What a connection keeps that may be used again at once.
constexpr std::size_t kHotBufferBytes = 16 * 1024;
/// A request that leaves now must arrive before the peer closes.
constexpr Duration kKeepAliveMargin = std::chrono::seconds(1);

/// Both read up to `left` bytes and count them down. True at the end of the body; an error when the
/// response is broken. This one takes what the channel holds, and does not ask the network.
absl::StatusOr<bool> TakeWhatIsHere(Channel& channel, std::uint64_t& left) {
  std::array<std::byte, 8192> scratch;
  while (left > 0 && !channel.at_end()) {
    ASSIGN_OR_RETURN(const std::size_t bytes, channel.TakeBuffered(scratch));
    if (bytes == 0) break;
    left -= std::min<std::uint64_t>(left, bytes);
  }
  return channel.at_end();
}

Task<absl::StatusOr<bool>> ReadOn(Channel& channel, std::uint64_t& left) {
  std::array<std::byte, 8192> scratch;
  while (left > 0 && !channel.at_end()) {
    CO_ASSIGN_OR_RETURN(const std::size_t bytes, co_await channel.ReadBody(scratch));
    left -= std::min<std::uint64_t>(left, bytes);
  }
  co_return channel.at_end();
}

}  // namespace

void ConnectionPool::Discard(std::unique_ptr<PooledConnection> connection) noexcept {
  Leave(*connection->group.group().dials);
  Count(counters_.discarded);
}

void ConnectionPool::Recycle(std::unique_ptr<PooledConnection> connection) {
  if (closed_ || !connection->http.reusable()) return Discard(std::move(connection));
  Leave(*connection->group.group().dials);
  const SteadyTime until = IdleUntil(connection->retire_at, connection->http.peer_keeps());
  if (until <= clock().Now()) return Count(counters_.expired);
  PooledConnection& kept = *connection;
  PushIdle(std::move(connection), until);
  // Idle first, then the look at the waiters: a waiter does it the other way round, so one of the
  // two sees the other.
  if (budget_.anybody_waits()) OfferIdle(kept);
}

Task<void> ConnectionPool::ReadOut(Lease lease) {
  if (lease.connection_ == nullptr || closed_) co_return;
  const Framing& framing = lease.channel().framing();
  if (!framing.reusable || framing.length > kMaxReadOutBytes) co_return;
  std::uint64_t left = kMaxReadOutBytes;
  const absl::StatusOr<bool> ended = TakeWhatIsHere(lease.channel(), left);
  if (!ended.ok() || left == 0) co_return;
  if (!*ended) {
    tasks_.Spawn("http read out", ReadOutLater(std::move(lease), left));
    co_return;
  }
  Count(counters_.read_out);
  std::move(lease).Recycle();
}

Task<absl::Status> ConnectionPool::ReadOutLater(Lease lease, std::uint64_t left) {
  const Duration worth = std::clamp(lease.connection_->setup, kMinReadOut, kMaxReadOut);
  const absl::StatusOr<bool> ended = co_await WithDeadline(
      clock(), Deadline::After(clock(), worth), "reading out", ReadOn(lease.channel(), left));
  if (!ended.ok() || !*ended) co_return absl::OkStatus();
  Count(counters_.read_out);
  std::move(lease).Recycle();
  co_return absl::OkStatus();
}

SteadyTime ConnectionPool::IdleUntil(SteadyTime retire_at, Duration peer_keeps) const {
  const Duration kept = std::min(config_.idle_ttl, peer_keeps - kKeepAliveMargin);
  return std::min(retire_at, Deadline::After(clock(), kept).at());
}

void ConnectionPool::PushIdle(std::unique_ptr<PooledConnection> connection, SteadyTime until) {
  PooledConnection& idle = *connection.release();
  idle.http.Relax(kHotBufferBytes);
  idle.false_alarms = 0;
  budget_.MarkIdle(idle.permit, shard_);
  idle_.Add(idle, until);
  idle.group.group().idle.push_back(idle);
}

std::unique_ptr<PooledConnection> ConnectionPool::TakeIdle(PooledConnection& connection) {
  auto& siblings = connection.group.group().idle;
  siblings.erase(siblings.iterator_to(connection));
  idle_.Remove(connection);
  connection.http.StopWatching();
  budget_.MarkBusy(connection.permit, shard_);
  return std::unique_ptr<PooledConnection>(&connection);
}

/// Lets the budget decide about an idle connection. It and its group may be gone afterwards.
void ConnectionPool::OfferIdle(PooledConnection& connection) {
  std::unique_ptr<Occupant> occupant(&connection);
  switch (budget_.Offer(connection.permit, &connection.group.group(), occupant)) {
    case HostBudget::Advice::kKeep:
      occupant.release();
      return;
    case HostBudget::Advice::kHandOver:
      // Its new user runs on this shard, later: the connection is still there.
      TakeIdle(connection).release();
      return;
    case HostBudget::Advice::kClose:
      occupant.release();
      Count(counters_.evicted);
      TakeIdle(connection).reset();
      return;
  }
}

/// Somebody on some shard wants a place that an idle connection here holds.
void ConnectionPool::OfferOldest(const std::optional<Origin>& origin) {
  if (!origin) {
    if (!idle_.OfferOldest())
      budget_.AskAgain(origin, config_.use);  // It was taken in the meantime.
    return;
  }
  if (IdleConnection* const oldest = OldestOf(*origin)) return IdleConnections::Offer(*oldest);
  budget_.AskAgain(origin, config_.use);
}

/// Of all keys with this host and port; null when none is idle.
IdleConnection* ConnectionPool::OldestOf(const Origin& origin) {
  IdleConnection* oldest = nullptr;
  const auto consider = [&oldest](IdleConnection& idle) {
    if (oldest == nullptr || IdleConnections::Since(idle) < IdleConnections::Since(*oldest)) {
      oldest = &idle;
    }
  };
  const std::size_t bucket = groups_.bucket(PoolKey{origin, "", nullptr, nullptr});  // See KeyHash.
  for (auto it = groups_.begin(bucket); it != groups_.end(bucket); ++it) {
    const auto& [key, group] = *it;
    if (key.origin.host != origin.host || key.origin.port != origin.port) continue;
    if (!group.idle.empty()) consider(static_cast<PooledConnection&>(it->second.idle.front()));
    if (group.shared != nullptr && group.shared->is_idle()) consider(*group.shared);
  }
  return oldest;
}

void ConnectionPool::ExpireIdle(PooledConnection& connection) {
  Count(counters_.expired);
  TakeIdle(connection).reset();
}

void ConnectionPool::WatchIdle(PooledConnection& connection) {
  connection.http.Relax(0);
  connection.http.WatchForInput([this, &connection] { OnIdleInput(connection); });
}

void ConnectionPool::OnIdleInput(PooledConnection& connection) {
  if (!connection.http.IsStale() && ++connection.false_alarms <= kMaxFalseAlarms) {
    return WatchIdle(connection);
  }
  Count(counters_.lost);
  TakeIdle(connection).reset();
}

}  // namespace fetchd::http
