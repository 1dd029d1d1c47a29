#include "http/shared_client.h"

#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include "base/check.h"
#include "base/semaphore.h"
#include "http/authenticating_client.h"
#include "http/connection_pool.h"
#include "http/credential_rules.h"
#include "http/decoding_client.h"
#include "http/host_budget.h"
#include "http/origin_book.h"
#include "http/pooled_client.h"
#include "http/prewarmer.h"
#include "http/watchdog.h"
#include "net/dialer.h"
#include "net/resolver.h"
#include "runtime/task_group.h"

namespace fetchd::http {
namespace {

constexpr std::size_t kPoolsOfShard = 3;

PoolConfig PoolConfigOf(const ClientConfig& config, Use use) {
  return {.idle_ttl = config.idle_ttl,
          .max_lifetime = config.max_lifetime,
          .offer_http2 = config.http2,
          .http2_origins = config.http2_origins,
          .http2 = config.http2_connection,
          .seed = std::random_device()(),
          .use = use};
}

/// What one shard has of the client. Made and destroyed on its shard. Members die in reverse.
struct ShardClient {
  ShardClient(runtime::Shard& shard, std::size_t shards, Clock& clock, const ClientConfig& config,
              HostBudget& budget, const OriginRules& rules, const ProxyRoutes& routes,
              OriginBook& book, const CredentialRules& credentials, Semaphore& decode_memory,
              const SharedClient::Policies& policies, const std::shared_ptr<net::TlsContexts>& tls)
      : tasks(shard.executor()),
        resolver(net::MakeCachingResolver(
            shard.executor(), clock, config.resolver,
            net::MakeAresResolver(shard.executor(), clock, config.resolver))),
        dialer(net::MakeDialer(shard.executor(), clock, *resolver, policies.origins, tls)),
        store_dialer(net::MakeDialer(shard.executor(), clock, *resolver, policies.stores, tls)),
        watchdog(clock, tasks),
        pool(shard.executor(), shard.index(), PoolConfigOf(config, Use::kOrigins),
             {budget, book, *dialer, watchdog, tasks}),
        store_pool(shard.executor(), shards + shard.index(), PoolConfigOf(config, Use::kStores),
                   {budget, book, *store_dialer, watchdog, tasks}),
        store_body_pool(shard.executor(), 2 * shards + shard.index(),
                        PoolConfigOf(config, Use::kStoreBodies),
                        {budget, book, *store_dialer, watchdog, tasks}),
        client(pool, rules, routes, config.user_agent, policies.origins.get()),
        store_client(store_pool, rules, routes, config.user_agent, policies.stores.get()),
        store_body_client(store_body_pool, rules, routes, config.user_agent, policies.stores.get()),
        prewarmer(clock, client, tasks),
        decoding(client, clock, decode_memory),
        store_decoding(store_body_client, clock, decode_memory),
        authenticating(decoding, credentials) {}

  runtime::TaskGroup tasks;
  std::unique_ptr<net::Resolver> resolver;
  std::unique_ptr<net::Dialer> dialer;
  std::unique_ptr<net::Dialer> store_dialer;
  Watchdog watchdog;
  ConnectionPool pool;
  ConnectionPool store_pool;
  ConnectionPool store_body_pool;
  PooledClient client;
  PooledClient store_client;
  PooledClient store_body_client;
  Prewarmer prewarmer;
  DecodingClient decoding;
  DecodingClient store_decoding;
  AuthenticatingClient authenticating;
};

}  // namespace

struct SharedClient::Core {
  Core(runtime::Runtime& common_runtime, const Clock& clock, const ClientConfig& config,
       Policies common_policies)
      : runtime(common_runtime),
        policies(std::move(common_policies)),
        rules(config.origin_rules),
        routes(config.proxy_routes),
        netrc(config.netrc),
        decode_memory(config.decode_bytes),
        // Each pool is asked for its own idle connections.
        budget({config.max_connections, config.max_per_host, config.max_waiters, rules,
                config.allotments},
               kPoolsOfShard * common_runtime.size()),
        book(clock),
        shards(common_runtime.size()) {}

  std::size_t HomeOf(const Origin& origin) const {
    const std::size_t hash = std::hash<std::string>()(origin.host) + origin.port;
    return hash % shards.size();
  }

  /// On shard `index`.
  Task<absl::Status> Open(std::size_t index, Clock& clock, ClientConfig config,
                          std::shared_ptr<net::TlsContexts> tls) {
    shards[index] = std::make_unique<ShardClient>(runtime.shard(index), runtime.size(), clock,
                                                  config, budget, rules, routes, book, credentials,
                                                  decode_memory, policies, tls);
    for (const auto& [url, connections] : rules.prewarmed()) {
      if (HomeOf(url.origin()) == index) shards[index]->prewarmer.Keep({url, connections});
    }
    co_return absl::OkStatus();
  }

  /// On shard `index`.
  Task<absl::Status> CloseShard(std::size_t index) {
    shards[index]->pool.Close();
    shards[index]->store_pool.Close();
    shards[index]->store_body_pool.Close();
    shards[index]->tasks.Cancel();
    co_await shards[index]->tasks.Join();
    shards[index].reset();
    co_return absl::OkStatus();
  }

  /// On shard `index`.
  Task<absl::StatusOr<egress::Judgement>> JudgeAddresses(
      std::size_t index, Url url, std::shared_ptr<const egress::Policy> policy, Deadline deadline) {
    CO_ASSIGN_OR_RETURN(const net::Resolution resolution,
                        co_await shards[index]->resolver->Resolve(url.host(), deadline));
    std::vector<boost::asio::ip::address> admitted;
    co_return policy->JudgeAddresses(resolution.addresses, url.port(), url.host(), admitted);
  }

  /// Connections are limited, and therefore counted, by host and port.
  void AddConnections(ClientStats& stats) const {
    stats.open_peak = budget.peak_open();
    std::map<std::pair<std::string, std::uint16_t>, ClientStats::PerOrigin*> by_host;
    for (auto& entry : stats.origins) by_host[{entry.origin.host, entry.origin.port}] = &entry;
    for (const HostBudget::HostCounts& host : budget.Hosts()) {
      const auto found = by_host.find({host.origin.host, host.origin.port});
      auto& entry = found == by_host.end() ? stats.others : *found->second;
      entry.open += host.open;
      entry.idle += host.idle;
      entry.waiting += host.waiting;
      stats.open += host.open;
      stats.idle += host.idle;
      stats.waiting += host.waiting;
    }
  }

  void AddPools(ClientStats& stats) const {
    const auto read = [](const auto& counter) { return counter.load(std::memory_order_relaxed); };
    const auto add = [&](const PoolCounters& pool) {
      stats.expired += read(pool.expired);
      stats.lost += read(pool.lost);
      stats.evicted += read(pool.evicted);
      stats.discarded += read(pool.discarded);
      stats.read_out += read(pool.read_out);
      stats.rejected += read(pool.rejected);
      stats.pool_wait_max = std::max(stats.pool_wait_max, Duration(read(pool.wait_max_ns)));
    };
    for (const auto& shard : shards) {
      add(shard->pool.counters());
      add(shard->store_pool.counters());
      add(shard->store_body_pool.counters());
    }
  }

  runtime::Runtime& runtime;
  const Policies policies;
  const OriginRules rules;
  const ProxyRoutes routes;
  const Netrc netrc;
  const CredentialRules credentials{rules, netrc};
  Semaphore decode_memory;
  HostBudget budget;
  OriginBook book;
  std::vector<std::unique_ptr<ShardClient>> shards;
  bool closed = false;
};

SharedClient::SharedClient(runtime::Runtime& runtime, Clock& clock, ClientConfig config,
                           Policies policies, std::shared_ptr<net::TlsContexts> tls)
    : core_(std::make_unique<Core>(runtime, clock, config, std::move(policies))) {
  for (std::size_t i = 0; i < runtime.size(); ++i) {
    const absl::Status opened =
        runtime::RunBlocking(runtime.shard(i).executor(), core_->Open(i, clock, config, tls));
    FETCHD_CHECK(opened.ok());
  }
}

SharedClient::~SharedClient() { Close(); }

Client& SharedClient::ForShard(std::size_t shard) { return core_->shards[shard]->authenticating; }

Client& SharedClient::ForStores(std::size_t shard) { return core_->shards[shard]->store_client; }

Client& SharedClient::ForStoreBodies(std::size_t shard) {
  return core_->shards[shard]->store_decoding;
}

std::size_t SharedClient::ShardFor(const Origin& origin) const { return core_->HomeOf(origin); }

absl::Status SharedClient::CheckProxy(std::string_view proxy, const Origin& origin) const {
  return core_->routes.Choose(origin, proxy, core_->rules.For(origin)).status();
}

Task<absl::StatusOr<egress::Judgement>> SharedClient::Judge(
    Url url, std::shared_ptr<const egress::Policy> policy, Deadline deadline) {
  if (policy == nullptr) policy = core_->policies.origins;
  egress::Judgement judgement = policy->JudgeUrl(url);
  if (!judgement.allowed() || url.address()) co_return judgement;
  const OriginRule rule = core_->rules.For(url.origin());
  const absl::StatusOr<net::ProxyPtr> proxy = core_->routes.Choose(url.origin(), "", rule);
  if (proxy.ok() && *proxy != nullptr && (*proxy)->resolves_names) {
    co_return policy->JudgeRemoteName(url.host(), url.port());
  }
  const std::size_t home = ShardFor(url.origin());
  co_return co_await runtime::OnShard(
      core_->runtime.shard(home).executor(),
      core_->JudgeAddresses(home, std::move(url), std::move(policy), deadline));
}

void SharedClient::Close() {
  if (std::exchange(core_->closed, true)) return;
  core_->budget.Close();
  for (std::size_t i = 0; i < core_->shards.size(); ++i) {
    const absl::Status closed =
        runtime::RunBlocking(core_->runtime.shard(i).executor(), core_->CloseShard(i));
    FETCHD_CHECK(closed.ok());
  }
}

void SharedClient::CountRetry(const Origin& origin) {
  core_->book.Open(origin)->retries.fetch_add(1, std::memory_order_relaxed);
}

HostBudget& SharedClient::budget() { return core_->budget; }

ClientStats SharedClient::Stats() const {
  ClientStats stats;
  OriginBook::Snapshot book = core_->book.Read();
  stats.dials = book.all;
  stats.dials.limit = core_->budget.limit();
  stats.others.dials = book.others;
  for (auto& [origin, dials] : book.named) {
    dials.limit = core_->budget.LimitOf(origin);
    stats.origins.push_back({std::move(origin), dials});
  }
  core_->AddConnections(stats);
  if (!core_->closed) core_->AddPools(stats);
  return stats;
}

}  // namespace fetchd::http
