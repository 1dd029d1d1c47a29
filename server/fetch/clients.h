// The shards' HTTP clients: the seam between the engine and sockets.
#pragma once

#include "http/shared_client.h"

namespace fetchd::fetch {

class Clients {
 public:
  virtual ~Clients() = default;
  virtual http::Client& ForShard(std::size_t shard) = 0;
  virtual std::size_t ShardFor(const Origin& origin) const = 0;
  /// For the dials: a request of `origin` has failed and is made again later.
  virtual void CountRetry(const Origin& origin) = 0;
};

class SharedClients final : public Clients {
 public:
  explicit SharedClients(http::SharedClient& client) : client_(client) {}
  http::Client& ForShard(std::size_t shard) override { return client_.ForShard(shard); }
  std::size_t ShardFor(const Origin& origin) const override { return client_.ShardFor(origin); }
  void CountRetry(const Origin& origin) override { client_.CountRetry(origin); }

 private:
  http::SharedClient& client_;
};

}  // namespace fetchd::fetch
