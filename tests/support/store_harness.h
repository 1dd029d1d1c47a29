// A jobs::Store under test: a clock, a shard to call it from, and jobs to put in it.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "jobs/store.h"
#include "runtime/runtime.h"
#include "runtime/task_group.h"

namespace fetchd::jobs {

/// Wall time that a test sets, from any thread; nothing waits on it.
class StoreClock final : public Clock {
 public:
  SteadyTime Now() const override { return SteadyTime(); }
  WallTime WallNow() const override { return WallTime(Duration(now_.load())); }
  Task<void> SleepUntil(SteadyTime) override { co_return; }
  void Advance(Duration by) { now_ += by.count(); }

 private:
  std::atomic<Duration::rep> now_{Duration(std::chrono::hours(500'000)).count()};
};

/// Data that outlives the stores opened on it.
class StoreBackend {
 public:
  virtual ~StoreBackend() = default;
  virtual absl::StatusOr<std::unique_ptr<Store>> Open(Clock& clock,
                                                      runtime::BlockingPool& pool) = 0;
};

/// One open store, a shard to call it from, and jobs to put in it. For tests of one implementation
/// too.
class StoreHarness {
 public:
  explicit StoreHarness(std::unique_ptr<StoreBackend> backend) : backend_(std::move(backend)) {}

  absl::Status Open() {
    auto store = backend_->Open(clock, runtime_.blocking());
    RETURN_IF_ERROR(store.status());
    store_ = *std::move(store);
    return absl::OkStatus();
  }
  void Close() { store_.reset(); }
  Store& store() { return *store_; }

  template <typename T>
  T Await(Task<T> task) {
    return runtime::RunBlocking(runtime_.shard(0).executor(), std::move(task));
  }
  /// Runs them all at once and waits; returns how each ended.
  std::vector<absl::Status> AwaitAll(std::vector<Task<absl::Status>> tasks) {
    std::vector<absl::Status> ends;
    auto keep = [&ends](const std::string&, const absl::Status& status) { ends.push_back(status); };
    runtime::TaskGroup group(runtime_.shard(0).executor(), keep);
    for (Task<absl::Status>& task : tasks) group.Spawn("test", std::move(task));
    runtime::RunBlocking(runtime_.shard(0).executor(), group.Join());
    return ends;
  }

  Job NewJob(const std::string& url = "https://origin.test/file") {
    Job job;
    job.id = JobId::Generate(clock.WallNow(), random_);
    job.spec.urls = {url};
    job.destination = "file:" + job.id.str();
    job.destination_template = "file:{job}";
    job.created_at = job.ready_at = clock.WallNow();
    job.deadline_at = job.created_at + std::chrono::hours(24);
    return job;
  }
  /// Creates it, and expects that to work.
  Job Create(Job job) {
    auto outcome = Await(store().Create(std::move(job)));
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? outcome->job : Job();
  }
  Job CreateFor(const std::string& tenant) {
    Job job = NewJob();
    job.tenant = tenant;
    return Create(std::move(job));
  }
  std::vector<Claim> ClaimUpTo(int limit) {
    auto claims = Await(store().ClaimReady(limit, {}));
    EXPECT_TRUE(claims.ok()) << claims.status();
    return claims.ok() ? *std::move(claims) : std::vector<Claim>();
  }
  Claim ClaimOne() {
    std::vector<Claim> claims = ClaimUpTo(1);
    EXPECT_EQ(claims.size(), 1u);
    return claims.empty() ? Claim() : std::move(claims[0]);
  }
  Claim ClaimFor(const std::string& tenant) {
    CreateFor(tenant);
    return ClaimOne();
  }
  absl::Status Finish(const Claim& claim, Result result = {}) {
    Succeeded change;
    change.result = std::move(result);
    change.record.number = claim.job.attempt;
    change.record.outcome = AttemptOutcome::kSucceeded;
    return Await(store().Update(claim.job.id, claim.fence, std::move(change))).status();
  }

  StoreClock clock;

 private:
  std::unique_ptr<StoreBackend> backend_;
  runtime::Runtime runtime_{{.shards = 1, .blocking_threads = 2}};
  std::unique_ptr<Store> store_;
  std::mt19937_64 random_{20260101};
};

}  // namespace fetchd::jobs
