// What it costs to claim jobs, by how many are queued: SQLite on disk, each claim with its fsync.
//   claim_bench [FOLDER] [ORIGINS]        folder: default the system's temporary one; origins:
//   default 20
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/strings.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"
#include "store/sqlite_store.h"

namespace fetchd::store {
namespace {

constexpr int kClaims = 200;
constexpr int kJobsAClaim = 64;

double Milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

class Queue {
 public:
  Queue(std::filesystem::path folder, int origins) : folder_(std::move(folder)), origins_(origins) {
    std::filesystem::create_directories(folder_);
    auto opened =
        SqliteStore::Open({folder_ / "jobs.db", folder_ / "key"}, clock_, runtime_.blocking());
    FETCHD_CHECK(opened.ok());
    store_ = *std::move(opened);
  }
  ~Queue() {
    store_.reset();
    runtime_.Stop();
    std::filesystem::remove_all(folder_);
  }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  void Fill(int jobs) {
    constexpr int kAtOnce = 2000;
    for (int done = 0; done < jobs; done += kAtOnce) {
      runtime::TaskGroup group(executor());
      for (int i = done; i < std::min(done + kAtOnce, jobs); ++i) {
        group.Spawn("create", Create(i));
      }
      runtime::RunBlocking(executor(), group.Join());
    }
  }

  /// How long one claim takes, on average.
  Duration Claim() {
    const auto room_of = [](const std::string&) { return jobs::Room{kJobsAClaim, kJobsAClaim}; };
    const SteadyTime from = clock_.Now();
    for (int i = 0; i < kClaims; ++i) {
      const auto claims =
          runtime::RunBlocking(executor(), store_->ClaimReady(kJobsAClaim, {room_of}));
      FETCHD_CHECK(claims.ok() && claims->size() == kJobsAClaim);
    }
    return (clock_.Now() - from) / kClaims;
  }

 private:
  asio::any_io_executor executor() { return runtime_.shard(0).executor(); }

  Task<absl::Status> Create(int number) {
    jobs::Job job;
    job.id = JobId::Generate(clock_.WallNow(), random_);
    job.spec.urls = {Concat("https://host", number % origins_, ".test/", number)};
    job.destination = Concat("file:", number);
    job.created_at = job.ready_at = clock_.WallNow();
    job.deadline_at = job.created_at + std::chrono::hours(24);
    co_return (co_await store_->Create(std::move(job))).status();
  }

  const std::filesystem::path folder_;
  const int origins_;
  RealClock clock_;
  std::mt19937_64 random_{1};
  runtime::Runtime runtime_{{.shards = 1, .blocking_threads = 2}};
  std::unique_ptr<jobs::Store> store_;
};

}  // namespace
}  // namespace fetchd::store

int main(int argc, char** argv) {
  const std::filesystem::path folder =
      argc > 1 ? argv[1] : std::filesystem::temp_directory_path().string();
  const int origins = argc > 2 ? std::stoi(argv[2]) : 20;
  std::printf("| queued | origins | claim of 64 jobs | a job |\n| ---: | ---: | ---: | ---: |\n");
  for (const int jobs : {20'000, 100'000, 1'000'000}) {
    fetchd::store::Queue queue(folder / "fetchd-claim-bench", origins);
    queue.Fill(jobs);
    const fetchd::Duration claim = queue.Claim();
    std::printf("| %d | %d | %.2f ms | %.0f us |\n", jobs, origins,
                fetchd::store::Milliseconds(claim), fetchd::store::Milliseconds(claim) / 64 * 1000);
    std::fflush(stdout);
  }
  return 0;
}
