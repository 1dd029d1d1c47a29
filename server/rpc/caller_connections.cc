#include "rpc/caller_connections.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/network_v6.hpp>
#include <chrono>
#include <iterator>
#include <optional>
#include <utility>

#include "base/strings.h"

namespace fetchd::rpc {
namespace {

/// Under a flood each refusal would look at all of them.
constexpr Duration kLookInterval = std::chrono::milliseconds(20);
/// For a handshake and a first call, before a connection may have to make room.
constexpr Duration kTimeToCall = std::chrono::seconds(1);
/// That have been ended and gRPC has not closed yet: they are beside the limit.
constexpr std::size_t kMostLeaving = 16;

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

/// What one host may choose its addresses from is one.
std::string AddressKey(const asio::ip::address& address) {
  if (address.is_v4()) return address.to_string();
  return asio::ip::network_v6(address.to_v6(), 64).canonical().to_string();
}

/// gRPC's "ipv6:%5B::1%5D:80" as "[::1]:80".
std::string PeerKey(std::string_view peer) {
  std::string key(peer.substr(std::min(peer.find(':') + 1, peer.size())));
  for (const auto& [written, meant] :
       {std::pair("%5B", "["), std::pair("%5D", "]"), std::pair("%25", "%")}) {
    if (const std::size_t at = key.find(written); at != std::string::npos) {
      key.replace(at, 3, meant);
    }
  }
  return key;
}

/// Ends the connection, unless the number is another's by now: the copy of a descriptor cannot
/// become that while it is looked at. False: it goes on, for want of descriptors.
bool Sever(int fd, ino_t inode) {
  if (SocketInode(fd) != inode) return true;
  const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return false;
  if (SocketInode(copy) == inode) {
    // gRPC's close then resets it: nothing of it stays in the kernel, and the peer is told at once.
    const linger reset{.l_onoff = 1, .l_linger = 0};
    setsockopt(copy, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    shutdown(copy, SHUT_RDWR);
  }
  close(copy);
  return true;
}

constexpr Duration kSecond = std::chrono::seconds(1);
/// So many times what one connection may cancel all may together.
constexpr std::uint64_t kOfAll = 5;

/// One more of so many a second, and those of a second at once. True: that is too many.
bool TakeOne(SteadyTime& paid_until, std::uint64_t per_sec, SteadyTime now) {
  const Duration cost = kSecond / static_cast<std::int64_t>(per_sec);
  // What is too many costs nothing.
  paid_until = std::min(std::max(paid_until, now), now + kSecond) + cost;
  return paid_until > now + kSecond;
}

}  // namespace

CallerConnections::CallerConnections(const ConnectionLimits& limits, const Clock& clock)
    : limits_([&limits] {
        ConnectionLimits whole = limits;
        if (whole.of_address == 0) whole.of_address = limits.connections - limits.connections / 2;
        return whole;
      }()),
      clock_(clock) {}

bool CallerConnections::Admit(int fd, const asio::ip::tcp::endpoint& peer) {
  const asio::ip::address plain = Plain(peer.address());
  const std::string address = AddressKey(plain);
  const std::string key = plain.is_v6() ? Concat('[', plain.to_string(), "]:", peer.port())
                                        : Concat(plain.to_string(), ':', peer.port());
  const std::optional<ino_t> inode = SocketInode(fd);
  const std::lock_guard lock(mutex_);
  // The number is this connection's now: the one that had it has gone.
  if (const auto gone = entries_.find(fd); gone != entries_.end()) Forget(gone);
  const SteadyTime now = clock_.Now();
  if (IsFull(address) && now >= look_again_at_) ForgetClosed();
  if (!inode || (IsFull(address) && !MakeRoom(address))) {
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  entries_.emplace(fd, Entry{.inode = *inode, .address = address, .peer = key, .begun_at = now});
  by_peer_[key] = fd;
  OfAddress& of_address = by_address_[address];
  ++of_address.all;
  of_address.unknown.emplace(now, fd);
  return true;
}

void CallerConnections::NoteKnown(std::string_view peer) {
  const std::lock_guard lock(mutex_);
  const auto fd = by_peer_.find(PeerKey(peer));
  if (fd == by_peer_.end()) return;
  Entry& entry = entries_.at(fd->second);
  if (entry.known || entry.leaving) return;
  entry.known = true;
  by_address_.at(entry.address).unknown.erase({entry.begun_at, fd->second});
}

bool CallerConnections::NoteCancel(std::string_view peer) {
  if (limits_.cancels_per_sec == 0) return false;
  const std::lock_guard lock(mutex_);
  const auto fd = by_peer_.find(PeerKey(peer));
  if (fd == by_peer_.end()) return false;
  Entry& entry = entries_.at(fd->second);
  if (entry.severed || entry.leaving) return false;
  const SteadyTime now = clock_.Now();
  const bool too_many = TakeOne(entry.cancels_paid_until, limits_.cancels_per_sec, now);
  const bool all_too_many = TakeOne(all_cancels_paid_until_, kOfAll * limits_.cancels_per_sec, now);
  const bool takes_part = TakesMoreThanItsShare(entry, now);
  if (!too_many && !(all_too_many && takes_part)) return false;
  entry.severed = Sever(fd->second, entry.inode);
  if (entry.severed) severed_.fetch_add(1, std::memory_order_relaxed);
  return entry.severed;
}

std::size_t CallerConnections::open() {
  const std::lock_guard lock(mutex_);
  ForgetClosed();
  return entries_.size();
}

bool CallerConnections::IsFull(const std::string& address) const {
  return entries_.size() - leaving_ >= limits_.connections || HasAllOfAddress(address);
}

bool CallerConnections::HasAllOfAddress(const std::string& address) const {
  const auto found = by_address_.find(address);
  return found != by_address_.end() && found->second.all >= limits_.of_address;
}

CallerConnections::ByAddress::const_iterator CallerConnections::WhoMakesRoom(
    const std::string& address) const {
  const auto own = by_address_.find(address);
  if (HasAllOfAddress(address)) return own;
  std::size_t most = own == by_address_.end() ? 0 : own->second.unknown.size();
  auto chosen = by_address_.end();
  for (auto it = by_address_.begin(); it != by_address_.end(); ++it) {
    const auto& unknown = it->second.unknown;
    const bool is_older = chosen != by_address_.end() && unknown.size() == most && most > 0 &&
                          unknown.begin()->first < chosen->second.unknown.begin()->first;
    if (unknown.size() <= most && !is_older) continue;
    most = unknown.size();
    chosen = it;
  }
  return chosen;
}

bool CallerConnections::MakeRoom(const std::string& address) {
  if (leaving_ >= kMostLeaving) return false;
  const auto from = WhoMakesRoom(address);
  if (from == by_address_.end() || from->second.unknown.empty()) return false;
  const auto [begun_at, fd] = *from->second.unknown.begin();
  if (clock_.Now() < begun_at + kTimeToCall) return false;
  const auto entry = entries_.find(fd);
  if (!Sever(fd, entry->second.inode)) return false;
  displaced_.fetch_add(1, std::memory_order_relaxed);
  Leave(entry);
  return true;
}

/// It is counted no more.
void CallerConnections::Leave(Entries::iterator entry) {
  Entry& its = entry->second;
  if (std::exchange(its.leaving, true)) return;
  ++leaving_;
  const auto of_address = by_address_.find(its.address);
  of_address->second.unknown.erase({its.begun_at, entry->first});
  if (--of_address->second.all == 0) by_address_.erase(of_address);
}

bool CallerConnections::TakesMoreThanItsShare(Entry& entry, SteadyTime now) const {
  constexpr std::uint64_t kLeastShare = 2;
  if (now >= entry.second_ends_at) {
    entry.second_ends_at = now + kSecond;
    entry.cancels = 0;
  }
  const std::uint64_t share =
      std::min(kOfAll * limits_.cancels_per_sec / entries_.size(), limits_.cancels_per_sec / 10);
  return ++entry.cancels > std::max(share, kLeastShare);
}

void CallerConnections::ForgetClosed() {
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const bool is_open = SocketInode(entry->first) == entry->second.inode;
    entry = is_open ? std::next(entry) : Forget(entry);
  }
  look_again_at_ = clock_.Now() + kLookInterval;
}

CallerConnections::Entries::iterator CallerConnections::Forget(Entries::iterator entry) {
  Leave(entry);
  --leaving_;
  const auto of_peer = by_peer_.find(entry->second.peer);
  if (of_peer != by_peer_.end() && of_peer->second == entry->first) by_peer_.erase(of_peer);
  return entries_.erase(entry);
}

}  // namespace fetchd::rpc
