// A Client over one shard's pool.
#pragma once

#include <string>

#include "http/client.h"
#include "http/connection_pool.h"
#include "http/origin_rules.h"
#include "http/proxy_routes.h"

namespace fetchd::http {

/// Lives on the pool's shard; what it is made of outlives it, and bodies must be gone before the
/// pool is.
class PooledClient final : public Client {
 public:
  /// `own_policy`: the one of the pool's dialer. Who has that uses the connections of requests that
  /// are in nobody's name.
  PooledClient(ConnectionPool& pool, const OriginRules& rules, const ProxyRoutes& routes,
               std::string user_agent, const egress::Policy* own_policy = nullptr)
      : pool_(pool),
        rules_(rules),
        routes_(routes),
        user_agent_(std::move(user_agent)),
        own_policy_(own_policy) {}

  Task<absl::StatusOr<Response>> Send(Request request, Call call) override;
  /// Opens a connection that a request for `url` could use, unless `enough` are open: see
  /// ConnectionPool::Warm. Errors: its, and those of ProxyRoutes::Choose.
  Task<absl::StatusOr<bool>> Warm(Url url, std::size_t enough, Timeouts timeouts);

 private:
  class Recording;

  absl::StatusOr<net::ProxyPtr> ApplyRules(Request& request) const;
  ConnectionPool::Want WantFor(const Request& request, const net::ProxyPtr& proxy,
                               const Call& call) const;
  const std::shared_ptr<const egress::Policy>& PolicyOf(const Request& request) const;
  Task<absl::StatusOr<Response>> SendRecorded(Request request, const Call& call,
                                              Recording& recording);

  ConnectionPool& pool_;
  const OriginRules& rules_;
  const ProxyRoutes& routes_;
  const std::string user_agent_;
  const egress::Policy* const own_policy_;  ///< Compared only.
};

}  // namespace fetchd::http
