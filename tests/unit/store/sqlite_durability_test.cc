// Full disks and sudden deaths.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <map>
#include <random>

#include "sqlite_files.h"

namespace fetchd::store {
namespace {

// Files of this process cannot grow beyond `bytes` meanwhile: write() fails as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::uintmax_t bytes) {
    previous_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &previous_);
    rlimit limit = previous_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &previous_);
    std::signal(SIGXFSZ, previous_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit previous_{};
  void (*previous_handler_)(int) = nullptr;
};

Task<absl::Status> CreateJob(jobs::Store& store, jobs::Job job) {
  co_return (co_await store.Create(std::move(job))).status();
}

TEST(FullDiskTest, FailsTheWholeTransactionAndTheWriterGoesOn) {
  auto owned = std::make_unique<SqliteFiles>();
  const SqliteFiles& files = *owned;
  jobs::StoreHarness harness(std::move(owned));
  ASSERT_EQ(harness.Open(), absl::OkStatus());
  harness.Create(harness.NewJob());
  const auto before = *harness.Await(harness.store().Stats());
  std::vector<Task<absl::Status>> creations;
  for (int i = 0; i < 200; ++i) creations.push_back(CreateJob(harness.store(), harness.NewJob()));

  std::vector<absl::Status> ends;
  {
    const FileSizeLimit limit(std::filesystem::file_size(files.database().native() + "-wal"));
    ends = harness.AwaitAll(std::move(creations));
  }

  for (const absl::Status& end : ends) EXPECT_TRUE(absl::IsResourceExhausted(end)) << end;
  const auto after = *harness.Await(harness.store().Stats());
  EXPECT_EQ(after.jobs, before.jobs);
  EXPECT_EQ(after.commits, before.commits);
  harness.Create(harness.NewJob());
  EXPECT_EQ(harness.Await(harness.store().List({}, 100, ""))->jobs.size(), 2u);
  EXPECT_EQ(harness.Await(harness.store().EventsAfter(0, {}, 100))->size(), 2u);
}

// What a process says on the pipe as soon as the store has said that it is done.
struct Acknowledgement {
  char kind;  // 'C' created, 'S' succeeded.
  char id[26];
};
static_assert(sizeof(Acknowledgement) == 27);

absl::Status Acknowledge(int pipe_fd, char kind, const JobId& id) {
  Acknowledgement acknowledgement{kind, {}};
  id.str().copy(acknowledgement.id, sizeof acknowledgement.id);
  const ssize_t written = write(pipe_fd, &acknowledgement, sizeof acknowledgement);
  return written == sizeof acknowledgement ? absl::OkStatus() : absl::CancelledError();
}

// Creates, claims and finishes jobs until it is killed.
Task<absl::Status> WorkForever(jobs::StoreHarness& harness, int pipe_fd) {
  while (true) {
    jobs::Job job = harness.NewJob();
    const JobId id = job.id;
    auto created = co_await harness.store().Create(std::move(job));
    CO_RETURN_IF_ERROR(created.status());
    CO_RETURN_IF_ERROR(Acknowledge(pipe_fd, 'C', id));
    auto claims = co_await harness.store().ClaimReady(1, {});
    CO_RETURN_IF_ERROR(claims.status());
    for (const jobs::Claim& claim : *claims) {
      auto ended = co_await harness.store().Update(claim.job.id, claim.fence, jobs::Succeeded());
      CO_RETURN_IF_ERROR(ended.status());
      CO_RETURN_IF_ERROR(Acknowledge(pipe_fd, 'S', claim.job.id));
    }
  }
}

[[noreturn]] void RunDoomedProcess(const SqliteFiles& files, int pipe_fd, int round) {
  class Borrowed final : public jobs::StoreBackend {
   public:
    explicit Borrowed(const std::filesystem::path& directory) : directory_(directory) {}
    absl::StatusOr<std::unique_ptr<jobs::Store>> Open(Clock& clock,
                                                      runtime::BlockingPool& pool) override {
      return SqliteStore::Open({directory_ / "jobs.db", directory_ / "key"}, clock, pool);
    }

   private:
    std::filesystem::path directory_;
  };
  jobs::StoreHarness harness(std::make_unique<Borrowed>(files.directory()));
  harness.clock.Advance(std::chrono::hours(round));  // Or all rounds would make the same ids.
  if (!harness.Open().ok()) _exit(2);
  std::vector<Task<absl::Status>> workers;
  for (int i = 0; i < 16; ++i) workers.push_back(WorkForever(harness, pipe_fd));
  harness.AwaitAll(std::move(workers));
  _exit(3);
}

// Kills the process once it has acknowledged `count` times, and returns all that it had
// acknowledged by then.
std::vector<Acknowledgement> KillAfter(const SqliteFiles& files, int round, std::size_t count) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    RunDoomedProcess(files, ends[1], round);
  }
  close(ends[1]);
  std::vector<Acknowledgement> acknowledged;
  Acknowledgement next{};
  while (read(ends[0], &next, sizeof next) == sizeof next) {
    acknowledged.push_back(next);
    if (acknowledged.size() == count) kill(child, SIGKILL);
  }
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status)) << "ended by itself with " << WEXITSTATUS(status);
  return acknowledged;
}

TEST(SuddenDeathTest, WhatWasAcknowledgedIsThereAfterEveryKill) {
  auto owned = std::make_unique<SqliteFiles>();
  const SqliteFiles& files = *owned;
  std::mt19937 random(20260101);
  std::map<std::string, bool> succeeded;  // By id, of all that were acknowledged.
  for (int round = 1; round <= 6; ++round) {
    const std::size_t count = 1 + random() % 300;
    for (const Acknowledgement& said : KillAfter(files, round, count)) {
      bool& ended = succeeded[std::string(said.id, sizeof said.id)];
      ended = ended || said.kind == 'S';
    }
  }

  jobs::StoreHarness harness(std::move(owned));
  ASSERT_EQ(harness.Open(), absl::OkStatus());
  ASSERT_TRUE(harness.Await(harness.store().Recover()).ok());

  ASSERT_FALSE(succeeded.empty());
  for (const auto& [id, ended] : succeeded) {
    const auto job = harness.Await(harness.store().Get(*JobId::Parse(id)));
    ASSERT_TRUE(job.ok()) << job.status();
    if (ended) EXPECT_EQ(job->state, jobs::State::kSucceeded) << id;
    EXPECT_NE(job->state, jobs::State::kRunning) << id;
  }
}

}  // namespace
}  // namespace fetchd::store
