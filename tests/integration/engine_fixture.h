// The whole engine in this process: real store, real files, real HTTP; only gRPC is missing.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "fetch/engine.h"
#include "integration/http_stack.h"
#include "store/sqlite_store.h"
#include "support/process.h"

namespace fetchd::testing {

/// One life of an engine over data that outlive it.
class EngineHouse {
 public:
  EngineHouse(const std::filesystem::path& folder, fetch::EngineConfig config,
              HttpStackOptions http = {});
  /// Drains without grace: transfers in flight are interrupted.
  ~EngineHouse();

  JobId Submit(jobs::Job job);
  /// Waits until the job has `state`, or any terminal one; returns it as it is then.
  jobs::Job WaitFor(const JobId& id, jobs::State state);
  jobs::Job WaitUntilEnded(const JobId& id);
  jobs::Job Get(const JobId& id);
  std::vector<jobs::AttemptRecord> Attempts(const JobId& id);
  absl::StatusOr<jobs::Job> Cancel(const JobId& id);
  absl::StatusOr<jobs::Job> Retry(const JobId& id);
  absl::StatusOr<fetch::StreamEnd> Stream(jobs::FetchSpec spec, std::uint64_t offset,
                                          fetch::StreamReceiver& receiver);
  std::size_t buffer_bytes_in_use() const { return buffers_.budget().in_use(); }
  fetch::EngineStats stats() const { return engine_->Stats(); }

 private:
  template <typename T>
  T Run(Task<T> task) {
    return runtime::RunBlocking(http_.runtime().shard(0).executor(), std::move(task));
  }

  HttpStack http_;
  std::unique_ptr<jobs::Store> store_;
  std::unique_ptr<sink::Destinations> destinations_;
  sink::BufferPool buffers_{std::size_t{64} << 20};
  telemetry::Logger log_{{}, [](std::string_view) {}, [] { return WallTime(); }};
  std::unique_ptr<fetch::Engine> engine_;
  std::mt19937_64 random_{1};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t changes_ = 0;
  std::uint64_t listener_ = 0;
};

class EngineFixture : public ::testing::Test {
 protected:
  static fetch::EngineConfig Config();
  /// To `destination`, from `url`.
  static jobs::Job MakeJob(const std::string& url, const std::string& destination = "file:out");
  EngineHouse& house() {
    if (house_ == nullptr) Use(Config());
    return *house_;
  }
  /// Begins a life with another configuration.
  void Use(fetch::EngineConfig config) {
    house_ = std::make_unique<EngineHouse>(folder_.path(), std::move(config));
  }
  /// Ends this life; the next call of house() begins another over the same data.
  void Restart() { house_.reset(); }
  std::filesystem::path FilesRoot() const { return folder_.path() / "files"; }
  std::string FileContent(const std::string& name) const { return ReadFile(FilesRoot() / name); }
  /// Every file below the root, temporary ones too.
  std::vector<std::string> Files() const;

 private:
  TempFolder folder_;
  std::unique_ptr<EngineHouse> house_;
};

}  // namespace fetchd::testing
