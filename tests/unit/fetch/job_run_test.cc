#include "fetch/job_run.h"

#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using jobs::State;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class JobRunTest : public FetchTest {};

TEST_F(JobRunTest, WholeBodyIsPublishedAndRecorded) {
  const std::string body = Pattern(100'000);
  Script({Whole(body)});

  const jobs::Job job = RunToEnd(NewJob());

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), body);
  EXPECT_EQ(job.result->size_bytes, body.size());
  EXPECT_EQ(job.result->etag, "\"v1\"");
  EXPECT_THAT(job.result->digests, SizeIs(1));
  EXPECT_THAT(job.result->destination, HasSubstr("/out/file"));
  EXPECT_THAT(Attempts(job.id), SizeIs(1));
  EXPECT_EQ(Files(), 1u);
}

TEST_F(JobRunTest, BodyOfExactlyOneBufferAndUnknownLengthAndEmptyAllArriveWhole) {
  for (const std::size_t size : {0, 1, 16 << 10, (16 << 10) + 1, 256 << 10, 600'000}) {
    for (const bool announced : {true, false}) {
      const std::string body = Pattern(size);
      FakeAnswer answer = Whole(body);
      if (!announced) answer.content_length.reset();
      Script({answer});

      EXPECT_EQ(RunToEnd(NewJob()).state, State::kSucceeded);
      EXPECT_EQ(Content("out/file"), body) << size << announced;
    }
  }
}

TEST_F(JobRunTest, CutBodyIsResumedWithRangeAndIfRange) {
  const std::string body = Pattern(500'000);
  Script({Cut(body, 300'000), Rest(body, 300'000)});

  const jobs::Job job = RunToEnd(NewJob());

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), body);
  EXPECT_EQ(client_->Header(1, "Range"), "bytes=300000-");
  EXPECT_EQ(client_->Header(1, "If-Range"), "\"v1\"");
  const auto attempts = Attempts(job.id);
  ASSERT_THAT(attempts, SizeIs(2));
  EXPECT_EQ(attempts[1].resumed_from_bytes, 300'000u);
  EXPECT_EQ(attempts[1].received_bytes, 200'000u);
  EXPECT_THAT(attempts[0].decision, HasSubstr("retry in"));
}

struct ResumeCase {
  const char* name;
  std::function<std::vector<FakeAnswer>(const std::string& body)> answers;  ///< To the resume.
  std::size_t requests = 0;
};
void PrintTo(const ResumeCase& c, std::ostream* out) { *out << c.name; }

class ResumeTest : public JobRunTest, public ::testing::WithParamInterface<ResumeCase> {};

// The first attempt brings 300,000 of 500,000 bytes of version 1; whatever comes then, the file is
// one version.
TEST_P(ResumeTest, NeverMixesVersions) {
  const std::string old_body = Pattern(500'000, 1);
  const std::string body = Pattern(500'000, 2);
  std::vector<FakeAnswer> answers = {Cut(old_body, 300'000)};
  for (FakeAnswer& answer : GetParam().answers(body)) answers.push_back(std::move(answer));
  Script(answers);

  const jobs::Job job = RunToEnd(NewJob());

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), body);
  EXPECT_EQ(client_->requests().size(), GetParam().requests);
  EXPECT_TRUE(Attempts(job.id).back().restarted);
}

FakeAnswer WithContentRange(FakeAnswer answer, const std::string& value) {
  answer.headers.back().second = value;
  return answer;
}

INSTANTIATE_TEST_SUITE_P(
    All, ResumeTest,
    ::testing::Values(
        ResumeCase{"WholeBodyInstead",
                   [](const std::string& b) { return std::vector{Whole(b, "\"v2\"")}; }, 2},
        ResumeCase{"OtherEtag",
                   [](const std::string& b) {
                     return std::vector{Rest(b, 300'000, "\"v2\""), Whole(b, "\"v2\"")};
                   },
                   3},
        ResumeCase{"WeakEtag",
                   [](const std::string& b) {
                     return std::vector{Rest(b, 300'000, "W/\"v1\""), Whole(b, "\"v2\"")};
                   },
                   3},
        ResumeCase{
            "WrongStart",
            [](const std::string& b) { return std::vector{Rest(b, 300'001), Whole(b, "\"v2\"")}; },
            3},
        ResumeCase{"WrongTotal",
                   [](const std::string& b) {
                     return std::vector{
                         WithContentRange(Rest(b, 300'000), "bytes 300000-499999/500001"),
                         Whole(b, "\"v2\"")};
                   },
                   3},
        ResumeCase{"OtherUnit",
                   [](const std::string& b) {
                     return std::vector{
                         WithContentRange(Rest(b, 300'000), "items 300000-499999/500000"),
                         Whole(b, "\"v2\"")};
                   },
                   3},
        ResumeCase{"NotSatisfiable",
                   [](const std::string& b) {
                     return std::vector{Status(416, {{"Content-Range", "bytes */1000"}}),
                                        Whole(b, "\"v2\"")};
                   },
                   3}),
    [](const auto& info) { return info.param.name; });

FakeAnswer To(const std::string& location) { return Status(302, {{"Location", location}}); }

// Both have the file with the same date, size and ETag, and different bytes.
TEST_F(JobRunTest, BytesOfAMirrorAreNotContinuedByAnotherThatTheRedirectorChose) {
  const std::string first = Pattern(500'000, 1);
  const std::string second = Pattern(500'000, 2);
  Script({To("https://a.mirror.test/file"), Cut(first, 300'000), To("https://b.mirror.test/file"),
          Rest(second, 300'000), To("https://b.mirror.test/file"), Whole(second)});

  const jobs::Job job = RunToEnd(NewJob());

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), second);
  EXPECT_TRUE(Attempts(job.id).back().restarted);
}

TEST_F(JobRunTest, SignedUrlsOfOnePlaceAreContinued) {
  const std::string body = Pattern(500'000);
  Script({To("https://cdn.test/file?sig=1"), Cut(body, 300'000), To("https://cdn.test/file?sig=2"),
          Rest(body, 300'000)});

  const jobs::Job job = RunToEnd(NewJob());

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), body);
  EXPECT_EQ(Attempts(job.id).back().resumed_from_bytes, 300'000u);
  EXPECT_EQ(job.result->final_url, "https://cdn.test/file?[redacted]");
}

TEST_F(JobRunTest, NothingMoreToSendIsComplete) {
  const std::string body = Pattern(300'000);
  FakeAnswer first = Whole(body);
  first.content_length.reset();
  first.body.push_back(BodyStep::Error(absl::DataLossError("cut before the end was said")));
  Script(
      {first, Status(416, {{"Content-Range", "bytes */300000"}, {"Content-Type", "error/page"}})});

  const jobs::Job job = RunToEnd(NewJob());

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), body);
  EXPECT_EQ(job.result->http_status, 206);
  EXPECT_EQ(job.result->etag, "\"v1\"");
  EXPECT_TRUE(job.result->headers.empty()) << "they are an error page's";
  EXPECT_EQ(retried_, std::vector<std::string>{"example.org"});
}

TEST_F(JobRunTest, WithoutAStrongValidatorItBeginsAnew) {
  const std::string body = Pattern(300'000);
  Script({Cut(body, 100'000, "W/\"weak\""), Whole(body)});

  EXPECT_EQ(RunToEnd(NewJob()).state, State::kSucceeded);

  EXPECT_EQ(client_->Header(1, "Range"), "");
  EXPECT_EQ(Content("out/file"), body);
}

TEST_F(JobRunTest, AnOriginThatAsksForTimeGetsItAndNoAttemptIsConsumed) {
  for (const int status : {429, 503}) {
    Script({Status(status, {{"Retry-After", "7"}}), Whole("x")});
    jobs::Job job = NewJob();
    ASSERT_TRUE(Await(store_.Create(job)).ok());

    const jobs::Job waiting = RunOnce(job.id);

    EXPECT_EQ(waiting.state, State::kWaiting);
    EXPECT_EQ(waiting.attempt, 0);
    EXPECT_EQ(waiting.ready_at - clock_.WallNow(), 7s);
    EXPECT_EQ(Attempts(job.id)[0].outcome, jobs::AttemptOutcome::kPutOff);
    EXPECT_EQ(Attempts(job.id)[0].decision,
              Concat("put off for 7.0 s: the origin answered ", status,
                     " and asked for time: no attempt is consumed"));
    EXPECT_EQ(pacer_.StateOf({"https", "example.org", 443}).hold, Hold::kCoolDown);

    clock_.Advance(7s);
    const jobs::Job ended = RunOnce(job.id);
    EXPECT_EQ(ended.state, State::kSucceeded);
    EXPECT_EQ(ended.attempt, 1);
  }
}

TEST_F(JobRunTest, AnOriginMayAskForTimeMoreOftenThanAJobHasAttempts) {
  std::vector<FakeAnswer> answers(10, Status(429, {{"Retry-After", "1"}}));
  answers.push_back(Whole("x"));
  Script(answers);

  const jobs::Job job = RunToEnd(NewJob());

  EXPECT_EQ(job.state, State::kSucceeded);
  EXPECT_THAT(Attempts(job.id), SizeIs(11));
}

TEST_F(JobRunTest, AJobThatMayTryOnceDoesNotComeBack) {
  Script({Status(429, {{"Retry-After", "1"}})});
  jobs::Job job = NewJob();
  job.spec.retry.max_attempts = 1;

  EXPECT_EQ(RunToEnd(std::move(job)).state, State::kFailed);
}

TEST_F(JobRunTest, APauseBeyondTheDeadlineFails) {
  Script({Status(429, {{"Retry-After", "60"}})});
  jobs::Job job = NewJob();
  job.deadline_at = clock_.WallNow() + 30s;

  EXPECT_EQ(RunToEnd(std::move(job)).state, State::kFailed);
}

TEST_F(JobRunTest, AMirrorIsAskedInsteadOfWaiting) {
  Script({Status(429, {{"Retry-After", "60"}}), Whole("from the mirror")});
  jobs::Job job = NewJob();
  job.spec.urls.push_back("https://mirror.example.net/file");
  const WallTime before = clock_.WallNow();

  EXPECT_EQ(RunToEnd(std::move(job)).state, State::kSucceeded);

  EXPECT_EQ(client_->requests()[1].url.host(), "mirror.example.net");
  EXPECT_LT(clock_.WallNow() - before, 1s);
}

TEST_F(JobRunTest, ARetryableStatusWithoutAWishIsAnAttempt) {
  Script({Status(503), Whole("x")});
  jobs::Job job = NewJob();
  ASSERT_TRUE(Await(store_.Create(job)).ok());

  EXPECT_EQ(RunOnce(job.id).attempt, 1);
  EXPECT_THAT(Attempts(job.id)[0].decision, HasSubstr("503 is retryable, attempt 1 of 4"));
}

TEST_F(JobRunTest, FailuresInARowOpenTheOriginsCircuit) {
  Script({Status(502)});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(RunToEnd(NewJob()).state, State::kFailed);

  EXPECT_EQ(pacer_.StateOf({"https", "example.org", 443}).hold, Hold::kCircuitOpen);
}

TEST_F(JobRunTest, AFailureThatTheCallersOwnTimeoutMadeIsNotTheOrigins) {
  FakeAnswer late;
  late.error = absl::DeadlineExceededError("first byte");
  Script({late});
  jobs::Job job = NewJob();
  job.spec.timeouts.first_byte = 1ms;
  for (int i = 0; i < 2; ++i) {
    job.id = JobId::Generate(clock_.WallNow(), random_);
    EXPECT_EQ(RunToEnd(job).state, State::kFailed);
  }
  EXPECT_EQ(pacer_.StateOf({"https", "example.org", 443}).failures_in_a_row, 0);

  EXPECT_EQ(RunToEnd(NewJob()).state, State::kFailed);
  EXPECT_EQ(pacer_.StateOf({"https", "example.org", 443}).failures_in_a_row, 4);
}

TEST_F(JobRunTest, AServerErrorIsAnAnswer) {
  Script({Status(500)});
  for (int i = 0; i < 2; ++i) EXPECT_EQ(RunToEnd(NewJob()).state, State::kFailed);

  EXPECT_EQ(pacer_.StateOf({"https", "example.org", 443}).hold, Hold::kNone);
}

TEST_F(JobRunTest, APauseWithoutRetryAfterIsAsLongAsTheQuotaSays) {
  Script({Status(429, {{"RateLimit", "\"q\";r=0;t=60"}})});
  const jobs::Job job = NewJob();
  ASSERT_TRUE(Await(store_.Create(job)).ok());

  EXPECT_EQ(RunOnce(job.id).ready_at - clock_.WallNow(), 60s);
}

TEST_F(JobRunTest, PausesOfNothingAreAttempts) {
  Script({Status(429, {{"Retry-After", "0"}})});

  const jobs::Job job = RunToEnd(NewJob());

  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_EQ(client_->requests().size(), 4U);
}

TEST_F(JobRunTest, WhoIsPutOffAgainAndAgainComesBackLater) {
  Script({Status(429, {{"Retry-After", "1"}})});
  jobs::Job job = NewJob();
  job.deadline_at = clock_.WallNow() + 10min;

  EXPECT_EQ(RunToEnd(std::move(job)).state, State::kFailed);

  EXPECT_LT(client_->requests().size(), 60U);
}

TEST_F(JobRunTest, ARedirectToAnOriginOnHoldPutsTheJobOff) {
  Script({To("https://cdn.test/file"), Whole("x")});
  pacer_.Note({"https", "cdn.test", 443},
              {.kind = OriginOutcome::Kind::kPushback, .cool_down = 20s});
  const jobs::Job job = NewJob();
  ASSERT_TRUE(Await(store_.Create(job)).ok());

  const jobs::Job waiting = RunOnce(job.id);

  EXPECT_EQ(waiting.state, State::kWaiting);
  EXPECT_EQ(waiting.attempt, 0);
  EXPECT_EQ(waiting.ready_at - clock_.WallNow(), 20s);
  EXPECT_EQ(GetReason(waiting.error)->reason, "ORIGIN_ON_HOLD");
  EXPECT_THAT(client_->requests(), SizeIs(1));
}

TEST_F(JobRunTest, AnErrorOfTheSinkSaysNothingOfTheOrigin) {
  Script({Whole("x")});
  jobs::Job job = NewJob();
  job.spec.digests = {*Digest::Parse("sha256:" + std::string(64, '0'))};
  for (int i = 0; i < 3; ++i) {
    job.id = JobId::Generate(clock_.WallNow(), random_);
    EXPECT_EQ(RunToEnd(job).state, State::kFailed);
  }

  EXPECT_EQ(pacer_.StateOf({"https", "example.org", 443}).hold, Hold::kNone);
}

TEST_F(JobRunTest, APauseIsThatOfTheOriginWhichARedirectLedTo) {
  Script({To("https://cdn.test/file"), Status(429, {{"Retry-After", "7"}})});
  jobs::Job job = NewJob();
  ASSERT_TRUE(Await(store_.Create(job)).ok());

  RunOnce(job.id);

  EXPECT_EQ(pacer_.StateOf({"https", "example.org", 443}).hold, Hold::kNone);
  EXPECT_EQ(pacer_.StateOf({"https", "cdn.test", 443}).hold, Hold::kCoolDown);
}

TEST_F(JobRunTest, FinalStatusFailsAtOnce) {
  Script({Status(404)});

  const jobs::Job job = RunToEnd(NewJob());

  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_TRUE(absl::IsNotFound(job.error));
  EXPECT_EQ(GetReason(job.error)->reason, "HTTP_STATUS");
  EXPECT_EQ(Attempts(job.id)[0].decision, "gave up: 404 is final");
  EXPECT_EQ(Files(), 0u);
}

TEST_F(JobRunTest, AttemptsAreCounted) {
  Script({Status(500)});

  const jobs::Job job = RunToEnd(NewJob());

  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_EQ(client_->requests().size(), 4u);
}

TEST_F(JobRunTest, MirrorTakesOverAndGetsNoCredentials) {
  Script({Status(404), Whole("from the mirror")});
  jobs::Job job = NewJob();
  job.spec.urls = {"https://example.org/file", "https://mirror.example.net/file"};
  job.spec.credentials = jobs::BearerCredentials{Secret("t0ken")};

  EXPECT_EQ(RunToEnd(std::move(job)).state, State::kSucceeded);

  const Credentials token = BearerCredentials{Secret("t0ken")};
  EXPECT_TRUE(client_->requests()[0].credentials == token);
  EXPECT_EQ(client_->requests()[1].url.host(), "mirror.example.net");
  EXPECT_TRUE(client_->requests()[1].credentials == Credentials());
}

TEST_F(JobRunTest, DigestMismatchIsTriedOnceMoreFromZeroThenFails) {
  Script({Whole("wrong")});
  jobs::Job job = NewJob();
  job.spec.digests = {*Digest::Parse("sha256:" + std::string(64, '0'))};

  const jobs::Job ended = RunToEnd(std::move(job));

  EXPECT_EQ(ended.state, State::kFailed);
  EXPECT_TRUE(absl::IsDataLoss(ended.error));
  EXPECT_EQ(GetReason(ended.error)->reason, "DIGEST_MISMATCH");
  EXPECT_EQ(client_->requests().size(), 2u);
  EXPECT_EQ(client_->Header(1, "Range"), "");
  EXPECT_EQ(Files(), 0u);
}

TEST_F(JobRunTest, DigestOfAResumedBodyCoversTheKeptBytes) {
  const std::string body = Pattern(500'000);
  Digester digester({DigestAlgorithm::kSha512});
  digester.Update(std::as_bytes(std::span(body)));
  Script({Cut(body, 300'000), Rest(body, 300'000)});
  jobs::Job job = NewJob();
  job.spec.digests = digester.Finish();

  EXPECT_EQ(RunToEnd(std::move(job)).state, State::kSucceeded);
}

TEST_F(JobRunTest, BodyBeyondTheLimitFailsEarlyAndLeavesNothing) {
  for (const bool announced : {true, false}) {
    FakeAnswer answer = Whole(Pattern(1000));
    if (!announced) answer.content_length.reset();
    Script({answer});
    jobs::Job job = NewJob();
    job.spec.max_bytes = 999;

    const jobs::Job ended = RunToEnd(std::move(job));

    EXPECT_EQ(ended.state, State::kFailed);
    EXPECT_EQ(GetReason(ended.error)->reason, "BODY_TOO_LARGE");
    EXPECT_EQ(Files(), 0u);
  }
}

TEST_F(JobRunTest, WrongSizeIsAMismatch) {
  Script({Whole("12345")});
  jobs::Job job = NewJob();
  job.spec.expected_size = 6;

  EXPECT_EQ(GetReason(RunToEnd(std::move(job)).error)->reason, "SIZE_MISMATCH");
}

TEST_F(JobRunTest, HeadBringsAResultAndNoFile) {
  Script({Whole("")});
  jobs::Job job = NewJob();
  job.spec.method = jobs::Method::kHead;

  const jobs::Job ended = RunToEnd(std::move(job));

  EXPECT_EQ(ended.state, State::kSucceeded);
  EXPECT_EQ(ended.result->http_status, 200);
  EXPECT_EQ(client_->requests()[0].method, "HEAD");
  EXPECT_EQ(Files(), 0u);
}

TEST_F(JobRunTest, PartOfABodyOfUnknownSizeIsNotTakenForItsEnd) {
  const std::string body = Pattern(500'000);
  FakeAnswer cut = Cut(body, 200'000);
  cut.content_length.reset();
  FakeAnswer part = Whole(body.substr(200'000, 100'000));
  part.status = 206;
  part.headers.emplace_back("Content-Range", "bytes 200000-299999/*");
  Script({cut, part, Whole(body)});

  const jobs::Job ended = RunToEnd(NewJob());

  EXPECT_EQ(ended.state, State::kSucceeded);
  EXPECT_EQ(ended.result->size_bytes, body.size());
  EXPECT_THAT(client_->requests(), SizeIs(3));
}

TEST_F(JobRunTest, JobPastItsDeadlineFailsWithoutARequest) {
  Script({Whole("x")});
  jobs::Job job = NewJob();
  job.deadline_at = clock_.WallNow() + std::chrono::seconds(1);
  ASSERT_TRUE(Await(store_.Create(job)).ok());
  clock_.Advance(std::chrono::seconds(2));

  const jobs::Job ended = RunOnce(job.id);

  EXPECT_EQ(ended.state, State::kFailed);
  EXPECT_TRUE(absl::IsDeadlineExceeded(ended.error));
  EXPECT_TRUE(client_->requests().empty());
}

TEST_F(JobRunTest, TotalTimeoutEndsAnAttemptAndTheNextOneGoesOn) {
  const std::string body = Pattern(500'000);
  Script({Stalls(body, 262'144), Rest(body, 262'144)});
  jobs::Job job = NewJob();
  job.spec.timeouts.total = 10s;
  const WallTime begun = clock_.WallNow();
  ASSERT_TRUE(Await(store_.Create(job)).ok());

  EXPECT_EQ(RunOnce(job.id).state, State::kWaiting);

  EXPECT_GE(clock_.WallNow() - begun, 10s);
  const auto attempts = Attempts(job.id);
  EXPECT_TRUE(absl::IsDeadlineExceeded(attempts[0].status)) << attempts[0].status;
  EXPECT_EQ(GetReason(attempts[0].status)->reason, "TIMEOUT");
  EXPECT_EQ(attempts[0].failed_phase, "body");
  clock_.Advance(1s);
  EXPECT_EQ(RunOnce(job.id).state, State::kSucceeded);
  EXPECT_EQ(client_->Header(1, "Range"), "bytes=262144-");
}

TEST_F(JobRunTest, TotalTimeoutBeforeTheHeadNamesThatPhase) {
  FakeAnswer silent;
  silent.hangs = true;
  Script({silent, Whole("x")});
  jobs::Job job = NewJob();
  job.spec.timeouts.total = 10s;

  EXPECT_EQ(RunToEnd(job).state, State::kSucceeded);

  EXPECT_EQ(Attempts(job.id)[0].failed_phase, "first byte");
}

TEST_F(JobRunTest, WaitsForAPlaceAndForBuffersAreNotChargedToTheTotalTimeout) {
  FakeAnswer answer = Whole(Pattern(500'000));
  answer.place_wait = 60s;
  Script({answer});
  jobs::Job job = NewJob();
  job.spec.timeouts.total = 10s;
  runtime::TaskGroup group(loop_.get_executor());
  std::vector<sink::Buffer> all;
  while (buffers_.budget().in_use() < buffers_.budget().capacity()) {
    all.push_back(*Await(buffers_.Acquire(1 << 20, clock_, Deadline::Never())));
  }

  group.Spawn("hold", KeepFor(clock_, 120s, std::move(all)));
  EXPECT_EQ(RunToEnd(job).state, State::kSucceeded);
  RunLoop(group);

  EXPECT_THAT(Attempts(job.id), SizeIs(1));
  EXPECT_EQ(Attempts(job.id)[0].buffer_wait, 60s);
}

TEST_F(JobRunTest, InterruptionConsumesNoAttemptAndResumes) {
  const std::string body = Pattern(500'000);
  Script({Stalls(body, 262'144), Rest(body, 262'144)});
  jobs::Job job = NewJob();
  ASSERT_TRUE(Await(store_.Create(job)).ok());
  auto claims = *Await(store_.ClaimReady(1, {}));
  JobRun run(RunDeps(), std::move(claims[0]), transfers_.TryAcquire(1), {}, {});
  runtime::TaskGroup group(loop_.get_executor());
  group.Spawn("run", run.Run());
  loop_.restart();
  while (run.progress().received_bytes < 262'144) loop_.run_one();

  run.Stop(StopReason::kInterrupt);
  RunLoop(group);

  const jobs::Job interrupted = *Await(store_.Get(job.id));
  EXPECT_EQ(interrupted.state, State::kInterrupted);
  EXPECT_EQ(interrupted.attempt, 0);
  EXPECT_EQ(interrupted.checkpoint.bytes, 262'144u);
  EXPECT_EQ(RunOnce(job.id).state, State::kSucceeded);
  EXPECT_EQ(client_->Header(1, "Range"), "bytes=262144-");
  EXPECT_EQ(Content("out/file"), body);
}

TEST_F(JobRunTest, WhatHadComeWhenItWasInterruptedIsKept) {
  const std::string body = Pattern(500'000);
  std::function<void()> stop;
  FakeAnswer answer = Whole(body);
  answer.body = {BodyStep::Bytes(body.substr(0, 100'000)), BodyStep::Call([&stop] { stop(); }),
                 BodyStep::Turn(), BodyStep::Bytes(body.substr(100'000, 50'000)), BodyStep::Hang()};
  Script({answer, Rest(body, 150'000)});
  jobs::Job job = NewJob();
  ASSERT_TRUE(Await(store_.Create(job)).ok());
  auto claims = *Await(store_.ClaimReady(1, {}));
  JobRun run(RunDeps(), std::move(claims[0]), transfers_.TryAcquire(1), {}, {});
  stop = [&run] { run.Stop(StopReason::kInterrupt); };
  runtime::TaskGroup group(loop_.get_executor());
  group.Spawn("run", run.Run());

  RunLoop(group);

  const jobs::Job interrupted = *Await(store_.Get(job.id));
  EXPECT_EQ(interrupted.state, State::kInterrupted);
  EXPECT_EQ(interrupted.checkpoint.bytes, 150'000u);
  EXPECT_EQ(buffers_.budget().in_use(), 0u);
  EXPECT_EQ(RunOnce(job.id).state, State::kSucceeded);
  EXPECT_EQ(client_->Header(1, "Range"), "bytes=150000-");
  EXPECT_EQ(Content("out/file"), body);
}

// Cancelled at every point at which it can be, nothing is left behind.
TEST_F(JobRunTest, CancelAnywhereGivesEverythingBack) {
  const std::string body = Pattern(700'000);
  for (int steps = 0; steps < 60; ++steps) {
    Script({Cut(body, 300'000), Rest(body, 300'000)});
    jobs::Job job = NewJob();
    ASSERT_TRUE(Await(store_.Create(job)).ok());
    if (steps % 2 == 1) {
      RunOnce(job.id);
      clock_.Advance(std::chrono::minutes(1));
    }
    auto claims = *Await(store_.ClaimReady(1, {}));
    ASSERT_THAT(claims, SizeIs(1));
    {
      JobRun run(RunDeps(), std::move(claims[0]), transfers_.TryAcquire(1), {}, {});
      runtime::TaskGroup group(loop_.get_executor());
      group.Spawn("run", run.Run());
      loop_.restart();
      for (int i = 0; i < steps && group.size() > 0; ++i) loop_.run_one();
      ASSERT_TRUE(Await(store_.Update(job.id, jobs::CancelRequested{})).ok() || group.size() == 0);
      run.Stop(StopReason::kCancel);
      RunLoop(group);
      EXPECT_TRUE(Await(run.CleanUpAfterCancel()).ok());
    }
    const State state = Await(store_.Get(job.id))->state;
    if (state == State::kWaiting) {
      ASSERT_TRUE(Await(store_.Update(job.id, jobs::CancelRequested{})).ok());
    }
    EXPECT_THAT(Attempts(job.id), SizeIs(steps % 2 + 1)) << steps;
    EXPECT_EQ(transfers_.in_use(), 0u) << steps;
    EXPECT_EQ(buffers_.budget().in_use(), 0u) << steps;
    // A cancellation that comes between publication and its record leaves the whole file.
    const std::size_t published = Content("out/file") == body ? 1 : 0;
    if (state == State::kCancelled) EXPECT_EQ(Files(), published) << steps;
    for (const auto& entry : std::filesystem::directory_iterator(root_)) {
      std::filesystem::remove_all(entry.path());
    }
  }
}

}  // namespace
}  // namespace fetchd::fetch
