// A Client over one shard's pool.
#pragma once

#include <atomic>
#include <string>

#include "http/client.h"
#include "http/connection_pool.h"
#include "http/origin_rules.h"
#include "http/proxy_routes.h"

namespace fetchd::http {

/// Requests in flight over all shards: from a connection in hand to the end of the body.
/// Thread-safe.
class InFlightGauge {
 public:
  void Enter();
  void Leave() { now_.fetch_sub(1, std::memory_order_relaxed); }
  std::uint64_t now() const { return now_.load(std::memory_order_relaxed); }
  std::uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> now_{0};
  std::atomic<std::uint64_t> peak_{0};
};

/// Lives on the pool's shard; what it is made of outlives it, and bodies must be gone before the
/// pool is.
class PooledClient final : public Client {
 public:
  PooledClient(ConnectionPool& pool, const OriginRules& rules, const ProxyRoutes& routes,
               std::string user_agent, InFlightGauge& in_flight)
      : pool_(pool),
        rules_(rules),
        routes_(routes),
        user_agent_(std::move(user_agent)),
        in_flight_(in_flight) {}

  Task<absl::StatusOr<Response>> Send(Request request, Call call) override;

  /// Thread-safe.
  std::uint64_t requests() const { return requests_.load(std::memory_order_relaxed); }
  std::uint64_t redialled() const { return redialled_.load(std::memory_order_relaxed); }

 private:
  class Recording;

  absl::StatusOr<net::ProxyPtr> ApplyRules(Request& request) const;
  Task<absl::StatusOr<Response>> SendRecorded(Request request, const Call& call,
                                              Recording& recording);

  ConnectionPool& pool_;
  const OriginRules& rules_;
  const ProxyRoutes& routes_;
  const std::string user_agent_;
  InFlightGauge& in_flight_;
  std::atomic<std::uint64_t> requests_{0};
  std::atomic<std::uint64_t> redialled_{0};
};

}  // namespace fetchd::http
