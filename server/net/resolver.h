// Names to addresses.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/address.hpp>
#include <functional>
#include <memory>
#include <string>
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

struct ResolverConfig {
  Duration timeout = std::chrono::seconds(5);
  Duration min_ttl = std::chrono::seconds(1);
  Duration max_ttl = std::chrono::seconds(60);
  Duration negative_ttl = std::chrono::seconds(5);
  std::size_t max_entries = 10'000;
  std::string servers;  ///< "127.0.0.1:5353,[::1]:53"; empty = the system's (/etc/resolv.conf),
                        ///< with /etc/hosts first.
};

/// c-ares on the shard's event loop: no thread is blocked, answers carry their TTL, search domains
/// are not applied.
std::unique_ptr<Resolver> MakeAresResolver(asio::any_io_executor executor, Clock& clock,
                                           ResolverConfig config);

/// Caches `upstream`: TTL clamped to [min_ttl, max_ttl], NOT_FOUND for negative_ttl, one lookup in
/// flight a name, least recently used entry out. When the caller that carries out a lookup is
/// cancelled or runs out of time, one of those who wait for it looks up anew.
std::unique_ptr<Resolver> MakeCachingResolver(asio::any_io_executor executor, Clock& clock,
                                              ResolverConfig config,
                                              std::unique_ptr<Resolver> upstream);

}  // namespace fetchd::net
