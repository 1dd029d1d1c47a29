// Bodies read over several connections: what lands where, and what becomes of it when the origin
// does otherwise than it said.
#include "unit/fetch/segment_fixture.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using jobs::State;
using ::testing::Contains;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

Digest Sha256OfBody(std::string_view body) {
  Digester digester({DigestAlgorithm::kSha256});
  digester.Update(std::as_bytes(std::span(body)));
  return digester.Finish()[0];
}

class SegmentedReadTest : public SegmentTest {
 protected:
  /// It succeeded, with every byte at its place.
  void ExpectWhole(const jobs::Job& job) {
    ASSERT_EQ(job.state, State::kSucceeded) << job.error;
    EXPECT_EQ(Content("out/file"), body_);
    EXPECT_EQ(job.result->digests[0], Sha256OfBody(body_));
    EXPECT_EQ(job.result->size_bytes, body_.size());
    ExpectNothingHeld();
  }
};

TEST_F(SegmentedReadTest, ASlowLineIsReadOverSeveralConnections) {
  const jobs::Job job = Run();

  ExpectWhole(job);
  const jobs::SegmentsRecord segments = Segments(job.id);
  EXPECT_EQ(segments.most_connections, 4);
  EXPECT_EQ(segments.added, 3);
  EXPECT_EQ(segments.dropped, 0);
  EXPECT_THAT(segments.notes, Contains(HasSubstr("2 bring")));
  EXPECT_LE(origin_.most_open, 4u);
  EXPECT_LT(clock_.Now() - SteadyTime(1h), 15s) << "one line takes 24 s";
}

TEST_F(SegmentedReadTest, EachByteIsAskedForOnce) {
  const jobs::Job job = Run();

  ExpectWhole(job);
  EXPECT_EQ(origin_.sent_bytes, body_.size());
  EXPECT_EQ(Attempts(job.id)[0].received_bytes, body_.size());
  EXPECT_EQ(origin_.Header(0, "Range"), "");
  EXPECT_THAT(origin_.Header(1, "Range"), HasSubstr("bytes="));
  EXPECT_EQ(origin_.Header(1, "If-Range"), "\"v1\"");
  EXPECT_EQ(origin_.requests.size(), Segments(job.id).pieces + 1);
}

TEST_F(SegmentedReadTest, ASecondConnectionThatBringsNothingIsDropped) {
  origin_.line_bytes_per_sec = origin_.all_bytes_per_sec = 128 << 10;

  const jobs::Job job = Run();

  ExpectWhole(job);
  const jobs::SegmentsRecord segments = Segments(job.id);
  EXPECT_EQ(segments.most_connections, 2);
  EXPECT_EQ(segments.added, 1);
  EXPECT_EQ(segments.dropped, 1);
  EXPECT_THAT(origin_.Header(origin_.requests.size() - 1, "Range"),
              EndsWith(Concat('-', body_.size() - 1)))
      << "alone again, it asks for all that is left";
  EXPECT_THAT(origin_.requests, SizeIs(::testing::Le(8)));
}

TEST_F(SegmentedReadTest, AnOriginThatIgnoresRangesIsReadToTheEndOverTheFirst) {
  origin_.honours_ranges = false;

  const jobs::Job job = Run();

  ExpectWhole(job);
  EXPECT_THAT(origin_.requests, SizeIs(2));
  EXPECT_EQ(origin_.sent_bytes, body_.size());
  EXPECT_FALSE(Attempts(job.id)[0].restarted);
  EXPECT_THAT(Segments(job.id).notes, Contains("read on over one connection: it answered 200"));
}

TEST_F(SegmentedReadTest, APieceThatIsNotAnsweredInTimeIsReadByTheFirst) {
  origin_.misbehaviours[1].head_wait = 1h;

  const jobs::Job job = Run();

  ExpectWhole(job);
  EXPECT_EQ(origin_.Header(0, "Range"), "");
  EXPECT_EQ(Attempts(job.id)[0].hops.size(), 1u) << "the first response was not given up";
}

struct OddPiece {
  const char* name;
  std::size_t request;
  std::function<void(Misbehaviour& odd)> be;
  const char* note;
};
void PrintTo(const OddPiece& c, std::ostream* out) { *out << c.name; }

class OddPieceTest : public SegmentedReadTest, public ::testing::WithParamInterface<OddPiece> {};

TEST_P(OddPieceTest, EndsThePiecesAndNotTheJob) {
  GetParam().be(origin_.misbehaviours[GetParam().request]);

  const jobs::Job job = Run();

  ExpectWhole(job);
  EXPECT_THAT(Attempts(job.id), SizeIs(1));
  EXPECT_THAT(Segments(job.id).notes, Contains(HasSubstr(GetParam().note)));
}

INSTANTIATE_TEST_SUITE_P(
    All, OddPieceTest,
    ::testing::Values(
        OddPiece{"TheWholeBodyFirst", 1, [](Misbehaviour& odd) { odd.status = 200; },
                 "it answered 200"},
        OddPiece{"TheWholeBodyLater", 4, [](Misbehaviour& odd) { odd.status = 200; },
                 "it answered 200"},
        OddPiece{"NotSatisfiable", 2, [](Misbehaviour& odd) { odd.status = 416; },
                 "it answered 416"},
        OddPiece{"Refused", 1, [](Misbehaviour& odd) { odd.status = 503; }, "it answered 503"},
        OddPiece{"OtherEtagFirst", 1, [](Misbehaviour& odd) { odd.etag = "\"v2\""; },
                 "the body is another one now"},
        OddPiece{"OtherEtagLater", 3, [](Misbehaviour& odd) { odd.etag = "\"v2\""; },
                 "the body is another one now"},
        OddPiece{"OtherLength", 3, [](Misbehaviour& odd) { odd.length = 1'000'000'000; },
                 "the length is another one now"},
        OddPiece{"WrongStart", 3, [](Misbehaviour& odd) { odd.shift = 1; },
                 "another part than was asked for"}),
    [](const auto& info) { return info.param.name; });

TEST_F(SegmentedReadTest, AnotherVersionIsFetchedAnewAndNeverMixed) {
  const std::string other = Pattern(body_.size(), 2);
  origin_.on_request = [&](std::size_t number) {
    if (number != 4) return;
    origin_.Become(other);
    origin_.etag = "\"v2\"";
  };

  const jobs::Job job = Run();

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Content("out/file"), other);
  EXPECT_EQ(job.result->etag, "\"v2\"");
  EXPECT_TRUE(Attempts(job.id)[0].restarted);
  ExpectNothingHeld();
}

TEST_F(SegmentedReadTest, APieceThatBreaksOffIsReadOnByAnother) {
  origin_.misbehaviours[2].reset_after = 30'000;

  const jobs::Job job = Run();

  ExpectWhole(job);
  EXPECT_THAT(Attempts(job.id), SizeIs(1));
  EXPECT_EQ(origin_.sent_bytes, body_.size()) << "what had come of it is kept";
}

TEST_F(SegmentedReadTest, WhenReadersFailTooOftenTheOneThatIsLeftReadsOn) {
  for (const std::size_t n : {1, 2, 3}) origin_.misbehaviours[n].reset_after = 0;

  const jobs::Job job = Run();

  ExpectWhole(job);
  EXPECT_THAT(Segments(job.id).notes,
              Contains("read on over one connection: pieces failed, the last: connection reset"));
}

TEST_F(SegmentedReadTest, AConnectionThatStallsHoldsUpTheOthersNoFurtherThanTheyMay) {
  origin_.misbehaviours[2].stall_after = 10'000;

  const jobs::Job job = Run();

  ExpectWhole(job);
  EXPECT_LT(clock_.Now() - SteadyTime(1h), 30s);
}

TEST_F(SegmentedReadTest, TheLastConnectionsFailureIsTheAttempts) {
  origin_.misbehaviours[0].reset_after = 8 * kPieceBytes;
  for (std::size_t n = 1; n < 100; ++n) origin_.misbehaviours[n].reset_after = 0;

  const jobs::Job job = Run();

  EXPECT_EQ(job.state, State::kWaiting);
  EXPECT_EQ(Attempts(job.id)[0].failed_phase, "body");
  EXPECT_GT(job.checkpoint.bytes, 0u);
  ExpectNothingHeld();
}

TEST_F(SegmentedReadTest, ThePlaceInThePoolIsNotForOneMore) {
  origin_.max_open = 1;

  const jobs::Job job = Run();

  ExpectWhole(job);
  EXPECT_EQ(origin_.most_open, 1u);
  EXPECT_EQ(Segments(job.id).most_connections, 0);
}

struct StopCase {
  const char* name;
  StopReason reason;
  State state;
};
void PrintTo(const StopCase& c, std::ostream* out) { *out << c.name; }
class StopTest : public SegmentedReadTest, public ::testing::WithParamInterface<StopCase> {};

TEST_P(StopTest, EndsEveryReaderAndGivesAllBack) {
  const JobId id = Create(NewJob());
  const bool cancel = GetParam().reason == StopReason::kCancel;
  const jobs::Job job = RunUntil(
      id, [&] { return origin_.open == 3 && origin_.sent_bytes > 10 * kPieceBytes; },
      [&] {
        if (cancel) EXPECT_TRUE(Await(store_.Update(id, jobs::CancelRequested{})).ok());
        run_->Stop(GetParam().reason);
      });

  EXPECT_EQ(job.state, GetParam().state);
  EXPECT_EQ(Attempts(id).at(0).segments.most_connections, 3);
  ExpectNothingHeld();
  if (cancel) {
    EXPECT_EQ(Files(), 0u);
  } else {
    EXPECT_GT(job.checkpoint.bytes, 5 * kPieceBytes);
    EXPECT_LE(job.checkpoint.bytes, origin_.sent_bytes);
  }
}
INSTANTIATE_TEST_SUITE_P(
    All, StopTest,
    ::testing::Values(StopCase{"Cancel", StopReason::kCancel, State::kCancelled},
                      StopCase{"Drain", StopReason::kInterrupt, State::kInterrupted},
                      StopCase{"Pause", StopReason::kPause, State::kPaused}),
    [](const auto& info) { return info.param.name; });

TEST_F(SegmentedReadTest, TheDeadlineOfTheJobEndsEveryReader) {
  jobs::Job job = NewJob();
  job.deadline_at = clock_.WallNow() + 6s;

  job = Run(std::move(job));

  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_TRUE(absl::IsDeadlineExceeded(job.error)) << job.error;
  ExpectNothingHeld();
}

TEST_F(SegmentedReadTest, WhatIsKeptIsTheContiguousPartAndIsContinued) {
  config_.checkpoint_bytes = kPieceBytes / 4;
  const JobId id = Create(NewJob());
  jobs::Job job = RunUntil(
      id, [&] { return origin_.open == 3 && origin_.sent_bytes > 10 * kPieceBytes; },
      [&] { run_->Stop(StopReason::kInterrupt); });
  const std::uint64_t kept = job.checkpoint.bytes;
  run_.reset();

  job = RunAgain(id);

  ExpectWhole(job);
  EXPECT_EQ(Attempts(id).back().resumed_from_bytes, kept);
}

TEST_F(SegmentedReadTest, WhoWaitsForAPermitGetsTheOneOfTheExtraConnection) {
  config_.segments.max_connections = 2;
  const JobId id = Create(NewJob());
  std::optional<absl::StatusOr<Permit>> waited;
  runtime::TaskGroup others(loop_.get_executor());
  Permit all;
  SteadyTime began;

  const jobs::Job job = RunUntil(
      id, [&] { return origin_.open == 2; },
      [&] {
        all = transfers_.TryAcquire(transfers_.capacity() - transfers_.in_use());
        began = clock_.Now();
        auto acquired = transfers_.Acquire(1, clock_, Deadline::Never(), "permit");
        others.Spawn("job", Keep(std::move(acquired), &waited));
        while (!waited) Step();
        EXPECT_TRUE(origin_.open >= 1) << "the first reads on";
        EXPECT_LE(clock_.Now() - began, 3s) << "no longer than a piece takes";
      });

  EXPECT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_THAT(Segments(id).notes, Contains("gave a connection of 2 back: others wait"));
  loop_.restart();
  RunLoop(others);
}

TEST_F(SegmentedReadTest, AJobThatWasLeftInTheQueueGetsTheTurn) {
  config_.segments.max_connections = 2;
  const JobId id = Create(NewJob());

  RunUntil(
      id, [&] { return origin_.open == 2; },
      [&] {
        spares_.NoteRefusal(kOrigin);
        while (freed_ == 0) Step();
        EXPECT_EQ(pacer_.StateOf(kOrigin).transfers, 1u);
      });

  EXPECT_EQ(freed_, 1);
}

TEST_F(SegmentedReadTest, WithSmallBuffersNobodyWaitsForEver) {
  sink::BufferPool small(std::size_t{3} * (256 << 10));
  std::optional<absl::Status> ended;
  auto claims = Create(NewJob());
  auto claimed = *Await(store_.ClaimReady(1, {}));
  const TransferDeps deps{clock_,  origin_, subject_,   small,
                          config_, pacer_,  bandwidth_, [](const Origin&) {},
                          nullptr, &spares_};
  JobRunDeps run_deps{
      deps,      0,         loop_.get_executor(), store_, health_, log_, *destinations_,
      counters_, draining_, [] { return 0.5; }};
  JobRun run(std::move(run_deps), std::move(claimed.at(0)), transfers_.TryAcquire(1),
             pacer_.Begin(kOrigin, false), {});

  EXPECT_TRUE(Await(run.Run()).ok());

  EXPECT_EQ(Content("out/file"), body_);
  EXPECT_EQ(small.budget().in_use(), 0u);
  EXPECT_EQ(Segments(claims).most_connections, 4);
}

TEST_F(SegmentedReadTest, AnOriginThatPushesAReaderBackIsLeftInPeace) {
  origin_.misbehaviours[1].status = 429;

  ExpectWhole(Run());

  EXPECT_EQ(pacer_.StateOf(kOrigin).pushbacks, 1u);
  EXPECT_EQ(origin_.most_open, 2u);
}

struct WholeCase {
  const char* name;
  std::function<void(jobs::Job& job, LineOrigin& origin, EngineConfig& config, OriginPacer& pacer)>
      change;
};
void PrintTo(const WholeCase& c, std::ostream* out) { *out << c.name; }
class OneConnectionTest : public SegmentedReadTest,
                          public ::testing::WithParamInterface<WholeCase> {};

TEST_P(OneConnectionTest, IsAllThatIsTried) {
  jobs::Job job = NewJob();
  GetParam().change(job, origin_, config_, pacer_);

  job = Run(std::move(job));

  EXPECT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(origin_.most_open, 1u);
  EXPECT_EQ(Segments(job.id), jobs::SegmentsRecord());
}

using J = jobs::Job;
using L = LineOrigin;
using C = EngineConfig;
constexpr std::uint64_t kBytes = std::uint64_t{128} << 10;
using P = OriginPacer;
INSTANTIATE_TEST_SUITE_P(
    All, OneConnectionTest,
    ::testing::Values(
        WholeCase{"WhenSwitchedOff", [](J&, L&, C& c, P&) { c.segments.max_connections = 1; }},
        WholeCase{"OfASmallBody", [](J&, L&, C& c, P&) { c.segments.min_bytes = 25 * kBytes; }},
        WholeCase{"WithoutAValidator", [](J&, L& o, C&, P&) { o.etag.clear(); }},
        WholeCase{"WithAWeakValidator", [](J&, L& o, C&, P&) { o.etag = "W/\"v1\""; }},
        WholeCase{"OfAPart", [](J& j, L&, C&, P&) { j.spec.range = ByteRange{1, {}}; }},
        WholeCase{"Decoded", [](J& j, L&, C&, P&) { j.spec.decode = true; }},
        WholeCase{"ThatIsDiscarded", [](J& j, L&, C&, P&) { j.destination = "discard:"; }},
        WholeCase{"WithATotalTimeout", [](J& j, L&, C&, P&) { j.spec.timeouts.total = 1h; }},
        WholeCase{"AtTheJobsRate", [](J& j, L&, C&, P&) { j.spec.max_bytes_per_sec = 100 << 20; }},
        WholeCase{"AtTheOriginsRate",
                  [](J&, L&, C&, P& p) {
                    p.SetLimits({"https", "example.org", 443}, {.bytes_per_sec = 100 << 20});
                  }},
        WholeCase{"AtTheServersRate",
                  [](J&, L&, C& c, P&) { c.bandwidth = *BandwidthSchedule::Parse("100MiB"); }},
        WholeCase{"OfAnOriginWithOneTransfer",
                  [](J&, L&, C&, P& p) {
                    p.SetLimits({"https", "example.org", 443}, {.max_transfers = 1});
                  }}),
    [](const auto& info) { return info.param.name; });

TEST_F(SegmentedReadTest, ALimitThatComesIntoForceEndsThePieces) {
  config_.segments.max_connections = 2;
  const JobId id = Create(NewJob());
  const jobs::Job job = RunUntil(
      id, [&] { return origin_.open == 2; },
      [&] { pacer_.SetLimits(kOrigin, {.bytes_per_sec = 100 << 20}); });

  ExpectWhole(job);
  EXPECT_THAT(origin_.Header(origin_.requests.size() - 1, "Range"),
              EndsWith(Concat('-', body_.size() - 1)));
  EXPECT_LE(origin_.requests.size(), 5u);
}

}  // namespace
}  // namespace fetchd::fetch
