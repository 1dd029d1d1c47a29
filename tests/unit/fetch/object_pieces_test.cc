// Bodies read over several connections into objects: each piece is a part, in whatever order.
#include "support/memory_object_store.h"
#include "unit/fetch/segment_fixture.h"

namespace fetchd::fetch {
namespace {

using namespace std::chrono_literals;
using jobs::State;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kPartBytes = 96 << 10;  // No buffer ends where a part does.

class ObjectPiecesTest : public SegmentTest {
 protected:
  ObjectPiecesTest() { Serve(buffers_); }

  /// Parts take their memory from `buffers`.
  void Serve(sink::BufferPool& buffers) {
    destinations_ = *sink::Destinations::Open(root_, clock_, pool_, loop_.get_executor(), calls());
    auto store = std::make_unique<testing::MemoryObjectStore>(clock_);
    objects_ = store.get();
    std::vector<sink::ObjectPlace> places(1);
    places[0] = {.name = "test", .scheme = "s3", .part_bytes = kPartBytes, .parts_in_flight = 2};
    places[0].by_shard.push_back(std::move(store));
    destinations_->ServeObjects(std::move(places), buffers, {loop_.get_executor()});
  }
  jobs::Job ObjectJob(const std::string& key = "key") {
    jobs::Job job = NewJob();
    job.destination = "s3://bucket/" + key;
    return job;
  }
  void ExpectObject(const jobs::Job& job, const std::string& body) {
    ASSERT_EQ(job.state, State::kSucceeded) << job.error;
    EXPECT_EQ(objects_->objects["key"].bytes, body);
    Digester digester({DigestAlgorithm::kSha256});
    digester.Update(std::as_bytes(std::span(body)));
    EXPECT_EQ(job.result->digests, digester.Finish());
    ExpectNothingLeft();
  }
  void ExpectNothingLeft() {
    EXPECT_THAT(objects_->uploads, IsEmpty());
    EXPECT_THAT(*Await(store_.SinkNotesAt("s3://bucket/key")), IsEmpty());
    ExpectNothingHeld();
  }

  testing::MemoryObjectStore* objects_;
};

TEST_F(ObjectPiecesTest, ASlowLineIsReadOverSeveralConnections) {
  const jobs::Job job = Run(ObjectJob());

  ExpectObject(job, body_);
  EXPECT_EQ(Segments(job.id).most_connections, 4);
  EXPECT_EQ(origin_.sent_bytes, body_.size()) << "each byte once";
  EXPECT_LT(clock_.Now() - SteadyTime(1h), 16s) << "one line takes 24 s";
}

TEST_F(ObjectPiecesTest, PiecesBeginAndEndWhereParts) {
  Run(ObjectJob());

  for (std::size_t n = 1; n < origin_.requests.size(); ++n) {
    const std::string range = origin_.Header(n, "Range");
    const std::size_t dash = range.find('-');
    EXPECT_EQ(std::stoull(range.substr(6, dash - 6)) % kPartBytes, 0U) << range;
    const std::uint64_t end = std::stoull(range.substr(dash + 1)) + 1;
    EXPECT_TRUE(end % kPartBytes == 0 || end == body_.size()) << range;
  }
  EXPECT_EQ(std::ranges::count(objects_->requests, "PutPart"),
            static_cast<std::ptrdiff_t>((body_.size() + kPartBytes - 1) / kPartBytes));
}

TEST_F(ObjectPiecesTest, AFileAndAnObjectGetTheSame) {
  jobs::Job job = ObjectJob();
  job.more_destinations = {{"file:copy", "file:copy"}};

  job = Run(std::move(job));

  ExpectObject(job, body_);
  EXPECT_EQ(Content("copy"), body_);
  EXPECT_EQ(Segments(job.id).most_connections, 4);
}

TEST_F(ObjectPiecesTest, WhereTheObjectFailsTheFileIsReadOn) {
  jobs::Job job = ObjectJob();
  job.more_destinations = {{"file:copy", "file:copy"}};
  int parts = 0;
  objects_->before = [&parts](const std::string& name) {
    const bool fails = name == "PutPart" && ++parts == 20;
    return fails ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  };

  job = Run(std::move(job));

  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_EQ(Content("copy"), body_);
  EXPECT_THAT(objects_->objects, IsEmpty());
  ExpectNothingLeft();
}

// Memory.

TEST_F(ObjectPiecesTest, WithoutMemoryForAPartNoConnectionIsOpened) {
  sink::PartBuffer all_but_one =
      *Await(buffers_.AcquirePart((32 << 20) - kPartBytes, clock_, Deadline::Never()));

  const jobs::Job job = Run(ObjectJob());

  all_but_one = sink::PartBuffer();
  ExpectObject(job, body_);
  EXPECT_EQ(origin_.most_open, 1U);
  EXPECT_THAT(origin_.requests, SizeIs(1));
}

TEST_F(ObjectPiecesTest, MemoryThatComesLaterIsUsed) {
  sink::PartBuffer theirs =
      *Await(buffers_.AcquirePart((32 << 20) - kPartBytes, clock_, Deadline::Never()));
  const JobId id = Create(ObjectJob());

  const jobs::Job job = RunUntil(
      id, [&] { return origin_.sent_bytes > body_.size() / 3; },
      [&] { theirs = sink::PartBuffer(); });

  ExpectObject(job, body_);
  EXPECT_GT(origin_.most_open, 1U);
}

// One connection that is left reads the rest in one request, and needs the memory of one part.
TEST_F(ObjectPiecesTest, WhoIsLeftAloneTakesNoMoreMemoryThanBefore) {
  config_.segments.max_connections = 2;
  for (std::size_t request = 1; request < 4; ++request) {
    SCOPED_TRACE(request);
    origin_.requests.clear();
    origin_.misbehaviours.clear();
    origin_.misbehaviours[request].reset_after = 30'000;
    origin_.max_open = 100;
    origin_.on_request = [&](std::size_t number) {
      if (number >= request) origin_.max_open = 1;
    };
    objects_->objects.clear();
    origin_.sent_bytes = 0;
    std::uint64_t most = 0;
    const JobId id = Create(ObjectJob());

    const jobs::Job job = RunUntil(
        id,
        [&] {
          most = std::max<std::uint64_t>(most, buffers_.budget().in_use());
          return origin_.sent_bytes > body_.size() / 10 * 9;
        },
        [] {});

    ExpectObject(job, body_);
    EXPECT_LT(most, 12 * kPartBytes);
  }
}

// Jobs that hold parts and wait for others would wait for ever.
TEST_F(ObjectPiecesTest, WithLittleMemoryNobodyWaitsForEver) {
  for (const std::size_t parts : {2, 3, 4, 6, 9}) {
    SCOPED_TRACE(parts);
    sink::BufferPool small(2 * parts * kPartBytes + (1 << 20));
    Serve(small);
    origin_.requests.clear();
    std::vector<JobId> ids;
    std::vector<std::unique_ptr<JobRun>> runs;
    runtime::TaskGroup group(loop_.get_executor());
    for (const char* key : {"a", "b", "c"}) {
      ids.push_back(Create(ObjectJob(key)));
      auto claims = *Await(store_.ClaimReady(1, {}));
      TransferDeps transfer{clock_,  origin_, subject_,   small,
                            config_, pacer_,  bandwidth_, [](const Origin&) {},
                            nullptr, &spares_};
      runs.push_back(std::make_unique<JobRun>(
          JobRunDeps{std::move(transfer), 0, loop_.get_executor(), store_, health_, log_,
                     *destinations_, counters_, draining_, [] { return 0.5; }},
          std::move(claims.at(0)), transfers_.TryAcquire(1), pacer_.Begin(kOrigin, false),
          Duration()));
      group.Spawn(key, runs.back()->Run());
    }

    RunLoop(group);

    runs.clear();
    for (const JobId& id : ids) EXPECT_EQ(Await(store_.Get(id))->state, State::kSucceeded);
    for (const char* key : {"a", "b", "c"}) EXPECT_EQ(objects_->objects[key].bytes, body_);
    EXPECT_EQ(small.budget().in_use(), 0U);
    destinations_.reset();
  }
}

// What goes wrong.

TEST_F(ObjectPiecesTest, AnOriginThatIgnoresRangesIsReadToTheEndOverTheFirst) {
  origin_.honours_ranges = false;

  ExpectObject(Run(ObjectJob()), body_);

  EXPECT_THAT(origin_.requests, SizeIs(2));
}

TEST_F(ObjectPiecesTest, APieceThatBreaksOffIsReadOnByAnother) {
  origin_.misbehaviours[2].reset_after = 30'000;

  const jobs::Job job = Run(ObjectJob());

  ExpectObject(job, body_);
  EXPECT_THAT(Attempts(job.id), SizeIs(1));
  EXPECT_EQ(origin_.sent_bytes, body_.size());
}

TEST_F(ObjectPiecesTest, AConnectionThatStallsHoldsUpTheOthersNoFurtherThanTheyMay) {
  origin_.misbehaviours[2].stall_after = 10'000;

  ExpectObject(Run(ObjectJob()), body_);

  EXPECT_LT(clock_.Now() - SteadyTime(1h), 30s);
}

TEST_F(ObjectPiecesTest, APieceThatIsNoneEndsThePiecesAndNotTheJob) {
  for (const std::size_t request : {1, 3, 7}) {
    SCOPED_TRACE(request);
    origin_.misbehaviours.clear();
    origin_.requests.clear();
    origin_.misbehaviours[request].status = 200;

    const jobs::Job job = Run(ObjectJob());

    ExpectObject(job, body_);
    EXPECT_THAT(Segments(job.id).notes, Contains(HasSubstr("it answered 200")));
  }
}

TEST_F(ObjectPiecesTest, AnotherVersionIsFetchedAnewAndNeverMixed) {
  const std::string other = Pattern(body_.size(), 2);
  origin_.on_request = [&](std::size_t number) {
    if (number != 4) return;
    origin_.Become(other);
    origin_.etag = "\"v2\"";
  };

  const jobs::Job job = Run(ObjectJob());

  ExpectObject(job, other);
  EXPECT_TRUE(Attempts(job.id)[0].restarted);
}

TEST_F(ObjectPiecesTest, APartThatTheStoreDoesNotTakeIsTheAttemptsFailureAndTheNextGoesOn) {
  int parts = 0;
  objects_->before = [&parts](const std::string& name) {
    return name == "PutPart" && ++parts == 12 ? absl::UnavailableError("503") : absl::OkStatus();
  };
  config_.checkpoint_bytes = kPartBytes;
  const JobId id = Create(ObjectJob());

  jobs::Job job = RunAgain(id);
  ASSERT_EQ(job.state, State::kWaiting);
  EXPECT_EQ(job.checkpoint.bytes % kPartBytes, 0U);
  EXPECT_GT(job.checkpoint.bytes, 0U);
  clock_.Advance(1min);
  job = RunAgain(id);

  ExpectObject(job, body_);
  EXPECT_GT(Attempts(id).back().resumed_from_bytes, 0U);
}

TEST_F(ObjectPiecesTest, ACancelledJobLeavesNothing) {
  const JobId id = Create(ObjectJob());
  const jobs::Job job = RunUntil(
      id, [&] { return origin_.open == 3 && origin_.sent_bytes > 10 * kPartBytes; },
      [&] {
        EXPECT_TRUE(Await(store_.Update(id, jobs::CancelRequested{})).ok());
        run_->Stop(StopReason::kCancel);
      });

  EXPECT_EQ(job.state, State::kCancelled);
  EXPECT_THAT(objects_->objects, IsEmpty());
  ExpectNothingLeft();
}

// Wherever it is stopped: what is kept are whole parts from the first on, of which each was hashed.
TEST_F(ObjectPiecesTest, WhatIsStoppedGoesOnAndIsWhole) {
  config_.checkpoint_bytes = kPartBytes;
  for (std::uint64_t stop_at = kPartBytes; stop_at < body_.size(); stop_at += 450'000) {
    SCOPED_TRACE(stop_at);
    objects_->objects.clear();
    origin_.sent_bytes = 0;
    const JobId id = Create(ObjectJob());
    jobs::Job job = RunUntil(
        id, [&] { return origin_.sent_bytes >= stop_at; },
        [&] { run_->Stop(StopReason::kInterrupt); });
    ASSERT_EQ(job.state, State::kInterrupted);
    EXPECT_EQ(job.checkpoint.bytes % kPartBytes, 0U);
    EXPECT_LE(job.checkpoint.bytes, origin_.sent_bytes);
    const std::uint64_t kept = job.checkpoint.bytes;

    job = RunAgain(id);

    ExpectObject(job, body_);
    EXPECT_EQ(Attempts(id).back().resumed_from_bytes, kept);
  }
}

}  // namespace
}  // namespace fetchd::fetch
