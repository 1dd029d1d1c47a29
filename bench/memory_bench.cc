// What a connection costs in memory: COUNT of them, idle after a request each, or each in a
// download that goes on while it is measured. URLs are taken in turn.
//   memory_bench idle|active COUNT CA_FILE|- URL...
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "egress/policy.h"
#include "http/shared_client.h"
#include "http/signal.h"
#include "net/tls.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"

namespace fetchd {
namespace {

/// What the pump of a transfer begins with.
constexpr std::size_t kReadBytes = 16 * 1024;
/// Connect at the same time: an origin gives up on handshakes that it does not get to.
constexpr std::size_t kAtOnce = 64;
/// Until idle connections have given up what they can: two ticks of http::IdleConnections, and
/// more.
constexpr Duration kSettle = std::chrono::seconds(3);
/// Of a connect or a first byte: the origin may share the cores with others.
constexpr Duration kPatience = std::chrono::minutes(2);

struct Options {
  bool active = false;
  std::size_t count = 0;
  std::string ca_file;
  std::vector<Url> urls;
};

std::optional<Options> ParseOptions(std::span<char*> words) {
  if (words.size() < 5) return std::nullopt;
  const std::string_view mode = words[1];
  if (mode != "idle" && mode != "active") return std::nullopt;
  Options options{.active = mode == "active", .count = std::strtoul(words[2], nullptr, 10)};
  if (options.count == 0) return std::nullopt;
  if (std::string_view(words[3]) != "-") options.ca_file = words[3];
  for (const char* word : words.subspan(4)) {
    const absl::StatusOr<Url> url = Url::Parse(word);
    if (!url.ok()) return std::nullopt;
    options.urls.push_back(*url);
  }
  return options;
}

std::uint64_t ResidentBytes() {
  malloc_trim(0);
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

/// Common to all downloads of a run.
struct Progress {
  Progress(const asio::any_io_executor& executor, std::size_t wanted)
      : count(wanted), changed(executor), all_begun(executor) {}

  std::size_t begun() const { return heads + failed; }
  void Changed() {
    changed.Notify();
    if (begun() >= count) all_begun.Notify();
  }

  const std::size_t count;
  std::size_t heads = 0;  ///< Responses begun.
  std::size_t failed = 0;
  std::size_t ended = 0;
  http::Signal changed;
  http::Signal all_begun;
};

/// Reads no body before all responses have begun, so that no connection serves two.
Task<absl::Status> Download(http::Client& client, http::Request request, Progress& progress) {
  http::Call call;
  call.timeouts.first_byte = kPatience;
  call.timeouts.dial.tls = kPatience;
  call.timeouts.dial.connect = kPatience;
  CO_ASSIGN_OR_RETURN(http::Response response, co_await client.Send(std::move(request), call));
  if (response.head.status != 200) co_return absl::FailedPreconditionError("not a 200");
  ++progress.heads;
  progress.Changed();
  while (progress.begun() < progress.count) co_await progress.all_begun.Wait();
  std::vector<std::byte> buffer(kReadBytes);
  while (true) {
    CO_ASSIGN_OR_RETURN(const std::size_t read, co_await response.body->Read(buffer));
    if (read == 0) co_return absl::OkStatus();
  }
}

/// Says what the first failure was.
Task<absl::Status> Watched(Task<absl::Status> download, Progress& progress) {
  const absl::Status status = co_await std::move(download);
  if (!status.ok() && progress.failed++ == 0) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
  }
  ++progress.ended;
  progress.Changed();
  co_return status;
}

struct Outcome {
  std::uint64_t bytes = 0;  ///< That resident memory grew by.
  std::size_t failed = 0;
};

Task<Outcome> Measure(http::Client& client, Clock& clock, const Options& options) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Progress progress(executor, options.count);
  const std::uint64_t before = ResidentBytes();
  runtime::TaskGroup tasks(executor);
  for (std::size_t i = 0; i < options.count; ++i) {
    while (i - progress.begun() >= kAtOnce) co_await progress.changed.Wait();
    http::Request request(options.urls[i % options.urls.size()]);
    tasks.Spawn("download", Watched(Download(client, std::move(request), progress), progress));
  }
  while ((options.active ? progress.begun() : progress.ended) < options.count) {
    co_await progress.changed.Wait();
  }
  co_await clock.SleepFor(kSettle);
  const Outcome outcome{.bytes = ResidentBytes() - before, .failed = progress.failed};
  tasks.Cancel();
  co_await tasks.Join();
  co_return outcome;
}

int Run(const Options& options) {
  auto policy = egress::Policy::Create({.allow = {"127.0.0.0/8"}});
  auto tls = net::TlsContexts::Create({{"", {.ca_file = options.ca_file}}});
  if (!policy.ok() || !tls.ok()) {
    std::fprintf(stderr, "%s %s\n", policy.status().ToString().c_str(),
                 tls.status().ToString().c_str());
    return 2;
  }
  runtime::Runtime runtime({.shards = 1, .blocking_threads = 1});
  RealClock clock;
  Outcome outcome;
  {
    http::SharedClient client(runtime, clock,
                              {.max_connections = options.count,
                               .max_per_host = options.count,
                               .idle_ttl = std::chrono::minutes(10),
                               .http2 = false},
                              *std::move(policy), *std::move(tls));
    outcome = runtime::RunBlocking(runtime.shard(0).executor(),
                                   Measure(client.ForShard(0), clock, options));
    std::printf("connections %lu opened %lu failed %lu bytes %lu each %lu\n", options.count,
                client.Stats().dials.opened, outcome.failed, outcome.bytes,
                outcome.bytes / options.count);
  }
  runtime.Stop();
  return outcome.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace fetchd

int main(int argc, char** argv) {
  const auto options = fetchd::ParseOptions({argv, static_cast<std::size_t>(argc)});
  if (options) return fetchd::Run(*options);
  std::fprintf(stderr, "usage: %s idle|active COUNT CA_FILE|- URL...\n", argv[0]);
  return 2;
}
