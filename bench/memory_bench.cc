// What a connection costs in memory: COUNT of them, idle after a request each, or each in a
// download that goes on while it is measured. URLs are taken in turn.
//   memory_bench idle|active COUNT CA_FILE|- URL...
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "egress/policy.h"
#include "http/shared_client.h"
#include "net/tls.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"

namespace fetchd {
namespace {

/// What the pump of a transfer begins with.
constexpr std::size_t kReadBytes = 16 * 1024;
constexpr Duration kSettle = std::chrono::seconds(3);

std::uint64_t ResidentBytes() {
  malloc_trim(0);
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  unsigned long total = 0;
  unsigned long resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return read == 2 ? std::uint64_t{resident} * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE))
                   : 0;
}

struct Progress {
  bool active = false;
  std::size_t wanted = 0;
  std::size_t heads = 0;  ///< Responses begun: all connections are open when all have.
  std::size_t ended = 0;
  std::size_t failed = 0;
};

Task<absl::Status> Download(http::Client& client, Clock& clock, http::Request request,
                            Progress& progress) {
  http::Call call;
  call.timeouts.first_byte = std::chrono::minutes(2);
  call.timeouts.dial.tls = std::chrono::minutes(2);
  call.timeouts.dial.connect = std::chrono::minutes(2);
  CO_ASSIGN_OR_RETURN(http::Response response, co_await client.Send(std::move(request), call));
  if (response.head.status != 200) co_return absl::FailedPreconditionError("not a 200");
  ++progress.heads;
  while (progress.heads + progress.failed < progress.wanted) {
    co_await clock.SleepFor(std::chrono::milliseconds(100));
  }
  std::vector<std::byte> buffer(kReadBytes);
  while (true) {
    CO_ASSIGN_OR_RETURN(const std::size_t read, co_await response.body->Read(buffer));
    if (read == 0) co_return absl::OkStatus();
  }
}

Task<absl::Status> Count(Task<absl::Status> download, Progress& progress) {
  const absl::Status status = co_await std::move(download);
  if (!status.ok() && progress.failed++ == 0) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
  }
  ++progress.ended;
  co_return status;
}

/// Bytes of resident memory that all connections together take.
Task<std::uint64_t> Measure(http::Client& client, Clock& clock, std::vector<Url> urls,
                            Progress& progress) {
  const std::uint64_t before = ResidentBytes();
  runtime::TaskGroup tasks(co_await asio::this_coro::executor);
  for (std::size_t i = 0; i < progress.wanted; ++i) {
    http::Request request(urls[i % urls.size()]);
    tasks.Spawn("download", Count(Download(client, clock, std::move(request), progress), progress));
  }
  const auto reached = [&progress] {
    return (progress.active ? progress.heads + progress.failed : progress.ended) >= progress.wanted;
  };
  while (!reached()) co_await clock.SleepFor(std::chrono::milliseconds(100));
  co_await clock.SleepFor(kSettle);
  const std::uint64_t after = ResidentBytes();
  tasks.Cancel();
  co_await tasks.Join();
  co_return after - before;
}

int Main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "usage: %s idle|active COUNT CA_FILE|- URL...\n", argv[0]);
    return 2;
  }
  Progress progress{.active = std::string_view(argv[1]) == "active",
                    .wanted = std::strtoul(argv[2], nullptr, 10)};
  const std::string_view ca_file = argv[3];
  std::vector<Url> urls;
  for (int i = 4; i < argc; ++i) {
    const auto url = Url::Parse(argv[i]);
    if (url.ok()) urls.push_back(*url);
  }
  auto policy = egress::Policy::Create({.allow = {"127.0.0.0/8", "localhost"}});
  auto tls =
      net::TlsContexts::Create({{"", {.ca_file = std::string(ca_file == "-" ? "" : ca_file)}}});
  if (urls.empty() || !policy.ok() || !tls.ok()) {
    std::fprintf(stderr, "bad URL, policy or CA file\n");
    return 2;
  }

  runtime::Runtime runtime({.shards = 1, .blocking_threads = 1});
  RealClock clock;
  std::uint64_t bytes = 0;
  {
    http::SharedClient client(runtime, clock,
                              {.max_connections = progress.wanted,
                               .max_per_host = progress.wanted,
                               .idle_ttl = std::chrono::minutes(10),
                               .http2 = false},
                              *std::move(policy), *std::move(tls));
    bytes = runtime::RunBlocking(runtime.shard(0).executor(),
                                 Measure(client.ForShard(0), clock, urls, progress));
    const http::ClientStats stats = client.Stats();
    std::printf("connections %lu open %lu failed %lu bytes %lu each %lu\n", progress.wanted,
                stats.dials.opened, progress.failed, bytes, bytes / progress.wanted);
  }
  runtime.Stop();
  return progress.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace fetchd

int main(int argc, char** argv) { return fetchd::Main(argc, argv); }
