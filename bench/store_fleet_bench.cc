// One process of a fleet, as far as the store is concerned: bench/fleet.py starts several on one
// PostgreSQL and tells each what to do, a line each.
//   store_fleet_bench URL NUMBER          NUMBER: which of them it is
//   submit N   makes N jobs, as concurrent calls do      -> {"jobs": N, "seconds": ..., ...}
//   work N     claims N jobs and ends them, 256 at most in hand
//   both N     both at once
//   single N   makes N jobs one after the other: each waits for its own commit
// Bodies are of nowhere: what is measured is the queue.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/strings.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"
#include "store/postgres_store.h"

namespace fetchd::store {
namespace {

constexpr int kCallers = 1000;      // As many as one transaction takes.
constexpr int kInHand = 256;        // limits.transfers
constexpr int kClaimedAtOnce = 64;  // As the dispatcher.
constexpr int kOrigins = 20;

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

double CpuSeconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class Replica {
 public:
  Replica(const std::string& url, unsigned number) : number_(number), random_(number) {
    auto opened = PostgresStore::Open({.address = {url, {}},
                                       .keys = KeyRing(Sealer(std::string(Sealer::kKeyBytes, 'k'))),
                                       .keys_from = "the bench"},
                                      clock_);
    if (!opened.ok()) std::fprintf(stderr, "%s\n", opened.status().ToString().c_str());
    FETCHD_CHECK(opened.ok());
    store_ = *std::move(opened);
  }
  ~Replica() {
    store_.reset();
    runtime_.Stop();
  }
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  void Run(const std::string& what, int jobs) {
    const SteadyTime from = clock_.Now();
    const double cpu = CpuSeconds();
    const jobs::StoreStats before = Stats();
    left_to_make_ = what == "work" ? 0 : jobs;
    left_to_claim_ = what == "work" || what == "both" ? jobs : 0;
    runtime::RunBlocking(executor(), RunPhase(what == "single" ? 1 : kCallers));
    const jobs::StoreStats after = Stats();
    std::printf(
        "{\"jobs\": %d, \"seconds\": %.4f, \"cpu\": %.4f, \"commits\": %llu, \"changes\": %llu, "
        "\"claims\": %llu}\n",
        jobs, Seconds(clock_.Now() - from), CpuSeconds() - cpu,
        static_cast<unsigned long long>(after.commits - before.commits),
        static_cast<unsigned long long>(after.changes - before.changes),
        static_cast<unsigned long long>(std::exchange(claims_, 0)));
    std::fflush(stdout);
  }

 private:
  asio::any_io_executor executor() { return runtime_.shard(0).executor(); }

  jobs::StoreStats Stats() {
    const auto stats = runtime::RunBlocking(executor(), store_->Stats());
    FETCHD_CHECK(stats.ok());
    return *stats;
  }

  Task<void> RunPhase(int callers) {
    runtime::TaskGroup group(executor());
    for (int i = 0; i < std::min(callers, left_to_make_); ++i) group.Spawn("create", Create());
    if (left_to_claim_ > 0) group.Spawn("claim", Claim(group));
    co_await group.Join();
  }

  Task<absl::Status> Create() {
    while (left_to_make_ > 0) {
      const int left = left_to_make_--;
      const auto created = co_await store_->Create(NewJob(left));
      if (!created.ok()) std::fprintf(stderr, "%s\n", created.status().ToString().c_str());
      FETCHD_CHECK(created.ok() && created->created);
    }
    co_return absl::OkStatus();
  }

  Task<absl::Status> Claim(runtime::TaskGroup& group) {
    while (left_to_claim_ > 0) {
      const int room = std::min({kInHand - in_hand_, kClaimedAtOnce, left_to_claim_});
      if (room == 0) {
        co_await clock_.SleepFor(std::chrono::milliseconds(1));
        continue;
      }
      const jobs::Rooms rooms{
          .of_origin = [](const std::string&) { return jobs::Room{kInHand, kInHand}; }};
      auto claims = co_await store_->ClaimReady(room, rooms);
      FETCHD_CHECK(claims.ok());
      ++claims_;
      left_to_claim_ -= static_cast<int>(claims->size());
      in_hand_ += static_cast<int>(claims->size());
      const bool none = claims->empty();
      for (jobs::Claim& claim : *claims) group.Spawn("finish", Finish(std::move(claim)));
      if (none) co_await clock_.SleepFor(std::chrono::milliseconds(5));
    }
    co_return absl::OkStatus();
  }

  Task<absl::Status> Finish(jobs::Claim claim) {
    jobs::Change change = Done(claim.job);
    const auto done = co_await store_->Update(claim.job.id, claim.fence, std::move(change));
    if (!done.ok()) std::fprintf(stderr, "%s\n", done.status().ToString().c_str());
    FETCHD_CHECK(done.ok());
    --in_hand_;
    co_return absl::OkStatus();
  }

  // About as long as what fetchd keeps of a small file.
  jobs::Job NewJob(int left) {
    jobs::Job job;
    job.id = JobId::Generate(clock_.WallNow(), random_);
    job.spec.urls = {Concat("https://host", left % kOrigins,
                            ".example.org/releases/2026/11/package-", left, ".tar.gz")};
    job.destination = Concat("file:packages/", number_, "/", job.id.str(), ".tar.gz");
    job.destination_template = "file:packages/{job}.tar.gz";
    job.request_id = Concat("nightly-", job.id.str());
    job.created_at = job.ready_at = clock_.WallNow();
    job.deadline_at = job.created_at + std::chrono::hours(24);
    return job;
  }

  jobs::Succeeded Done(const jobs::Job& job) {
    jobs::HopRecord hop;
    hop.url = job.spec.urls[0];
    hop.reused = true;
    hop.first_byte = std::chrono::milliseconds(3);
    hop.http_status = 200;
    jobs::Succeeded done;
    done.record.number = job.attempt;
    done.record.outcome = jobs::AttemptOutcome::kSucceeded;
    done.record.started_at = clock_.WallNow();
    done.record.took = std::chrono::milliseconds(4);
    done.record.received_bytes = 1024;
    done.record.hops = {std::move(hop)};
    done.record.decision = "done";
    done.result.final_url = job.spec.urls[0];
    done.result.http_status = 200;
    done.result.headers = {{"Server", "nginx"},
                           {"Content-Type", "application/gzip"},
                           {"Content-Length", "1024"},
                           {"Last-Modified", "Sat, 28 Nov 2026 00:00:00 GMT"}};
    done.result.size_bytes = 1024;
    done.result.digests = {{DigestAlgorithm::kSha256, std::string(32, 'd')}};
    done.result.etag = "\"6928e9f1-400\"";
    done.result.destination = "file:///srv/fetchd/" + job.id.str();
    return done;
  }

  const unsigned number_;
  RealClock clock_;
  std::mt19937_64 random_;
  runtime::Runtime runtime_{{.shards = 1, .blocking_threads = 2}};
  std::unique_ptr<jobs::Store> store_;
  // Of the phase; on the shard.
  int left_to_make_ = 0, left_to_claim_ = 0, in_hand_ = 0;
  std::uint64_t claims_ = 0;
};

}  // namespace
}  // namespace fetchd::store

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: store_fleet_bench URL NUMBER\n");
    return 2;
  }
  fetchd::store::Replica replica(argv[1], static_cast<unsigned>(std::stoul(argv[2])));
  std::printf("{\"ready\": 1}\n");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what;
    int jobs = 0;
    words >> what >> jobs;
    replica.Run(what, jobs);
  }
  return 0;
}
