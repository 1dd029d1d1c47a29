// What a run tells the store, in which order, and what it does when the store does not take it.
#include "fetch/job_run.h"
#include "sink/part_name.h"
#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using jobs::State;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class JobRecordTest : public FetchTest {
 protected:
  std::vector<std::string> LinesAbout(std::string_view text) const {
    std::vector<std::string> lines = lines_.all();
    std::erase_if(lines, [text](const std::string& line) { return !line.contains(text); });
    return lines;
  }
};

TEST_F(JobRecordTest, EachAttemptAndTheEndIsALine) {
  Script({Status(503, {{"Retry-After", "7"}}), Whole("body")});
  jobs::Job job = NewJob();
  job.spec.urls = {"https://example.org/file?signature=s3cret"};

  const jobs::Job ended = RunToEnd(job);

  ASSERT_THAT(lines_.all(), SizeIs(3));
  EXPECT_THAT(lines_.all()[0],
              AllOf(HasSubstr("attempt=1"), HasSubstr("outcome=PUT_OFF"), HasSubstr(job.id.name()),
                    HasSubstr("http_status=503"), HasSubstr("failed_phase=\"first byte\""),
                    HasSubstr("decision=\"put off for 7.0 s")));
  EXPECT_THAT(lines_.all()[1],
              AllOf(HasSubstr("attempt=1"), HasSubstr("outcome=SUCCEEDED"),
                    HasSubstr("url=https://example.org/file "), HasSubstr("received_bytes=4")));
  EXPECT_THAT(lines_.all()[2],
              AllOf(HasSubstr("job ended"), HasSubstr("state=SUCCEEDED"), HasSubstr("attempts=1"),
                    HasSubstr("took_ms=7000"), HasSubstr(ended.result->digests[0].ToSri())));
  EXPECT_THAT(LinesAbout("s3cret"), IsEmpty());
}

TEST_F(JobRecordTest, EachLineOfAJobSaysWhichTraceItBelongsTo) {
  Script({Status(500), Whole("body")});
  jobs::Job job = NewJob();
  job.spec.trace = {.trace_id = std::string(32, 'a'), .request_id = "call-7"};

  const jobs::Job ended = RunToEnd(job);

  ASSERT_THAT(lines_.all(), SizeIs(3));
  for (const std::string& line : lines_.all()) {
    EXPECT_THAT(line, AllOf(HasSubstr("trace_id=" + std::string(32, 'a')),
                            HasSubstr("x_request_id=call-7")));
  }
  const std::vector<jobs::AttemptRecord> attempts = *Await(store_.Attempts(ended.id));
  ASSERT_THAT(attempts, SizeIs(2));
  EXPECT_EQ(attempts[0].span_id.size(), 16u);
  EXPECT_NE(attempts[0].span_id, attempts[1].span_id);
  EXPECT_THAT(lines_.all()[0], HasSubstr("span_id=" + attempts[0].span_id));
  EXPECT_THAT(lines_.all()[1], HasSubstr("span_id=" + attempts[1].span_id));
}

TEST_F(JobRecordTest, LineOfAJobThatFailedNamesItsReason) {
  Script({Status(404)});

  RunToEnd(NewJob());

  EXPECT_THAT(lines_.all().back(), AllOf(HasSubstr("job ended"), HasSubstr("state=FAILED"),
                                         HasSubstr("reason=HTTP_STATUS")));
}

TEST_F(JobRecordTest, EndIsRecordedWhenTheStoreWorksAgainAndTheLogSaysBothOnce) {
  for (const absl::Status& error :
       {absl::UnavailableError("locked"), absl::ResourceExhaustedError("disk full"),
        absl::PermissionDeniedError("read-only")}) {
    Script({Whole("x")});
    jobs::Job job = NewJob();
    ASSERT_TRUE(Await(store_.Create(job)).ok());
    store_.FailUpdates(30, error);

    EXPECT_EQ(RunOnce(job.id).state, State::kSucceeded) << error;
    EXPECT_EQ(transfers_.in_use(), 0u);
  }

  const std::vector<std::string> lines = LinesAbout("the job store");
  EXPECT_THAT(lines, SizeIs(6));
  EXPECT_THAT(lines[0], AllOf(HasSubstr("level=warning"), HasSubstr("the job store fails"),
                              HasSubstr("locked")));
  EXPECT_THAT(lines[1], AllOf(HasSubstr("level=info"), HasSubstr("works again"),
                              HasSubstr("failed_calls=30")));
}

TEST_F(JobRecordTest, NothingIsHeldWhileTheStoreDoesNotTakeTheEnd) {
  Script({Whole("x")});
  jobs::Job job = NewJob();
  ASSERT_TRUE(Await(store_.Create(job)).ok());
  auto claims = *Await(store_.ClaimReady(1, {}));
  store_.FailUpdates(1'000'000);
  JobRun run(RunDeps(), std::move(claims[0]), transfers_.TryAcquire(1), {}, {});
  runtime::TaskGroup group(loop_.get_executor());
  group.Spawn("run", run.Run());
  loop_.restart();
  while (lines_.all().empty()) loop_.run_one();

  EXPECT_EQ(transfers_.in_use(), 0u);
  EXPECT_EQ(buffers_.budget().in_use(), 0u);
  store_.FailUpdates(0);
  RunLoop(group);
  EXPECT_EQ(Await(store_.Get(job.id))->state, State::kSucceeded);
}

TEST_F(JobRecordTest, DamagedStoreIsNotAskedForEver) {
  Script({Whole("x")});
  for (const absl::Status& error : {absl::DataLossError("damaged"), absl::InternalError("a bug")}) {
    jobs::Job job = NewJob();
    ASSERT_TRUE(Await(store_.Create(job)).ok());
    store_.FailUpdates(1'000'000, error);

    EXPECT_EQ(RunOnce(job.id).state, State::kRunning);

    EXPECT_THAT(lines_.all().back(), AllOf(HasSubstr("level=error"), HasSubstr(job.id.str())));
    store_.FailUpdates(0);
  }
}

TEST_F(JobRecordTest, CheckpointThatIsNotRecordedHoldsNothingUp) {
  const std::string body = Pattern(1'000'000);
  Script({Whole(body)});
  config_.checkpoint_bytes = 100'000;
  jobs::Job job = NewJob();
  ASSERT_TRUE(Await(store_.Create(job)).ok());
  store_.FailUpdates(2);
  const WallTime begun = clock_.WallNow();

  EXPECT_EQ(RunOnce(job.id).state, State::kSucceeded);

  EXPECT_EQ(clock_.WallNow(), begun) << "nobody waited";
  EXPECT_EQ(Content("out/file"), body);
}

TEST_F(JobRecordTest, CheckpointThatCannotBeForgottenEndsTheAttemptBeforeANewByte) {
  const std::string old_body = Pattern(500'000, 1);
  Script({Cut(old_body, 300'000), Whole(Pattern(500'000, 2), "\"v2\"")});
  jobs::Job job = NewJob();
  ASSERT_TRUE(Await(store_.Create(job)).ok());
  EXPECT_EQ(RunOnce(job.id).checkpoint.bytes, 300'000u);
  clock_.Advance(1s);
  const WallTime begun = clock_.WallNow();
  auto claims = *Await(store_.ClaimReady(1, {}));
  store_.FailUpdates(1'000'000);
  JobRun run(RunDeps(), std::move(claims[0]), transfers_.TryAcquire(1), {}, {});
  runtime::TaskGroup group(loop_.get_executor());
  group.Spawn("run", run.Run());
  while (transfers_.in_use() > 0) Step();

  EXPECT_LE(clock_.WallNow() - begun, 11s);
  store_.FailUpdates(0);
  RunLoop(group);
  const jobs::Job waiting = *Await(store_.Get(job.id));
  EXPECT_EQ(waiting.state, State::kWaiting);
  EXPECT_TRUE(absl::IsUnavailable(waiting.error)) << waiting.error;
  EXPECT_EQ(waiting.checkpoint.bytes, 300'000u);
  EXPECT_EQ(Content("out/" + sink::PartFileName("file", job.id)), old_body.substr(0, 300'000));
}

TEST_F(JobRecordTest, StoreForgetsTheCheckpointBeforeAnotherVersionIsWritten) {
  const std::string body = Pattern(500'000, 2);
  jobs::Job job = NewJob();
  std::optional<std::uint64_t> kept;
  FakeAnswer other = Whole(body, "\"v2\"");
  const auto look = [&] { kept = store_.Peek(job.id).checkpoint.bytes; };
  other.body.insert(other.body.begin(), BodyStep::Call(look));
  Script({Cut(Pattern(500'000, 1), 300'000), other});
  ASSERT_TRUE(Await(store_.Create(job)).ok());
  EXPECT_EQ(RunOnce(job.id).checkpoint.bytes, 300'000u);
  clock_.Advance(1s);

  EXPECT_EQ(RunOnce(job.id).state, State::kSucceeded);

  EXPECT_EQ(kept, 0u) << "before the first byte of the other version";
  EXPECT_EQ(Content("out/file"), body);
}

TEST_F(JobRecordTest, AttemptThatIsStoppedLeavesItsRecordAndTheHopItWasIn) {
  FakeAnswer silent;
  silent.hangs = true;
  for (const StopReason reason : {StopReason::kInterrupt, StopReason::kCancel}) {
    Script({silent});
    jobs::Job job = NewJob();
    ASSERT_TRUE(Await(store_.Create(job)).ok());
    auto claims = *Await(store_.ClaimReady(1, {}));
    JobRun run(RunDeps(), std::move(claims[0]), transfers_.TryAcquire(1), {}, {});
    runtime::TaskGroup group(loop_.get_executor());
    group.Spawn("run", run.Run());
    loop_.restart();
    while (client_->requests().empty()) loop_.run_one();
    if (reason == StopReason::kCancel) {
      ASSERT_TRUE(Await(store_.Update(job.id, jobs::CancelRequested{})).ok());
    }
    run.Stop(reason);
    RunLoop(group);

    const auto attempts = Attempts(job.id);
    ASSERT_THAT(attempts, SizeIs(1));
    EXPECT_EQ(attempts[0].outcome, reason == StopReason::kCancel
                                       ? jobs::AttemptOutcome::kCancelled
                                       : jobs::AttemptOutcome::kInterrupted);
    EXPECT_EQ(attempts[0].failed_phase, "first byte");
    ASSERT_THAT(attempts[0].hops, SizeIs(1));
    EXPECT_EQ(attempts[0].hops[0].url, "https://example.org/file");
    ASSERT_TRUE(Await(store_.Update(job.id, jobs::CancelRequested{})).ok());
  }
}

TEST_F(JobRecordTest, CrashBetweenPublicationAndRecordEndsInSuccess) {
  for (const jobs::Overwrite overwrite : {jobs::Overwrite::kAlways, jobs::Overwrite::kNever}) {
    Script({Whole("body")});
    jobs::Job job = NewJob();
    job.destination = Concat("file:crash/", job.id.str());
    job.overwrite = overwrite;
    ASSERT_TRUE(Await(store_.Create(job)).ok());
    draining_ = true;
    store_.FailUpdates(1);
    EXPECT_EQ(RunOnce(job.id).state, State::kRunning);
    draining_ = false;
    ASSERT_TRUE(Await(store_.Recover()).ok());

    EXPECT_EQ(RunOnce(job.id).state, State::kSucceeded);
    EXPECT_EQ(Content("crash/" + job.id.str()), "body");
  }
  EXPECT_EQ(Files(), 2u);
}

}  // namespace
}  // namespace fetchd::fetch
