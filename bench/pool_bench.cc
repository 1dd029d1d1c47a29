// What the connection pool costs, by how many connections are idle: nothing here touches a socket.
//   pool_bench [--benchmark_filter=...]
#include <benchmark/benchmark.h>

#include <boost/asio/io_context.hpp>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/strings.h"
#include "base/time.h"
#include "http/connection_pool.h"
#include "net/dialer.h"
#include "runtime/task_group.h"

namespace fetchd::http {
namespace {

/// Answers every request at once, without a body.
class ObligingStream final : public net::Stream {
 public:
  Task<net::IoResult> ReadSome(std::span<std::byte> out) override {
    constexpr std::string_view kAnswer = "HTTP/1.1 204 No Content\r\n\r\n";
    std::memcpy(out.data(), kAnswer.data(), kAnswer.size());
    co_return net::IoResult{{}, kAnswer.size()};
  }
  Task<net::IoResult> WriteAll(std::span<const std::byte> bytes) override {
    co_return net::IoResult{{}, bytes.size()};
  }
  void Close() noexcept override {}
  bool IsStale() noexcept override { return false; }
  void WatchForInput(std::function<void()>) override {}
  void StopWatching() noexcept override {}
  std::size_t SendNow(std::span<const std::byte> bytes) noexcept override { return bytes.size(); }
  std::size_t Available() noexcept override { return 0; }
  const asio::ip::tcp::endpoint& peer() const override { return peer_; }
  std::string tls_description() const override { return {}; }
  bool speaks_http2() const override { return false; }

 private:
  asio::ip::tcp::endpoint peer_;
};

class ObligingDialer final : public net::Dialer {
 public:
  Task<absl::StatusOr<std::unique_ptr<net::Stream>>> Dial(net::DialRequest, Deadline,
                                                          net::DialRecord*) override {
    co_return std::make_unique<ObligingStream>();
  }
};

/// A pool with `idle` connections, to as many origins.
class Fixture {
 public:
  Fixture(std::size_t idle, std::size_t max_connections)
      : budget_({.max_connections = max_connections, .max_per_host = max_connections}, 1) {
    for (std::size_t i = 0; i < idle; ++i) Use(i);
    FETCHD_CHECK(budget_.open() == idle);
  }
  ~Fixture() {
    pool_->Close();
    tasks_.Cancel();
    Run();
    pool_.reset();
  }

  ConnectionPool& pool() { return *pool_; }
  static PoolKey Key(std::size_t i) {
    return {{"http", Concat("host", i, ".test"), 80}, "", nullptr};
  }

  /// One request to the i-th origin, from nothing.
  void Use(std::size_t i) {
    tasks_.Spawn("use", UseOnce(Key(i)));
    Run();
  }
  void Run() {
    context_.restart();
    context_.poll();
  }

 private:
  Task<absl::Status> UseOnce(PoolKey key) {
    ExchangeRecord record;
    const Request request(*Url::Parse(key.origin.ToString()));
    ConnectionPool::Want want{.key = std::move(key), .deadline = Deadline::Never()};
    CO_ASSIGN_OR_RETURN(Lease lease, co_await pool_->Acquire(std::move(want), &record));
    CO_RETURN_IF_ERROR(lease.channel().Begin(request, "", Timeouts(), Deadline::Never()));
    CO_RETURN_IF_ERROR(co_await lease.channel().Exchange());
    std::move(lease).Recycle();
    co_return absl::OkStatus();
  }

  asio::io_context context_;
  RealClock clock_;
  runtime::TaskGroup tasks_{context_.get_executor()};
  Watchdog watchdog_{clock_, tasks_};
  ObligingDialer dialer_;
  HostBudget budget_;
  OriginBook book_{clock_};
  std::optional<ConnectionPool> pool_{
      std::in_place, context_.get_executor(), 0, PoolConfig(),
      ConnectionPool::Deps{budget_, book_, dialer_, watchdog_, tasks_}};
};

/// An idle connection is taken and given back.
void ReuseAmongIdle(benchmark::State& state) {
  const auto idle = static_cast<std::size_t>(state.range(0));
  Fixture fixture(idle, 2 * idle);
  const PoolKey key = Fixture::Key(idle / 2);
  for (auto _ : state) {
    std::optional<Lease> lease = fixture.pool().TryReuse(key.origin, key.tls_profile, nullptr);
    FETCHD_CHECK(lease.has_value());
    std::move(*lease).Recycle();
  }
}
BENCHMARK(ReuseAmongIdle)->RangeMultiplier(10)->Range(1, 10'000);

/// All places are taken by idle connections: the oldest makes room for another origin.
void DialInPlaceOfTheOldest(benchmark::State& state) {
  const auto idle = static_cast<std::size_t>(state.range(0));
  Fixture fixture(idle, idle);
  std::size_t next = idle;
  for (auto _ : state) fixture.Use(next++);
}
BENCHMARK(DialInPlaceOfTheOldest)->RangeMultiplier(10)->Range(1, 10'000);

}  // namespace
}  // namespace fetchd::http

BENCHMARK_MAIN();
