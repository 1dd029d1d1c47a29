#include <atomic>
#include <filesystem>
#include <semaphore>
#include <set>
#include <thread>

#include "sink/part_name.h"
#include "unit/fetch/engine_fixture.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;

/// Holds all threads of the blocking pool until Release().
class HeldPool {
 public:
  HeldPool(runtime::Runtime& runtime, std::size_t threads)
      : threads_(static_cast<std::ptrdiff_t>(threads)), group_(runtime.shard(1).executor()) {
    for (std::size_t i = 0; i < threads; ++i) group_.Spawn("hold", Hold(runtime.blocking()));
    for (std::size_t i = 0; i < threads; ++i) held_.acquire();
  }
  ~HeldPool() {
    Release();
    runtime::RunBlocking(group_.executor(), group_.Join());
  }
  HeldPool(const HeldPool&) = delete;
  HeldPool& operator=(const HeldPool&) = delete;
  void Release() { released_.release(std::exchange(threads_, 0)); }

 private:
  Task<absl::Status> Hold(runtime::BlockingPool& pool) {
    co_await pool.Run([this] {
      held_.release();
      released_.acquire();
    });
    co_return absl::OkStatus();
  }

  std::ptrdiff_t threads_;
  std::counting_semaphore<> held_{0};
  std::counting_semaphore<> released_{0};
  runtime::TaskGroup group_;
};

TEST_F(EngineTest, RunsEveryJobUnderTheCap) {
  Start([](const http::Request&) { return Whole(Pattern(20'000)); });

  for (int i = 0; i < 100; ++i) Submit(i);
  WaitFor(jobs::State::kSucceeded, 100);
  engine_->Drain(clock_.Now() + 30s);

  EXPECT_EQ(FilesUnder("out"), 100u);
  EXPECT_LE(engine_->Stats().transfers_peak, 8u);
  EXPECT_EQ(engine_->Stats().succeeded, 100u);
  EXPECT_EQ(engine_->Stats().received_bytes, 2'000'000u);
}

TEST_F(EngineTest, FailedAttemptsAreRetriedWhenTheyAreDue) {
  auto seen = std::make_shared<std::set<std::string>>();
  auto mutex = std::make_shared<std::mutex>();
  Start([seen, mutex](const http::Request& request) {
    const std::lock_guard lock(*mutex);
    return seen->insert(request.url.ToString()).second ? Status(503) : Whole("body");
  });

  for (int i = 0; i < 10; ++i) Submit(i);
  WaitFor(jobs::State::kSucceeded, 10);

  EXPECT_EQ(engine_->Stats().retries, 10u);
}

TEST_F(EngineTest, CancelStopsARunningJobAndRemovesItsFile) {
  Start([](const http::Request&) { return Stalls(Pattern(500'000), 262'144); });
  const JobId id = Submit(1);
  while (engine_->ProgressOf(id).value_or(Progress{}).received_bytes < 262'144) {
    std::this_thread::yield();
  }

  const auto cancelled = Await(engine_->Cancel(id));

  ASSERT_TRUE(cancelled.ok());
  EXPECT_EQ(cancelled->state, jobs::State::kCancelled);
  while (engine_->ProgressOf(id)) std::this_thread::yield();
  EXPECT_EQ(FilesUnder("out"), 0u);
  EXPECT_EQ(engine_->Stats().transfers_in_use, 0u);
}

class SharedEngineTest : public EngineTest {
 protected:
  SharedEngineTest() { store_.shared = true; }
  /// Runs, and waits for more of its body.
  JobId SubmitStalled() {
    Start([](const http::Request&) { return Stalls(Pattern(500'000), 262'144); });
    const JobId id = Submit(1);
    while (ReceivedOf(id) < 262'144) std::this_thread::yield();
    return id;
  }
  void AwaitEndOf(const JobId& id) {
    while (engine_->ProgressOf(id)) std::this_thread::yield();
  }
};

TEST_F(SharedEngineTest, AJobThatIsTakenAwayStopsAndWhatItKeptStays) {
  const JobId id = SubmitStalled();

  store_.TakeAway(id);

  AwaitEndOf(id);
  EXPECT_EQ(FilesUnder("out"), 1u);
  EXPECT_EQ(StateOf(id), jobs::State::kInterrupted);
  EXPECT_EQ(engine_->Stats().transfers_in_use, 0u);
}

TEST_F(SharedEngineTest, AJobThatIsCancelledElsewhereStopsAndItsFileIsRemoved) {
  const JobId id = SubmitStalled();

  ASSERT_TRUE(Await(store_.Update(id, jobs::CancelRequested{})).ok());

  AwaitEndOf(id);
  EXPECT_EQ(FilesUnder("out"), 0u);
  EXPECT_EQ(Await(store_.Attempts(id))->size(), 1u) << "what the attempt did is recorded";
}

TEST_F(SharedEngineTest, ABodyIsNotPublishedWhenItsJobWasTakenAwayUnheard) {
  std::optional<JobId> taken;
  Start([&](const http::Request&) {
    store_.TakeAway(*taken);
    return Whole("body");
  });
  const jobs::Job job = NewJob(1);
  taken = job.id;

  Submit(job);
  WaitFor(jobs::State::kInterrupted, 1);
  AwaitEndOf(job.id);

  EXPECT_FALSE(std::filesystem::exists(root_ / "out" / "1"));
}

TEST_F(SharedEngineTest, AJobThatRunsElsewhereIsPausedInItsPlace) {
  Start([](const http::Request&) { return Whole("body"); });
  jobs::Job elsewhere = NewJob(1);
  elsewhere.state = jobs::State::kRunning;
  elsewhere.fence = elsewhere.attempt = 1;
  elsewhere.checkpoint.bytes = 7;
  const JobId id = Submit(elsewhere);

  const auto paused = Await(engine_->Pause(id));

  ASSERT_TRUE(paused.ok()) << paused.status();
  EXPECT_EQ(paused->state, jobs::State::kPaused);
  EXPECT_EQ(paused->attempt, 0) << "none is consumed";
  EXPECT_EQ(paused->checkpoint.bytes, 7u);
}

TEST_F(SharedEngineTest, OthersAreToldHowFarJobsAreAndThisOneAsksThem) {
  const JobId id = SubmitStalled();
  jobs::RunningProgress elsewhere;
  elsewhere.job = NewJob(2).id;
  elsewhere.received_bytes = 50;
  elsewhere.total_bytes = 100;
  elsewhere.bytes_per_sec = 10;
  store_.Hear(elsewhere);

  while (!engine_->ProgressOf(elsewhere.job)) std::this_thread::yield();

  const Progress told = *engine_->ProgressOf(elsewhere.job);
  EXPECT_EQ(told.received_bytes, 50u);
  EXPECT_EQ(told.total_bytes, 100u);
  EXPECT_EQ(told.eta, Duration(5s));
  const auto here = [&] { return Await(store_.ToldProgress())->front(); };
  while (here().job != id || here().received_bytes != 262'144) std::this_thread::yield();
}

TEST_F(EngineTest, CancellingABatchStopsWhatRunsAndRemovesItsFileAndARetryBeginsAnew) {
  Start([](const http::Request&) { return Stalls(Pattern(500'000), 262'144); });
  jobs::Batch batch;
  batch.id = *BatchId::Parse("01h2xcejqtf2nbrexx3vqjhp41");
  ASSERT_TRUE(Await(store_.CreateBatch(batch)).ok());
  jobs::Job entry = NewJob(1);
  entry.batch = batch.id;
  entry.batch_entry = 1;
  const JobId id = Submit(entry);
  while (ReceivedOf(id) < 262'144) std::this_thread::yield();

  ASSERT_TRUE(Await(store_.ChangeBatch(batch.id, jobs::BatchRequest::kCancel)).ok());
  engine_->WakeBatches();
  WaitFor(jobs::State::kCancelled, 1);
  while (engine_->ProgressOf(id)) std::this_thread::yield();
  while (FilesUnder("out") > 0) std::this_thread::yield();

  ASSERT_TRUE(Await(store_.ChangeBatch(batch.id, jobs::BatchRequest::kRetryAll)).ok());
  engine_->WakeBatches();
  while (ReceivedOf(id) < 262'144) std::this_thread::yield();
  EXPECT_EQ(StateOf(id), jobs::State::kRunning);
}

TEST_F(EngineTest, PauseStopsARunningJobAndItGoesOnWhereItWas) {
  const std::string body = Pattern(500'000);
  Start([&body](const http::Request& request) {
    const bool resumes = std::ranges::any_of(
        request.headers, [](const http::Header& header) { return header.name == "Range"; });
    return resumes ? Rest(body, 262'144) : Stalls(body, 262'144);
  });
  const JobId id = Submit(1);
  while (ReceivedOf(id) < 262'144) std::this_thread::yield();

  const auto paused = Await(engine_->Pause(id));
  ASSERT_TRUE(paused.ok()) << paused.status();
  EXPECT_EQ(paused->state, jobs::State::kPaused);
  EXPECT_EQ(paused->attempt, 0);
  EXPECT_EQ(paused->checkpoint.bytes, 262'144U);
  EXPECT_EQ(FilesUnder("out"), 1U);
  EXPECT_EQ(engine_->WaitOf(*paused)->reason, JobWait::Reason::kPaused);

  ASSERT_TRUE(Await(store_.Update(id, jobs::Change(jobs::ResumeRequested()))).ok());
  engine_->Wake();
  while (StateOf(id) != jobs::State::kSucceeded) std::this_thread::yield();
  EXPECT_EQ(store_.Peek(id).attempt, 1);
}

TEST_F(EngineTest, PauseOfAJobThatWaitsIsImmediateAndOfOneThatEndedRefused) {
  Start([](const http::Request&) { return Whole("x"); });
  jobs::Job later = NewJob(1);
  later.ready_at += 1h;
  const JobId waiting = Submit(later);
  const JobId ended = Submit(2);
  while (StateOf(ended) != jobs::State::kSucceeded) std::this_thread::yield();

  EXPECT_EQ(Await(engine_->Pause(waiting))->state, jobs::State::kPaused);
  EXPECT_EQ(Await(engine_->Pause(waiting))->state, jobs::State::kPaused);
  EXPECT_TRUE(absl::IsFailedPrecondition(Await(engine_->Pause(ended)).status()));
}

TEST_F(EngineTest, AnOriginOnHoldKeepsItsJobsQueuedAndOthersGoOn) {
  Start([](const http::Request&) { return Whole("x"); });
  const Origin held{"https", "host1.example.org", 443};
  engine_->pacer().SetLimits(held, {.max_transfers = 0});

  const JobId first = Submit(1);
  const JobId second = Submit(2);
  while (StateOf(second) != jobs::State::kSucceeded) std::this_thread::yield();
  EXPECT_EQ(StateOf(first), jobs::State::kQueued);
  EXPECT_EQ(engine_->WaitOf(store_.Peek(first))->reason, JobWait::Reason::kOriginOnHold);

  engine_->pacer().SetLimits(held, {});
  engine_->Wake();
  while (StateOf(first) != jobs::State::kSucceeded) std::this_thread::yield();
}

TEST_F(EngineTest, ATenantHasNoMoreJobsAtWorkThanItMayAndOthersGoOn) {
  config_.tenants["held"].max_transfers = 0;
  Start([](const http::Request&) { return Whole("x"); });
  jobs::Job held = NewJob(1);
  held.tenant = "held";
  const JobId first = Submit(held);
  const JobId second = Submit(2);

  while (StateOf(second) != jobs::State::kSucceeded) std::this_thread::yield();
  EXPECT_EQ(StateOf(first), jobs::State::kQueued);
  EXPECT_EQ(engine_->WaitOf(store_.Peek(first))->reason, JobWait::Reason::kTenantLimit);
  EXPECT_EQ(engine_->WaitOf(store_.Peek(first))->remedy,
            "Raise tenants.held.max_transfers, or wait for one to end.");
}

TEST_F(EngineTest, APauseThatAnOriginAskedForEndsByItself) {
  std::atomic<int> asked{0};
  Start([&asked](const http::Request&) {
    return asked++ == 0 ? Status(429, {{"Retry-After", "1"}}) : Whole("x");
  });

  const JobId first = Submit(7);
  while (StateOf(first) != jobs::State::kWaiting) std::this_thread::yield();
  const JobId second = Submit(14);  // Of the same origin.
  while (StateOf(second) != jobs::State::kSucceeded) std::this_thread::yield();
  while (StateOf(first) != jobs::State::kSucceeded) std::this_thread::yield();

  EXPECT_EQ(asked, 3);
  EXPECT_EQ(store_.Peek(first).attempt, 1);
}

TEST_F(EngineTest, LateCancelSparesTheRunThatWaitsForTheCancelledOne) {
  std::atomic<int> requests{0};
  Start([&](const http::Request&) {
    return ++requests == 1 ? Stalls(Pattern(500'000), 262'144) : Whole("body");
  });
  const JobId id = Submit(1);
  while (ReceivedOf(id) < 262'144) std::this_thread::yield();
  store_.AfterNextCallersChange(
      [&] { return RetryUntil(id, [&] { return store_.Peek(id).fence == 2; }); });

  ASSERT_TRUE(Await(engine_->Cancel(id)).ok());

  WaitFor(jobs::State::kSucceeded, 1);
  EXPECT_EQ(StateOf(id), jobs::State::kSucceeded);
}

TEST_F(EngineTest, LateCancelSparesTheRunOfALaterRetryAndItsFile) {
  Start([](const http::Request&) { return Stalls(Pattern(500'000), 262'144); });
  jobs::Job later = NewJob(1);
  later.ready_at += 1h;
  const JobId id = Submit(later);
  store_.AfterNextCallersChange(
      [&] { return RetryUntil(id, [&] { return ReceivedOf(id) == 262'144; }); });

  ASSERT_TRUE(Await(engine_->Cancel(id)).ok());

  EXPECT_EQ(FilesUnder("out"), 1u);
  engine_->Drain(clock_.Now());
  EXPECT_EQ(StateOf(id), jobs::State::kInterrupted);
  EXPECT_EQ(store_.Peek(id).checkpoint.bytes, 262'144u);
}

TEST_F(EngineTest, RetriedJobBeginsWhenTheFileOfTheCancelledOneIsRemoved) {
  Start([](const http::Request&) { return Whole("body"); });
  jobs::Job later = NewJob(1);
  later.ready_at += 1h;
  const JobId id = Submit(later);
  HeldPool held(runtime_, kBlockingThreads);
  {
    std::jthread caller([&] { EXPECT_TRUE(Await(engine_->Cancel(id)).ok()); });
    WaitFor(jobs::State::kCancelled, 1);
    PassShardZero();
    ASSERT_TRUE(Await(store_.Update(id, jobs::RetryRequested{})).ok());
    engine_->Wake();
    WaitFor(jobs::State::kRunning, 1);
    PassShardZero();
    EXPECT_FALSE(engine_->ProgressOf(id));

    held.Release();
  }

  WaitFor(jobs::State::kSucceeded, 1);
  EXPECT_EQ(FilesUnder("out"), 1u);
}

TEST_F(EngineTest, JobExpiresWhileAllTransfersAreBusy) {
  Start([](const http::Request&) { return Stalls(Pattern(500'000), 262'144); });
  for (int i = 0; i < 8; ++i) Submit(i);
  WaitFor(jobs::State::kRunning, 8);
  jobs::Job job = NewJob(8);
  job.deadline_at = job.created_at + 1ms;

  const JobId id = Submit(job);
  WaitFor(jobs::State::kFailed, 1);

  EXPECT_EQ(StateOf(id), jobs::State::kFailed);
  EXPECT_EQ(GetReason(store_.Peek(id).error)->reason, "JOB_DEADLINE");
  EXPECT_EQ(engine_->Stats().transfers_in_use, 8u);
}

TEST_F(EngineTest, ExpiredJobLeavesNoTemporaryFile) {
  const JobId orphan = JobId::Generate(clock_.WallNow(), random_);
  std::ofstream(root_ / Concat(".x.", orphan.str(), ".fetchd-part")) << "left";
  Start([](const http::Request&) { return Whole("x"); });
  while (FilesUnder("") > 0) std::this_thread::yield();  // The sweep is not what removes it below.
  jobs::Job job = NewJob(1);
  job.state = jobs::State::kInterrupted;
  job.started_at = job.created_at;
  job.fence = 1;
  job.ready_at += 1h;
  std::filesystem::create_directory(root_ / "out");
  std::ofstream(root_ / "out" / sink::PartFileName("1", job.id)) << "kept";
  job.deadline_at = job.created_at + 1ms;

  Submit(job);
  WaitFor(jobs::State::kFailed, 1);

  while (FilesUnder("out") > 0) std::this_thread::yield();
}

TEST_F(EngineTest, DrainCheckpointsWhatIsInFlightAndLeavesTheRestQueued) {
  Start([](const http::Request&) { return Stalls(Pattern(500'000), 262'144); });
  std::vector<JobId> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(Submit(i));
  const auto all_stalled = [&] {
    const auto progress = engine_->AllProgress();
    return progress.size() == 8 && std::ranges::all_of(progress, [](const auto& job) {
             return job.second.received_bytes == 262'144;
           });
  };
  while (!all_stalled()) std::this_thread::yield();

  engine_->Drain(clock_.Now());

  EXPECT_EQ(Count(jobs::State::kInterrupted), 8u);
  EXPECT_EQ(Count(jobs::State::kQueued), 12u);
  EXPECT_EQ(engine_->Stats().interrupted, 8u);
  for (const JobId& id : ids) {
    const jobs::Job job = *Await(store_.Get(id));
    if (job.state == jobs::State::kInterrupted) EXPECT_EQ(job.checkpoint.bytes, 262'144u);
  }
}

TEST_F(EngineTest, DrainLetsShortTransfersEnd) {
  Start([](const http::Request&) { return Whole(Pattern(100'000)); });
  for (int i = 0; i < 8; ++i) Submit(i);
  while (Count(jobs::State::kQueued) > 0) std::this_thread::yield();

  engine_->Drain(clock_.Now() + 30s);

  EXPECT_EQ(Count(jobs::State::kSucceeded), 8u);
}

TEST_F(EngineTest, StartRemovesOrphanedTemporariesOnly) {
  const JobId orphan = JobId::Generate(clock_.WallNow(), random_);
  std::filesystem::create_directory(root_ / "out");
  std::ofstream(root_ / "out" / Concat(".x.", orphan.str(), ".fetchd-part")) << "left";
  std::ofstream(root_ / "out" / "kept") << "kept";

  Start([](const http::Request&) { return Whole("x"); });
  while (FilesUnder("out") > 1) std::this_thread::yield();

  EXPECT_TRUE(std::filesystem::exists(root_ / "out" / "kept"));
}

class NullReceiver final : public StreamReceiver {
 public:
  Task<absl::Status> OnHead(StreamHead) override { co_return absl::OkStatus(); }
  Task<absl::Status> OnBytes(std::uint64_t, sink::Buffer bytes) override {
    received += bytes.size();
    co_return absl::OkStatus();
  }
  std::atomic<std::uint64_t> received{0};
};

TEST_F(EngineTest, StreamRunsFromAnyShardAndDrainEndsItWithItsOffset) {
  Start([](const http::Request& request) {
    if (request.url.path() == "/short") return Whole("12345");
    return Stalls(Pattern(2'000'000), 1 << 20);
  });
  jobs::FetchSpec spec;
  spec.urls = {"https://a.example.org/short"};
  NullReceiver first;
  const auto end = Await(engine_->Stream(spec, 0, Deadline::Never(), first, jobs::kDefaultTenant));
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(end->size_bytes, 5u);

  spec.urls = {"https://a.example.org/long"};
  NullReceiver second;
  absl::Status status;
  {
    std::jthread caller([&] {
      status =
          Await(engine_->Stream(spec, 0, Deadline::Never(), second, jobs::kDefaultTenant)).status();
    });
    while (second.received == 0) std::this_thread::yield();
    engine_->Drain(clock_.Now());
  }

  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(GetReason(status)->metadata[0].second, Concat(1 << 20));
  EXPECT_TRUE(absl::IsUnavailable(
      Await(engine_->Stream(spec, 0, Deadline::Never(), second, jobs::kDefaultTenant)).status()));
}

/// Takes nothing until it is released.
class HeldReceiver final : public StreamReceiver {
 public:
  Task<absl::Status> OnHead(StreamHead) override {
    begun = true;
    while (!released) co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    co_return absl::OkStatus();
  }
  Task<absl::Status> OnBytes(std::uint64_t, sink::Buffer) override { co_return absl::OkStatus(); }
  std::atomic<bool> begun{false}, released{false};
};

TEST_F(EngineTest, AStreamThatEndsLetsTheNextJobOfItsOriginBegin) {
  Start([](const http::Request&) { return Whole("x"); });
  engine_->pacer().SetLimits({"https", "host1.example.org", 443}, {.max_transfers = 1});
  jobs::FetchSpec spec;
  spec.urls = {"https://host1.example.org/x"};
  HeldReceiver receiver;
  std::jthread caller([&] {
    EXPECT_TRUE(
        Await(engine_->Stream(spec, 0, Deadline::Never(), receiver, jobs::kDefaultTenant)).ok());
  });
  while (!receiver.begun) std::this_thread::yield();
  const JobId held = Submit(1);
  const JobId other = Submit(2);
  while (StateOf(other) != jobs::State::kSucceeded) std::this_thread::yield();
  EXPECT_EQ(StateOf(held), jobs::State::kQueued);

  receiver.released = true;

  while (StateOf(held) != jobs::State::kSucceeded) std::this_thread::yield();
}

TEST_F(EngineTest, StreamsThatWaitForAnOriginTakeNoRoomFromJobs) {
  Start([](const http::Request&) { return Whole("x"); });
  engine_->pacer().Note({"https", "slow.example.org", 443},
                        {.kind = OriginOutcome::Kind::kPushback, .cool_down = 1min});
  jobs::FetchSpec spec;
  spec.urls = {"https://slow.example.org/x"};
  std::vector<std::unique_ptr<NullReceiver>> receivers;
  std::vector<std::jthread> callers;
  for (std::size_t i = 0; i < config_.max_transfers; ++i) {
    StreamReceiver& receiver = *receivers.emplace_back(std::make_unique<NullReceiver>());
    callers.emplace_back([&] {
      EXPECT_FALSE(
          Await(engine_->Stream(spec, 0, Deadline::Never(), receiver, jobs::kDefaultTenant)).ok());
    });
  }

  for (int i = 0; i < 20; ++i) Submit(i);
  while (Count(jobs::State::kSucceeded) < 20) std::this_thread::yield();

  engine_->Drain(clock_.Now());
}

TEST_F(EngineTest, CancelOfAJobThatIsBeingPausedRemovesItsFile) {
  Start([](const http::Request&) { return Stalls(Pattern(500'000), 262'144); });
  const JobId id = Submit(1);
  while (ReceivedOf(id) < 262'144) std::this_thread::yield();
  std::jthread pausing([&] { Await(engine_->Pause(id)).status().IgnoreError(); });

  EXPECT_TRUE(Await(engine_->Cancel(id)).ok());
  pausing.join();

  while (engine_->ProgressOf(id)) std::this_thread::yield();
  while (FilesUnder("out") > 0) std::this_thread::yield();
  EXPECT_EQ(StateOf(id), jobs::State::kCancelled);
}

}  // namespace
}  // namespace fetchd::fetch
