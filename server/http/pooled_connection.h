// What a ConnectionPool is made of: for its own files only.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "http/connection.h"
#include "http/connection_pool.h"
#include "http/http2_session.h"
#include "net/error.h"

namespace fetchd::http {

inline void Count(std::atomic<std::uint64_t>& counter) {
  counter.fetch_add(1, std::memory_order_relaxed);
}

inline std::string PeerOf(const PoolKey& key) { return net::PeerName(key.origin, key.proxy.get()); }

/// Keeps a group in the map.
class ConnectionPool::GroupRef {
 public:
  GroupRef(Groups& groups, Groups::value_type& entry) : groups_(&groups), entry_(&entry) {
    ++entry.second.users;
  }
  GroupRef(GroupRef&& other) noexcept
      : groups_(other.groups_), entry_(std::exchange(other.entry_, nullptr)) {}
  GroupRef& operator=(GroupRef&&) = delete;
  ~GroupRef() {
    if (entry_ == nullptr || --entry_->second.users > 0) return;
    groups_->erase(groups_->find(entry_->first));
  }
  const PoolKey& key() const { return entry_->first; }
  Group& group() const { return entry_->second; }

 private:
  Groups* groups_;
  Groups::value_type* entry_;
};

/// An HTTP/1.1 connection. Members die in reverse: the socket is closed before its place is given
/// away. While idle it belongs to its group's list. `forwarding`: the proxy that requests are
/// written for; null when they are for the origin.
struct PooledConnection final : Occupant, IdleConnection, GroupLink {
  PooledConnection(ConnectionPool& owner, ConnectionPool::GroupRef its_group,
                   ConnectionPermit place, std::unique_ptr<net::Stream> stream, SteadyTime retire,
                   Duration to_connect, net::ProxyPtr forwarding)
      : pool(owner),
        group(std::move(its_group)),
        permit(std::move(place)),
        retire_at(retire),
        setup(to_connect),
        http(std::move(stream), PeerOf(group.key()), owner.watchdog_, std::move(forwarding)) {
    ++group.group().open;
  }
  ~PooledConnection() override { --group.group().open; }

  ConnectionPool& pool;
  ConnectionPool::GroupRef group;
  ConnectionPermit permit;
  const SteadyTime retire_at;
  const Duration setup;  ///< What it took to connect.
  int false_alarms = 0;  ///< Input while idle that was neither the end nor data: TLS's own.
  Http1Connection http;

 private:
  void Expire() override { pool.ExpireIdle(*this); }
  void Watch() override { pool.WatchIdle(*this); }
  void Offer() override { pool.OfferIdle(*this); }
};

/// An HTTP/2 connection. Its group keeps it while it takes new streams, and so does every lease.
struct MultiplexedConnection final : IdleConnection {
  MultiplexedConnection(ConnectionPool& owner, ConnectionPool::GroupRef its_group,
                        ConnectionPermit place, std::shared_ptr<Http2Session> session,
                        SteadyTime retire)
      : pool(owner),
        group(std::move(its_group)),
        permit(std::move(place)),
        retire_at(retire),
        http(std::move(session)) {}
  /// The socket is closed before its place is given away.
  ~MultiplexedConnection() {
    http->OnChange(nullptr);
    http->Close();
  }

  ConnectionPool& pool;
  ConnectionPool::GroupRef group;
  ConnectionPermit permit;
  const SteadyTime retire_at;
  const std::shared_ptr<Http2Session> http;

 private:
  void Expire() override { pool.ExpireShared(*this); }
  void Watch() override {}  // It reads all the time.
  void Offer() override { pool.OfferShared(*this); }
};

}  // namespace fetchd::http
