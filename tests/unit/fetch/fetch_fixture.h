// Transfers against a scripted origin, a real directory and a clock that the test moves.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/strings.h"
#include "fetch/job_run.h"
#include "fetch/stream_run.h"
#include "runtime/blocking_pool.h"
#include "runtime/task_group.h"
#include "support/fake_http_client.h"
#include "support/log_lines.h"
#include "support/manual_clock.h"
#include "support/memory_store.h"

namespace fetchd::fetch {

using testing::BodyStep;
using testing::FakeAnswer;

inline std::string Pattern(std::size_t size, int seed = 1) {
  std::string text(size, '\0');
  std::mt19937 random(static_cast<unsigned>(seed));
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  return text;
}

inline FakeAnswer Whole(const std::string& body, const std::string& etag = "\"v1\"") {
  FakeAnswer answer;
  answer.content_length = body.size();
  if (!etag.empty()) answer.headers.emplace_back("ETag", etag);
  answer.body = {BodyStep::Bytes(body)};
  return answer;
}

/// 206 for the rest of `body` from `first`.
inline FakeAnswer Rest(const std::string& body, std::size_t first,
                       const std::string& etag = "\"v1\"") {
  FakeAnswer answer = Whole(body.substr(first), etag);
  answer.status = 206;
  answer.headers.emplace_back("Content-Range",
                              Concat("bytes ", first, "-", body.size() - 1, "/", body.size()));
  return answer;
}

/// Announces all of `body`, sends `sent` bytes and fails.
inline FakeAnswer Cut(const std::string& body, std::size_t sent,
                      const std::string& etag = "\"v1\"") {
  FakeAnswer answer = Whole(body, etag);
  answer.body = {BodyStep::Bytes(body.substr(0, sent)),
                 BodyStep::Error(absl::DataLossError("short body"))};
  return answer;
}

inline FakeAnswer Stalls(const std::string& body, std::size_t sent) {
  FakeAnswer answer = Whole(body);
  answer.body = {BodyStep::Bytes(body.substr(0, sent)), BodyStep::Hang()};
  return answer;
}

inline FakeAnswer Status(int status,
                         std::vector<std::pair<std::string, std::string>> headers = {}) {
  FakeAnswer answer;
  answer.status = status;
  answer.headers = std::move(headers);
  answer.content_length = 0;
  return answer;
}

class FetchTest : public ::testing::Test {
 protected:
  FetchTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fetchd-fetch-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
    destinations_ = *sink::Destinations::Open(root_, clock_, pool_, loop_.get_executor());
    auto subject = std::make_shared<egress::Subject>(*egress::Policy::Create({}));
    subject->tenant = jobs::kDefaultTenant;
    subject_ = std::move(subject);
    config_.retry.base_delay = std::chrono::milliseconds(1);
  }
  ~FetchTest() override { std::filesystem::remove_all(root_); }

  template <typename T>
  static Task<absl::Status> Keep(Task<T> task, std::optional<T>* out) {
    out->emplace(co_await std::move(task));
    co_return absl::OkStatus();
  }

  /// Runs `task` to its end; time jumps to the next timer whenever nothing else happens.
  template <typename T>
  T Await(Task<T> task) {
    std::optional<T> result;
    runtime::TaskGroup group(loop_.get_executor());
    group.Spawn("test", Keep(std::move(task), &result));
    RunLoop(group);
    return *std::move(result);
  }
  virtual void Step() {
    loop_.restart();
    if (loop_.poll_one() > 0) return;
    if (const auto next = clock_.NextWakeAt()) clock_.Advance(*next - clock_.Now());
  }
  void RunLoop(runtime::TaskGroup& group) {
    while (group.size() > 0) Step();
    loop_.restart();
    loop_.poll();
  }

  /// The n-th request gets the n-th answer, later ones the last.
  void Script(std::vector<FakeAnswer> answers) {
    auto visits = std::make_shared<std::size_t>(0);
    client_ = std::make_unique<testing::FakeHttpClient>(
        [answers = std::move(answers), visits](const http::Request&) {
          return answers[std::min((*visits)++, answers.size() - 1)];
        },
        &clock_);
  }

  /// Gives `held` back when it ends.
  template <typename T>
  static Task<absl::Status> KeepFor(Clock& clock, Duration time, [[maybe_unused]] T held) {
    co_await clock.SleepFor(time);
    co_return absl::OkStatus();
  }

  virtual http::Client& Client() { return *client_; }
  TransferDeps Deps() {
    return {clock_,     Client(),
            subject_,   buffers_,
            config_,    pacer_,
            bandwidth_, [this](const Origin& origin) {
              retried_.push_back(origin.host); }};
  }

  jobs::Job NewJob() {
    jobs::Job job;
    job.id = JobId::Generate(clock_.WallNow(), random_);
    job.spec.urls = {"https://example.org/file"};
    job.destination = "file:out/file";
    job.created_at = job.ready_at = clock_.WallNow();
    job.deadline_at = clock_.WallNow() + std::chrono::hours(24);
    return job;
  }

  JobRunDeps RunDeps() {
    return {Deps(),    0,         loop_.get_executor(), store_, health_, log_, *destinations_,
            counters_, draining_, [] { return 0.5; }};
  }

  StreamRunDeps StreamDeps() {
    return {Deps(), loop_.get_executor(), transfers_, counters_, log_, [] { return 0.5; }};
  }

  /// Claims the job and runs one attempt of it.
  jobs::Job RunOnce(const JobId& id) {
    auto claims = *Await(store_.ClaimReady(1, {}));
    EXPECT_EQ(claims.size(), 1u);
    Permit permit = transfers_.TryAcquire(1);
    const jobs::Job& job = claims.at(0).job;
    OriginPacer::Turn turn = pacer_.Begin(*Origin::Parse(jobs::OriginOfNext(job)), job.attempt > 1);
    JobRun run(RunDeps(), std::move(claims.at(0)), std::move(permit), std::move(turn), {});
    Await(run.Run()).IgnoreError();  // What counts is what the store says.
    return *Await(store_.Get(id));
  }

  /// Claims and runs until the job has ended.
  jobs::Job RunToEnd(jobs::Job job) {
    const JobId id = job.id;
    EXPECT_TRUE(Await(store_.Create(std::move(job))).ok());
    while (true) {
      jobs::Job now = RunOnce(id);
      if (jobs::IsTerminal(now.state)) return now;
      if (now.ready_at > clock_.WallNow()) clock_.Advance(now.ready_at - clock_.WallNow());
    }
  }

  std::optional<std::string> Content(const std::string& path) const {
    std::ifstream file(root_ / path, std::ios::binary);
    if (!file) return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  std::size_t Files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root_)) {
      if (!entry.is_directory()) ++count;
    }
    return count;
  }
  std::vector<jobs::AttemptRecord> Attempts(const JobId& id) { return *Await(store_.Attempts(id)); }

  asio::io_context loop_{1};
  testing::ManualClock clock_;
  runtime::BlockingPool pool_{loop_.get_executor()};  ///< No other thread: time waits for all.
  std::mt19937_64 random_{7};
  sink::BufferPool buffers_{std::size_t{64} << 20};
  Semaphore transfers_{4};
  EngineConfig config_;
  EngineCounters counters_;
  OriginPacer pacer_{clock_, {}};
  ByteRate bandwidth_;
  std::atomic<bool> draining_{false};
  testing::MemoryStore store_{clock_};
  testing::LogLines lines_;
  std::vector<std::string> retried_;  ///< Hosts, as they were counted.
  telemetry::Logger log_{{}, lines_.writer(), [this] { return clock_.WallNow(); }};
  StoreHealth health_{log_, clock_};
  egress::SubjectPtr subject_;
  std::filesystem::path root_;
  std::unique_ptr<sink::Destinations> destinations_;
  std::unique_ptr<testing::FakeHttpClient> client_;
};

}  // namespace fetchd::fetch
