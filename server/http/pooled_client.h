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
  PooledClient(ConnectionPool& pool, const OriginRules& rules, const ProxyRoutes& routes,
               std::string user_agent)
      : pool_(pool), rules_(rules), routes_(routes), user_agent_(std::move(user_agent)) {}

  Task<absl::StatusOr<Response>> Send(Request request, Call call) override;
  /// Opens a connection that a request for `url` could use, unless `enough` are open: see
  /// ConnectionPool::Warm. Errors: its, and those of ProxyRoutes::Choose.
  Task<absl::StatusOr<bool>> Warm(Url url, std::size_t enough, Timeouts timeouts);

 private:
  class Recording;

  absl::StatusOr<net::ProxyPtr> ApplyRules(Request& request) const;
  Task<absl::StatusOr<Response>> SendRecorded(Request request, const Call& call,
                                              Recording& recording);

  ConnectionPool& pool_;
  const OriginRules& rules_;
  const ProxyRoutes& routes_;
  const std::string user_agent_;
};

}  // namespace fetchd::http
