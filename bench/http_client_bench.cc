// Fetches one URL COUNT times at CONCURRENCY through the shared client, discarding bodies; reports
// CPU time.
//   http_client_bench URL COUNT CONCURRENCY [CA_FILE]     HTTP/2 where the origin offers it
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>

#include "base/time.h"
#include "egress/policy.h"
#include "http/shared_client.h"
#include "net/tls.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"

namespace fetchd {
namespace {

struct Totals {
  std::uint64_t left = 0;
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::uint64_t bytes = 0;
};

Task<absl::StatusOr<std::uint64_t>> FetchOne(http::Client& client, http::Request request,
                                             std::span<std::byte> buffer) {
  CO_ASSIGN_OR_RETURN(http::Response response,
                      co_await client.Send(std::move(request), http::Call{}));
  if (response.head.status != 200) co_return absl::FailedPreconditionError("not a 200");
  std::uint64_t bytes = 0;
  while (true) {
    CO_ASSIGN_OR_RETURN(const std::size_t read, co_await response.body->Read(buffer));
    if (read == 0) co_return bytes;
    bytes += read;
  }
}

/// One of CONCURRENCY loops; all share `totals`.
Task<absl::Status> FetchUntilDone(http::Client& client, http::Request request, Totals& totals) {
  constexpr std::size_t kBytes = 256 * 1024;
  const auto bytes_of_body = std::make_unique_for_overwrite<std::byte[]>(kBytes);
  const std::span<std::byte> buffer(bytes_of_body.get(), kBytes);
  while (totals.left > 0) {
    --totals.left;
    const absl::StatusOr<std::uint64_t> bytes = co_await FetchOne(client, request, buffer);
    ++totals.done;
    if (bytes.ok()) {
      totals.bytes += *bytes;
    } else if (totals.failed++ == 0) {
      std::fprintf(stderr, "%s\n", bytes.status().ToString().c_str());
    }
  }
  co_return absl::OkStatus();
}

Task<absl::Status> RunAll(http::Client& client, http::Request request, std::size_t concurrency,
                          Totals& totals) {
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  for (std::size_t i = 0; i < concurrency; ++i) {
    tasks.Spawn("fetch", FetchUntilDone(client, request, totals));
  }
  co_await tasks.Join();
  co_return absl::OkStatus();
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

int Main(int argc, char** argv) {
  if (argc < 4) {
    std::fprintf(stderr, "usage: %s URL COUNT CONCURRENCY [CA_FILE]\n", argv[0]);
    return 2;
  }
  const auto url = Url::Parse(argv[1]);
  const auto concurrency = std::strtoul(argv[3], nullptr, 10);
  auto policy = egress::Policy::Create({.allow = {"127.0.0.0/8", "localhost"}});
  auto tls = net::TlsContexts::Create({{"", {.ca_file = argc > 4 ? argv[4] : ""}}});
  if (!url.ok() || !policy.ok() || !tls.ok()) {
    std::fprintf(stderr, "bad URL, policy or CA file\n");
    return 2;
  }

  runtime::Runtime runtime({.shards = 1, .blocking_threads = 1});
  RealClock clock;
  Totals totals{.left = std::strtoul(argv[2], nullptr, 10)};
  http::ClientStats stats;
  {
    http::SharedClient client(runtime, clock,
                              {.max_connections = concurrency, .max_per_host = concurrency},
                              *std::move(policy), *std::move(tls));
    const absl::Status ran =
        runtime::RunBlocking(runtime.shard(0).executor(),
                             RunAll(client.ForShard(0), http::Request(*url), concurrency, totals));
    if (!ran.ok()) return 1;
    stats = client.Stats();
  }
  runtime.Stop();

  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("done %lu failed %lu bytes %lu opened %lu reused %lu user %.3f sys %.3f\n",
              totals.done, totals.failed, totals.bytes, stats.dials.opened, stats.dials.reused,
              Seconds(usage.ru_utime), Seconds(usage.ru_stime));
  return totals.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace fetchd

int main(int argc, char** argv) { return fetchd::Main(argc, argv); }
