// The one HTTP client of the process: a pooled client a shard under common limits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "egress/tenant_policies.h"
#include "http/client.h"
#include "http/dials.h"
#include "http/http2_session.h"
#include "http/origin_rules.h"
#include "http/proxy_routes.h"
#include "net/tls.h"
#include "runtime/runtime.h"

namespace fetchd::http {

class HostAllotments;
class HostBudget;

struct ClientConfig {
  std::size_t max_connections = 256;  ///< Open sockets of all shards, idle ones included.
  std::size_t max_per_host = 8;       ///< Open sockets to one host:port, likewise.
  OriginRules origin_rules;
  ProxyRoutes proxy_routes;
  Netrc netrc;
  /// Memory of the decoders of all bodies that are being decoded; who finds none left waits.
  std::uint64_t decode_bytes = std::uint64_t{128} << 20;
  std::size_t max_waiters = 1'000'000;  ///< Of all hosts; beyond: RESOURCE_EXHAUSTED.
  Duration idle_ttl = std::chrono::seconds(55);
  Duration max_lifetime = std::chrono::minutes(10);  ///< +-10 %, by connection.
  std::string user_agent = "fetchd";
  bool http2 = true;  ///< Offered to https origins by ALPN.
  /// http origins that speak HTTP/2 at once (prior knowledge, RFC 9113 3.3).
  std::vector<Origin> http2_origins;
  Http2Config http2_connection;
  net::ResolverConfig resolver;
  /// See BudgetLimits; outlives the client.
  HostAllotments* allotments = nullptr;
};

struct ClientStats {
  Dials dials;  ///< Of all origins.
  Duration pool_wait_max{};
  std::uint64_t open = 0, idle = 0, waiting = 0;
  std::uint64_t open_peak = 0;  ///< Since the start.
  /// Open and idle are read one after the other, so that they may disagree for a moment.
  std::uint64_t busy() const { return open - std::min(open, idle); }
  /// How connections ended, and what was refused: see PoolCounters.
  std::uint64_t expired = 0, lost = 0, evicted = 0, discarded = 0, read_out = 0, rejected = 0;

  struct PerOrigin {
    Origin origin;
    Dials dials;
    std::uint64_t open = 0, idle = 0, waiting = 0;  ///< Of its host and port.
    std::uint64_t busy() const { return open - std::min(open, idle); }
  };
  std::vector<PerOrigin> origins;  ///< The busiest (OriginBookConfig::max_named), busiest first.
  PerOrigin others;                ///< All further ones together; without an origin and a limit.
};

/// Owner: app. Construct after the Runtime, Close() before it stops. ForShard(i) is used on shard i
/// only; the limits hold over all shards, first come first served a host; an idle connection
/// elsewhere is closed when its place is wanted.
class SharedClient {
 public:
  /// Where callers' URLs may lead, and where the operator's stores of objects are: of requests that
  /// are in nobody's name. Neither group uses a connection of the other: what is open to a store is
  /// no way in.
  struct Policies {
    std::shared_ptr<const egress::Policy> origins, stores;
    Policies(std::shared_ptr<const egress::Policy> both) : origins(both), stores(both) {}
    Policies(std::shared_ptr<const egress::Policy> of_origins,
             std::shared_ptr<const egress::Policy> of_stores)
        : origins(std::move(of_origins)), stores(std::move(of_stores)) {}
  };
  SharedClient(runtime::Runtime& runtime, Clock& clock, ClientConfig config, Policies policies,
               std::shared_ptr<net::TlsContexts> tls);
  ~SharedClient();

  Client& ForShard(std::size_t shard);
  /// For the stores of the configuration: other egress rules, nothing of a caller's (redirects,
  /// decoding, credentials); the same limits, but those on a host are counted apart.
  Client& ForStores(std::size_t shard);
  /// Likewise, for bodies that are read as slowly as somebody takes them, and decoded where that is
  /// asked for: counted apart from both.
  Client& ForStoreBodies(std::size_t shard);
  /// The shard on which this origin's connections live: requests sent there reuse them.
  std::size_t ShardFor(const Origin& origin) const;
  /// What a request to `origin` would get that asks for `proxy` ("" = nothing): OK, or the error of
  /// ProxyRoutes::Choose. Thread-safe.
  absl::Status CheckProxy(std::string_view proxy, const Origin& origin) const;
  /// Dry run of a request's first hop, the way that the configuration says: the URL, then each
  /// address its name has now; a name that a proxy resolves is judged as such. Contacts DNS, never
  /// the target. From any shard. Errors: those of Resolver::Resolve, when the URL passes and there
  /// is no address to judge.
  /// `policy` may be null: that of requests in nobody's name.
  Task<absl::StatusOr<egress::Judgement>> Judge(Url url,
                                                std::shared_ptr<const egress::Policy> policy,
                                                Deadline deadline);
  /// A transfer begins a further attempt. Thread-safe.
  void CountRetry(const Origin& origin);
  ClientStats Stats() const;  ///< Thread-safe.
  HostBudget& budget();       ///< Of all connections.
  /// Closes idle connections, fails waiters with CANCELLED, joins; nothing but destruction may
  /// follow. Every Body must be gone. Not from a shard.
  void Close();

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace fetchd::http
