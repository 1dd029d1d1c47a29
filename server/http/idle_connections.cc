#include "http/idle_connections.h"

#include <algorithm>
#include <utility>

namespace fetchd::http {

void IdleConnections::Add(IdleConnection& connection, SteadyTime expires_at) {
  connection.since_ = clock_.Now();
  connection.expires_at_ = expires_at;
  connection.watched_ = false;
  order_.push_back(connection);
  next_expiry_ = std::min(next_expiry_, expires_at);
  if (std::exchange(ticking_, true)) return;
  tasks_.Spawn("http idle connections", Tick());
}

void IdleConnections::Remove(IdleConnection& connection) {
  order_.erase(order_.iterator_to(connection));
}

bool IdleConnections::OfferOldest() {
  if (order_.empty()) return false;
  order_.front().Offer();
  return true;
}

void IdleConnections::Clear() {
  while (!order_.empty()) order_.front().Expire();
}

Task<absl::Status> IdleConnections::Tick() {
  struct Stopped {
    bool& ticking;
    ~Stopped() { ticking = false; }
  } const stopped{ticking_};
  while (!order_.empty()) {
    co_await clock_.SleepFor(kTick);
    const SteadyTime now = clock_.Now();
    if (next_expiry_ <= now) ExpireDue(now);
    WatchSettled(now);
  }
  co_return absl::OkStatus();
}

void IdleConnections::WatchSettled(SteadyTime now) {
  // What is watched has been idle for longer than what is not.
  for (auto it = order_.rbegin(); it != order_.rend() && !it->watched_; ++it) {
    if (now - it->since_ < kTick) continue;
    it->watched_ = true;
    it->Watch();
  }
}

void IdleConnections::ExpireDue(SteadyTime now) {
  next_expiry_ = SteadyTime::max();
  for (auto it = order_.begin(); it != order_.end();) {
    IdleConnection& connection = *it++;  // Expire() takes this one out, and no other.
    if (connection.expires_at_ <= now) {
      connection.Expire();
    } else {
      next_expiry_ = std::min(next_expiry_, connection.expires_at_);
    }
  }
}

}  // namespace fetchd::http
