// Names to addresses.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace fetchd::net {

struct Resolution {
  std::vector<boost::asio::ip::address>
      addresses;  ///< At least one, at most 16, A and AAAA, unjudged.
  Duration ttl{};
  bool cached = false;
};

/// Lives on one shard. Errors: NOT_FOUND (no such name, reason DNS_NAME_NOT_FOUND), UNAVAILABLE
/// (server failure), DEADLINE_EXCEEDED("DNS ...").
class Resolver {
 public:
  virtual ~Resolver() = default;
  virtual Task<absl::StatusOr<Resolution>> Resolve(std::string host, Deadline deadline) = 0;
};

using DnsServers = std::vector<boost::asio::ip::udp::endpoint>;

struct ResolverConfig {
  /// Of a lookup whose caller gives no deadline. A quarter of it is how long a server may be silent
  /// before the next is asked, or the same again: three times each, twice as long each time.
  Duration timeout = std::chrono::seconds(5);
  Duration min_ttl = std::chrono::seconds(1);
  Duration max_ttl = std::chrono::seconds(60);  ///< Not less than min_ttl.
  Duration negative_ttl = std::chrono::seconds(5);
  /// How long after its time an answer serves while the servers fail or are silent; 0 = not at all.
  /// Long enough for an outage to be mended, short enough that an address given up is not yet
  /// somebody else's.
  Duration stale_if_error = std::chrono::hours(1);
  std::size_t max_entries = 10'000;
  DnsServers servers;  ///< Empty = the system's (/etc/resolv.conf), with /etc/hosts first.
};

/// "127.0.0.1:5353, [::1]:53, 10.0.0.2"; port 53 where none is given. INVALID_ARGUMENT naming what
/// is no server.
absl::StatusOr<DnsServers> ParseDnsServers(std::string_view text);
/// The way back: "127.0.0.1:5353,[::1]:53,10.0.0.2:53".
std::string FormatDnsServers(const DnsServers& servers);

/// c-ares on the shard's event loop: no thread is blocked, answers carry their TTL, search domains
/// are not applied. A and AAAA are asked for at once. An A waits 50 ms for the AAAA (RFC 8305 3).
/// An AAAA waits for the A until a lost question has been repeated: many hosts have no way to it,
/// and would be left without an address; if it comes without the A, its TTL is 0.
std::unique_ptr<Resolver> MakeAresResolver(asio::any_io_executor executor, Clock& clock,
                                           ResolverConfig config);

/// Caches `upstream`: TTL clamped to [min_ttl, max_ttl], NOT_FOUND for negative_ttl, one lookup in
/// flight a name, least recently used entry out. When the caller that carries out a lookup is
/// cancelled or runs out of time, one of those who wait for it looks up anew.
///
/// While `upstream` fails, or says nothing for 1.8 s, the answer that is past its time serves up to
/// stale_if_error, and upstream is asked again every 30 s (RFC 8767 5). A name that upstream says
/// does not exist is never served.
std::unique_ptr<Resolver> MakeCachingResolver(asio::any_io_executor executor, Clock& clock,
                                              ResolverConfig config,
                                              std::unique_ptr<Resolver> upstream);

}  // namespace fetchd::net
