// How many connections callers have, all of them and each address.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/task.h"
#include "base/time.h"

namespace fetchd::rpc {

struct ConnectionLimits {
  std::size_t connections = 1000;
  /// Of one address, or of one /64 of IPv6, which is what one host may choose from; 0 = half of
  /// them: whoever opens them all leaves others the rest.
  std::size_t of_address = 0;
  /// Calls of a connection that may be cancelled, and those of a second at once; five times as many
  /// of all connections together. 0 = no limit.
  std::uint64_t cancels_per_sec = 1000;
};

/// gRPC owns the sockets and tells nobody when it closes one. So each is remembered by its number
/// and its inode, which no other socket has while it is open, and when there are too many those
/// that have gone are looked for. Thread-safe.
class CallerConnections {
 public:
  CallerConnections(const ConnectionLimits& limits, const Clock& clock);

  /// Whether the open socket `fd` from `peer` may stay; the caller closes one that may not. Where
  /// all places are taken, a connection on which nobody known has called within a second of its
  /// beginning makes room: the oldest of the address that has most of them, when that are more than
  /// `peer`'s own address has; or of that address, when it has all that one may have. So whoever
  /// takes all places, and says nothing, keeps nobody out.
  bool Admit(int fd, const asio::ip::tcp::endpoint& peer);

  /// Somebody who is known has called on the connection that gRPC calls `peer`: it makes room for
  /// nobody.
  void NoteKnown(std::string_view peer);

  /// A call of the connection that gRPC calls `peer` was cancelled. Whoever begins calls and ends
  /// them at once, faster than they are taken in, loses the connection (CVE-2023-44487: what is
  /// reset counts no more among the streams that are open). When all together are too many, those
  /// lose theirs who take more than their share within a second: what all may, by how many
  /// connections there are, a tenth of what one may at most. True: it was lost by this one.
  bool NoteCancel(std::string_view peer);

  std::size_t limit() const { return limits_.connections; }
  std::size_t limit_of_address() const { return limits_.of_address; }
  std::size_t open();  ///< Looks at all of them.
  std::uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }
  std::uint64_t severed() const { return severed_.load(std::memory_order_relaxed); }
  /// Those that made room.
  std::uint64_t displaced() const { return displaced_.load(std::memory_order_relaxed); }

 private:
  struct Entry {
    ino_t inode = 0;
    std::string address, peer;
    SteadyTime begun_at{};
    bool known = false;               ///< Somebody who is known has called.
    bool leaving = false;             ///< It made room: it is ended, and gRPC closes it.
    SteadyTime cancels_paid_until{};  ///< When all would have come, had they been spread.
    SteadyTime second_ends_at{};
    std::uint64_t cancels = 0;  ///< Within that second.
    bool severed = false;
  };
  using Entries = std::unordered_map<int, Entry>;
  /// Of one address; those that leave are not counted.
  struct OfAddress {
    std::size_t all = 0;
    std::set<std::pair<SteadyTime, int>> unknown;  ///< When they began, and their descriptors.
  };
  using ByAddress = std::map<std::string, OfAddress>;

  // Under the lock.
  bool IsFull(const std::string& address) const;
  bool HasAllOfAddress(const std::string& address) const;
  /// Whether one was ended for a newcomer from `address`.
  bool MakeRoom(const std::string& address);
  ByAddress::const_iterator WhoMakesRoom(const std::string& address) const;
  void Leave(Entries::iterator entry);
  bool TakesMoreThanItsShare(Entry& entry, SteadyTime now) const;
  void ForgetClosed();
  Entries::iterator Forget(Entries::iterator entry);

  const ConnectionLimits limits_;
  const Clock& clock_;
  std::atomic<std::uint64_t> refused_{0}, severed_{0}, displaced_{0};
  std::mutex mutex_;         ///< Guards all below.
  Entries entries_;          ///< By descriptor.
  std::size_t leaving_ = 0;  ///< Of these.
  ByAddress by_address_;
  std::unordered_map<std::string, int> by_peer_;
  SteadyTime look_again_at_{};
  SteadyTime all_cancels_paid_until_{};
};

}  // namespace fetchd::rpc
