#include "integration/engine_fixture.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"

namespace fetchd::testing {

EngineHouse::EngineHouse(const std::filesystem::path& folder, fetch::EngineConfig config,
                         HttpStackOptions http)
    : http_(std::move(http)) {
  auto store =
      store::SqliteStore::Open({.path = folder / "state.db", .key_file = folder / "state.key"},
                               http_.clock(), http_.runtime().blocking());
  FETCHD_CHECK(store.ok());
  store_ = *std::move(store);
  auto destinations =
      sink::Destinations::Open(folder / "files", http_.clock(), http_.runtime().blocking(),
                               http_.runtime().shard(0).executor());
  FETCHD_CHECK(destinations.ok());
  destinations_ = *std::move(destinations);
  listener_ = store_->OnEvents([this] {
    const std::lock_guard lock(mutex_);
    ++changes_;
    changed_.notify_all();
  });
  engine_ = std::make_unique<fetch::Engine>(
      fetch::EngineDeps{http_.runtime(), http_.clock(), *store_, http_.client(), *destinations_,
                        buffers_, http_.policy(), log_},
      config);
  FETCHD_CHECK(engine_->Start().ok());
}

EngineHouse::~EngineHouse() {
  engine_->Drain(http_.clock().Now());
  engine_.reset();
  store_->RemoveListener(listener_);
  store_.reset();
  destinations_.reset();
}

JobId EngineHouse::Submit(jobs::Job job) {
  const WallTime now = http_.clock().WallNow();
  job.id = JobId::Generate(now, random_);
  job.created_at = job.updated_at = job.ready_at = now;
  job.deadline_at = now + std::chrono::hours(24);
  const auto created = Run(store_->Create(job));
  FETCHD_CHECK(created.ok());
  engine_->Wake();
  return created->job.id;
}

jobs::Job EngineHouse::WaitFor(const JobId& id, jobs::State state) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (true) {
    std::unique_lock lock(mutex_);
    const std::uint64_t seen = changes_;
    lock.unlock();
    jobs::Job job = Get(id);
    if (job.state == state || jobs::IsTerminal(job.state)) return job;
    lock.lock();
    const bool changed = changed_.wait_until(lock, deadline, [&] { return changes_ != seen; });
    if (!changed) return job;
  }
}

jobs::Job EngineHouse::WaitUntilEnded(const JobId& id) {
  return WaitFor(id, jobs::State::kSucceeded);
}

jobs::Job EngineHouse::Get(const JobId& id) {
  auto job = Run(store_->Get(id));
  FETCHD_CHECK(job.ok());
  return *std::move(job);
}

std::vector<jobs::AttemptRecord> EngineHouse::Attempts(const JobId& id) {
  auto attempts = Run(store_->Attempts(id));
  FETCHD_CHECK(attempts.ok());
  return *std::move(attempts);
}

absl::StatusOr<jobs::Job> EngineHouse::Cancel(const JobId& id) { return Run(engine_->Cancel(id)); }

absl::StatusOr<jobs::Job> EngineHouse::Retry(const JobId& id) {
  auto job = Run(store_->Update(id, jobs::Change(jobs::RetryRequested())));
  engine_->Wake();
  return job;
}

absl::StatusOr<fetch::StreamEnd> EngineHouse::Stream(jobs::FetchSpec spec, std::uint64_t offset,
                                                     fetch::StreamReceiver& receiver) {
  return Run(
      engine_->Stream(std::move(spec), offset, Deadline::Never(), receiver, jobs::kDefaultTenant));
}

fetch::EngineConfig EngineFixture::Config() {
  fetch::EngineConfig config;
  config.retry.base_delay = std::chrono::milliseconds(1);
  config.retry.max_delay = std::chrono::milliseconds(5);
  config.checkpoint_bytes = 64 << 10;
  return config;
}

jobs::Job EngineFixture::MakeJob(const std::string& url, const std::string& destination) {
  jobs::Job job;
  job.spec.urls = {url};
  job.destination = destination;
  return job;
}

std::vector<std::string> EngineFixture::Files() const {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(FilesRoot())) {
    if (entry.is_regular_file()) {
      files.push_back(std::filesystem::relative(entry.path(), FilesRoot()).string());
    }
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace fetchd::testing
