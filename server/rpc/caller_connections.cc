#include "rpc/caller_connections.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

#include "base/strings.h"

namespace fetchd::rpc {
namespace {

/// Under a flood each refusal would look at all of them.
constexpr Duration kLookInterval = std::chrono::milliseconds(20);

std::optional<ino_t> SocketInode(int fd) {
  struct stat status{};
  if (fstat(fd, &status) != 0 || !S_ISSOCK(status.st_mode)) return std::nullopt;
  return status.st_ino;
}

/// An IPv4 address that came over an IPv6 socket is that address.
asio::ip::address Plain(const asio::ip::address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
  return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
}

/// gRPC's "ipv6:%5B::1%5D:80" as "[::1]:80".
std::string PeerKey(std::string_view peer) {
  std::string key(peer.substr(std::min(peer.find(':') + 1, peer.size())));
  for (const auto& [written, meant] : {std::pair("%5B", "["), std::pair("%5D", "]")}) {
    if (const std::size_t at = key.find(written); at != std::string::npos) {
      key.replace(at, 3, meant);
    }
  }
  return key;
}

/// Ends the connection, unless the number is another's by now: the copy of a descriptor cannot
/// become that while it is looked at.
bool Sever(int fd, ino_t inode) {
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return false;
  const bool ours = SocketInode(copy) == inode;
  if (ours) {
    // gRPC's close then resets it: nothing of it stays in the kernel, and the peer is told at once.
    const linger reset{.l_onoff = 1, .l_linger = 0};
    setsockopt(copy, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    shutdown(copy, SHUT_RDWR);
  }
  close(copy);
  return ours;
}

}  // namespace

bool CallerConnections::Admit(int fd, const asio::ip::tcp::endpoint& peer) {
  const asio::ip::address plain = Plain(peer.address());
  const std::string address = plain.to_string();
  const std::string key =
      plain.is_v6() ? Concat('[', address, "]:", peer.port()) : Concat(address, ':', peer.port());
  const std::optional<ino_t> inode = SocketInode(fd);
  const std::lock_guard lock(mutex_);
  // The number is this connection's now: the one that had it has gone.
  if (const auto gone = entries_.find(fd); gone != entries_.end()) Forget(gone);
  if (IsFull(address) && clock_.Now() >= look_again_at_) ForgetClosed();
  if (!inode || IsFull(address)) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  entries_.emplace(fd, Entry{*inode, address, key, {}});
  by_peer_[key] = fd;
  ++by_address_[address];
  return true;
}

void CallerConnections::NoteCancel(std::string_view peer) {
  constexpr Duration kSecond = std::chrono::seconds(1);
  const std::lock_guard lock(mutex_);
  const auto fd = by_peer_.find(PeerKey(peer));
  if (fd == by_peer_.end()) return;
  const auto found = entries_.find(fd->second);
  Entry& entry = found->second;
  const SteadyTime now = clock_.Now();
  entry.cancels_paid_until = std::max(entry.cancels_paid_until, now) + kSecond / kCancelsASecond;
  if (entry.cancels_paid_until <= now + kSecond) return;
  if (Sever(found->first, entry.inode)) severed_.fetch_add(1, std::memory_order_relaxed);
  Forget(found);  // Once is enough.
}

std::size_t CallerConnections::open() {
  const std::lock_guard lock(mutex_);
  ForgetClosed();
  return entries_.size();
}

bool CallerConnections::IsFull(const std::string& address) const {
  if (entries_.size() >= most_) return true;
  const auto of_address = by_address_.find(address);
  return of_address != by_address_.end() && of_address->second >= most_of_address_;
}

void CallerConnections::ForgetClosed() {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool is_open = SocketInode(entry->first) == entry->second.inode;
    entry = is_open ? std::next(entry) : Forget(entry);
  }
  look_again_at_ = clock_.Now() + kLookInterval;
}

CallerConnections::Entries::iterator CallerConnections::Forget(Entries::iterator entry) {
  const auto of_address = by_address_.find(entry->second.address);
  if (--of_address->second == 0) by_address_.erase(of_address);
  const auto of_peer = by_peer_.find(entry->second.peer);
  if (of_peer != by_peer_.end() && of_peer->second == entry->first) by_peer_.erase(of_peer);
  return entries_.erase(entry);
}

}  // namespace fetchd::rpc
