#include "fetch/stream_run.h"

#include "unit/fetch/fetch_fixture.h"
#include "unit/fetch/receiver.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using ::testing::SizeIs;

class StreamRunTest : public FetchTest {
 protected:
  StreamRunTest() { spec_.urls = {"https://example.org/file"}; }

  absl::StatusOr<StreamEnd> Fetch(std::uint64_t offset = 0) {
    StreamRun run(StreamDeps(), spec_, offset, Deadline::Never(), receiver_);
    return Await(run.Run());
  }

  jobs::FetchSpec spec_;
  CollectingReceiver receiver_;
};

TEST_F(StreamRunTest, HeadThenBytesThenDigests) {
  const std::string body = Pattern(3'000'000);
  Script({Whole(body)});

  const auto end = Fetch();

  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(receiver_.head.http_status, 200);
  EXPECT_EQ(receiver_.head.total_bytes, body.size());
  EXPECT_EQ(receiver_.body, body);
  EXPECT_EQ(end->size_bytes, body.size());
  EXPECT_THAT(end->digests, SizeIs(1));
  EXPECT_EQ(transfers_.in_use(), 0u);
  EXPECT_EQ(buffers_.budget().in_use(), 0u);
}

TEST_F(StreamRunTest, RetriesInsideTheCallAndDeliversEachByteOnce) {
  const std::string body = Pattern(500'000);
  Script({Status(503), Cut(body, 200'000), Rest(body, 200'000)});

  const auto end = Fetch();

  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(receiver_.body, body);
  EXPECT_THAT(end->attempts, SizeIs(3));
  EXPECT_EQ(client_->Header(2, "If-Range"), "\"v1\"");
}

TEST_F(StreamRunTest, APauseThatEndsInTimeIsWaitedFor) {
  Script({Whole("x")});
  pacer_.Note({"https", "example.org", 443},
              {.kind = OriginOutcome::Kind::kPushback, .cool_down = 20s});
  const SteadyTime before = clock_.Now();

  EXPECT_TRUE(Fetch().ok());
  EXPECT_EQ(clock_.Now() - before, 20s);
}

TEST_F(StreamRunTest, AnOriginOnHoldForLongerThanTheCallerWaitsIsSaidAtOnce) {
  Script({Whole("x")});
  pacer_.Note({"https", "example.org", 443},
              {.kind = OriginOutcome::Kind::kPushback, .cool_down = 20s});
  StreamRun run(StreamDeps(), spec_, 0, Deadline::After(clock_, 10s), receiver_);

  const auto end = Await(run.Run());

  EXPECT_TRUE(absl::IsUnavailable(end.status()));
  EXPECT_EQ(GetReason(end.status())->reason, "ORIGIN_ON_HOLD");
  EXPECT_EQ(GetRetryAfter(end.status()), 20s);
  EXPECT_TRUE(client_->requests().empty());
}

TEST_F(StreamRunTest, APausedOriginIsSaidAtOnce) {
  Script({Whole("x")});
  pacer_.SetLimits({"https", "example.org", 443}, {.max_transfers = 0});

  const auto end = Fetch();

  EXPECT_TRUE(absl::IsUnavailable(end.status()));
  EXPECT_EQ(GetRetryAfter(end.status()), std::nullopt);
}

TEST_F(StreamRunTest, AnotherVersionAfterDeliveredBytesIsAborted) {
  const std::string body = Pattern(500'000);
  Script({Cut(body, 200'000), Whole(body, "\"v2\"")});

  const auto end = Fetch();

  EXPECT_TRUE(absl::IsAborted(end.status()));
  EXPECT_EQ(GetReason(end.status())->reason, "BODY_CHANGED");
}

TEST_F(StreamRunTest, BytesOfOneOriginAreNotContinuedByAMirror) {
  const std::string body = Pattern(500'000);
  spec_.urls.push_back("https://mirror.example/file");
  Script({Status(503), Cut(body, 200'000), Rest(body, 200'000)});

  const auto end = Fetch();

  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(receiver_.body, body);
  ASSERT_THAT(client_->requests(), SizeIs(3));
  EXPECT_EQ(client_->requests()[0].url.host(), "example.org");
  EXPECT_EQ(client_->requests()[1].url.host(), "mirror.example");
  EXPECT_EQ(client_->requests()[2].url.host(), "mirror.example");
}

TEST_F(StreamRunTest, HeadShowsNoCredentials) {
  FakeAnswer signed_one = Whole("x");
  signed_one.headers.emplace_back("Set-Cookie", "s3cret");
  Script({Status(302, {{"Location", "https://cdn.test/file?sig=s3cret"}}), signed_one});

  ASSERT_TRUE(Fetch().ok());

  EXPECT_EQ(receiver_.head.final_url, "https://cdn.test/file?[redacted]");
  EXPECT_THAT(receiver_.head.headers, SizeIs(1));
}

TEST_F(StreamRunTest, AnotherMirrorThatTheRedirectorChoseIsAborted) {
  const std::string body = Pattern(500'000);
  Script({Status(302, {{"Location", "https://a.mirror.test/file"}}), Cut(body, 200'000),
          Status(302, {{"Location", "https://b.mirror.test/file"}}), Rest(body, 200'000)});

  EXPECT_EQ(GetReason(Fetch().status())->reason, "BODY_CHANGED");
  EXPECT_EQ(receiver_.body, body.substr(0, 200'000));
}

TEST_F(StreamRunTest, AnotherVersionUnderADeliveredHeadIsAborted) {
  const std::string body = Pattern(500'000);
  Script({Cut(body, 0), Whole(body, "\"v2\"")});

  EXPECT_EQ(GetReason(Fetch().status())->reason, "BODY_CHANGED");
  EXPECT_EQ(receiver_.body, "");
}

TEST_F(StreamRunTest, HeadAloneIsContinuedByTheSameVersion) {
  const std::string body = Pattern(500'000);
  Script({Cut(body, 0), Whole(body)});

  ASSERT_TRUE(Fetch().ok());
  EXPECT_EQ(receiver_.body, body);
}

TEST_F(StreamRunTest, NoValidatorAfterDeliveredBytesIsAborted) {
  const std::string body = Pattern(500'000);
  Script({Cut(body, 200'000, ""), Whole(body)});

  EXPECT_EQ(GetReason(Fetch().status())->reason, "BODY_CHANGED");
  EXPECT_THAT(client_->requests(), SizeIs(1));
}

TEST_F(StreamRunTest, OffsetBeginsThere) {
  const std::string body = Pattern(500'000);
  Script({Rest(body, 100'000)});

  const auto end = Fetch(100'000);

  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(receiver_.head.offset, 100'000u);
  EXPECT_EQ(receiver_.body, body.substr(100'000));
  EXPECT_EQ(end->size_bytes, body.size());
  EXPECT_TRUE(end->digests.empty());
}

TEST_F(StreamRunTest, OffsetThatTheOriginDoesNotServeIsSaid) {
  Script({Whole(Pattern(1000))});

  EXPECT_EQ(GetReason(Fetch(100).status())->reason, "RANGE_NOT_SUPPORTED");
}

TEST_F(StreamRunTest, HttpErrorsBecomeStatuses) {
  const std::pair<int, absl::StatusCode> cases[] = {
      {404, absl::StatusCode::kNotFound},           {410, absl::StatusCode::kNotFound},
      {401, absl::StatusCode::kFailedPrecondition}, {403, absl::StatusCode::kFailedPrecondition},
      {429, absl::StatusCode::kUnavailable},        {503, absl::StatusCode::kUnavailable},
      {304, absl::StatusCode::kFailedPrecondition}, {500, absl::StatusCode::kFailedPrecondition}};
  for (const auto& [status, code] : cases) {
    Script({Status(status)});

    const absl::Status ended = Fetch().status();

    EXPECT_EQ(ended.code(), code) << status;
    EXPECT_EQ(GetReason(ended)->reason, "HTTP_STATUS");
    EXPECT_EQ(GetReason(ended)->metadata[0].second, Concat(status));
  }
}

TEST_F(StreamRunTest, DigestMismatchIsDataLoss) {
  Script({Whole("wrong")});
  spec_.digests = {*Digest::Parse("sha256:" + std::string(64, '0'))};

  EXPECT_EQ(GetReason(Fetch().status())->reason, "DIGEST_MISMATCH");
  EXPECT_EQ(counters_.failed, 1u);
  EXPECT_EQ(counters_.succeeded, 0u);
}

TEST_F(StreamRunTest, WrongSizeBehindAnOffsetIsDataLoss) {
  Script({Rest(Pattern(1000), 100)});
  spec_.expected_size = 999;

  EXPECT_EQ(GetReason(Fetch(100).status())->reason, "SIZE_MISMATCH");
  EXPECT_EQ(counters_.succeeded, 0u);
}

TEST_F(StreamRunTest, TotalTimeoutIsOfEachAttempt) {
  const std::string body = Pattern(3 << 20);
  Script({Stalls(body, 1 << 20), Rest(body, 1 << 20)});
  spec_.timeouts.total = 10s;

  const auto end = Fetch();

  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_EQ(receiver_.body, body);
  ASSERT_THAT(end->attempts, SizeIs(2));
  EXPECT_EQ(GetReason(end->attempts[0].status)->reason, "TIMEOUT");
}

TEST_F(StreamRunTest, WaitForAPermitAndForTheCallerAreNotChargedToTheTotalTimeout) {
  Script({Whole(Pattern(3 << 20))});
  spec_.timeouts.total = 10s;
  receiver_.clock = &clock_;
  receiver_.takes = 30s;
  runtime::TaskGroup group(loop_.get_executor());
  group.Spawn("hold", KeepFor(clock_, 60s, transfers_.TryAcquire(4)));

  const auto end = Fetch();
  RunLoop(group);

  ASSERT_TRUE(end.ok()) << end.status();
  ASSERT_THAT(end->attempts, SizeIs(1));
  EXPECT_EQ(end->attempts[0].transfer_permit_wait, 60s);
}

TEST_F(StreamRunTest, ShutdownSaysWhereToResume) {
  Script({Stalls(Pattern(3'000'000), 1 << 20)});
  StreamRun run(StreamDeps(), spec_, 0, Deadline::Never(), receiver_);
  std::optional<absl::StatusOr<StreamEnd>> end;
  runtime::TaskGroup group(loop_.get_executor());
  group.Spawn("stream", Keep(run.Run(), &end));
  loop_.restart();
  while (receiver_.body.empty()) loop_.run_one();

  run.Interrupt();
  RunLoop(group);

  EXPECT_TRUE(absl::IsUnavailable(end->status()));
  const auto reason = GetReason(end->status());
  EXPECT_EQ(reason->reason, "INTERRUPTED");
  EXPECT_EQ(reason->metadata[0], std::make_pair(std::string("offset"), std::string("1048576")));
}

TEST_F(StreamRunTest, AMirrorHasWhatTheFirstHasNot) {
  spec_.urls = {"https://example.org/gone", "https://mirror.test/file"};
  Script({Status(404), Whole("body")});

  EXPECT_TRUE(Fetch().ok());
  EXPECT_EQ(receiver_.body, "body");
  EXPECT_EQ(retried_, std::vector<std::string>{"example.org"});
}

TEST_F(StreamRunTest, ShutdownCountsTheBytesThatAreOnTheirWay) {
  Script({Whole(Pattern(3'000'000))});
  receiver_.stalls = true;
  StreamRun run(StreamDeps(), spec_, 0, Deadline::Never(), receiver_);
  std::optional<absl::StatusOr<StreamEnd>> end;
  runtime::TaskGroup group(loop_.get_executor());
  group.Spawn("stream", Keep(run.Run(), &end));
  loop_.restart();
  while (receiver_.body.empty()) loop_.run_one();

  run.Interrupt();
  RunLoop(group);

  const auto reason = GetReason(end->status());
  EXPECT_EQ(reason->metadata[0],
            std::make_pair(std::string("offset"), Concat(receiver_.body.size())));
}

TEST_F(StreamRunTest, CancelledCallerEndsTheTransferAndGivesEverythingBack) {
  const std::string body = Pattern(3'000'000);
  for (int steps = 0; steps < 30; ++steps) {
    Script({Stalls(body, 2 << 20)});
    CollectingReceiver receiver;
    StreamRun run(StreamDeps(), spec_, 0, Deadline::Never(), receiver);
    std::optional<absl::StatusOr<StreamEnd>> end;
    runtime::TaskGroup group(loop_.get_executor());
    const auto call = group.Spawn("stream", Keep(run.Run(), &end));
    loop_.restart();
    for (int i = 0; i < steps; ++i) loop_.poll_one();

    call.Cancel();
    RunLoop(group);

    EXPECT_EQ(transfers_.in_use(), 0u);
    EXPECT_EQ(buffers_.budget().in_use(), 0u);
  }
}

}  // namespace
}  // namespace fetchd::fetch
