// The whole engine over scripted origins and a store in memory.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "fetch/engine_core.h"
#include "support/fake_http_client.h"
#include "support/log_lines.h"
#include "support/memory_store.h"
#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {

/// The same scripted origin on each shard.
class FakeClients final : public Clients {
 public:
  FakeClients(std::size_t shards, testing::FakeHttpClient::Handler handler) {
    for (std::size_t i = 0; i < shards; ++i) {
      clients_.push_back(std::make_unique<testing::FakeHttpClient>(handler));
    }
  }
  http::Client& ForShard(std::size_t shard) override { return *clients_[shard]; }
  void CountRetry(const Origin&) override {}
  std::size_t ShardFor(const Origin& origin) const override {
    return std::hash<std::string>()(origin.host) % clients_.size();
  }

 private:
  std::vector<std::unique_ptr<testing::FakeHttpClient>> clients_;
};

inline constexpr std::size_t kBlockingThreads = 4;

/// The whole engine on two shards and the real clock; waits are for events of the store.
class EngineTest : public ::testing::Test {
 protected:
  EngineTest() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "fetchd-engine-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    destinations_ =
        *sink::Destinations::Open(root_, clock_, runtime_.blocking(), runtime_.shard(0).executor());
    policy_ = *egress::Policy::Create({});
    config_.max_transfers = 8;
    config_.retry.base_delay = std::chrono::milliseconds(1);
    listener_ = store_.OnEvents([this] {
      const std::lock_guard lock(mutex_);
      changed_.notify_all();
    });
  }
  ~EngineTest() override {
    engine_.reset();
    store_.RemoveListener(listener_);
    runtime_.Stop();
    std::filesystem::remove_all(root_);
  }

  void Start(testing::FakeHttpClient::Handler handler) {
    clients_ = std::make_unique<FakeClients>(runtime_.size(), std::move(handler));
    engine_ = std::make_unique<EngineCore>(
        CoreDeps{runtime_, clock_, store_, *clients_, *destinations_, buffers_, policy_, log_},
        config_);
    ASSERT_TRUE(engine_->Start().ok());
  }

  template <typename T>
  T Await(Task<T> task) {
    return runtime::RunBlocking(runtime_.shard(0).executor(), std::move(task));
  }

  jobs::Job NewJob(int number) {
    jobs::Job job;
    job.id = JobId::Generate(clock_.WallNow(), random_);
    job.spec.urls = {Concat("https://host", number % 7, ".example.org/", number)};
    job.destination = Concat("file:out/", number);
    job.created_at = job.ready_at = clock_.WallNow();
    job.deadline_at = job.created_at + std::chrono::hours(24);
    return job;
  }
  JobId Submit(const jobs::Job& job) {
    EXPECT_TRUE(Await(store_.Create(job)).ok());
    engine_->Wake();
    return job.id;
  }
  JobId Submit(int number) { return Submit(NewJob(number)); }

  std::uint64_t ReceivedOf(const JobId& id) const {
    return engine_->ProgressOf(id).value_or(Progress{}).received_bytes;
  }
  jobs::State StateOf(const JobId& id) const { return store_.Peek(id).state; }
  /// All that was begun on shard 0, where the dispatcher is, has gone on as far as it can.
  void PassShardZero() { EXPECT_TRUE(Await(Nothing()).ok()); }
  static Task<absl::Status> Nothing() { co_return absl::OkStatus(); }

  /// Retries a job and completes once `reached`, while others run.
  Task<void> RetryUntil(JobId id, std::function<bool()> reached) {
    jobs::Change retry = jobs::RetryRequested{};
    EXPECT_TRUE((co_await store_.Update(id, std::move(retry))).ok());
    engine_->Wake();
    const auto executor = co_await asio::this_coro::executor;
    while (!reached()) co_await asio::post(executor, asio::use_awaitable);
  }

  std::uint64_t Count(jobs::State state) { return Await(store_.Stats())->jobs[state]; }
  void WaitFor(jobs::State state, std::uint64_t count) {
    std::unique_lock lock(mutex_);
    while (true) {
      lock.unlock();
      const bool reached = Count(state) >= count;
      lock.lock();
      if (reached) return;
      changed_.wait_for(lock, std::chrono::milliseconds(
                                  20));  // A change between the count and the wait is seen then.
    }
  }
  std::size_t FilesUnder(const std::string& folder) const {
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(root_ / folder)) {
      ++files;
    }
    return files;
  }

  RealClock clock_;
  runtime::Runtime runtime_{{.shards = 2, .blocking_threads = kBlockingThreads}};
  testing::MemoryStore store_{clock_};
  sink::BufferPool buffers_{std::size_t{64} << 20};
  testing::LogLines lines_;
  telemetry::Logger log_{{}, lines_.writer(), [] { return WallTime(); }};
  std::mt19937_64 random_{3};
  EngineConfig config_;
  std::filesystem::path root_;
  std::unique_ptr<sink::Destinations> destinations_;
  std::shared_ptr<const egress::Policy> policy_;
  std::unique_ptr<FakeClients> clients_;
  std::unique_ptr<EngineCore> engine_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t listener_ = 0;
};

}  // namespace fetchd::fetch
