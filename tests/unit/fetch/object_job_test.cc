// Jobs whose bodies go to a store of objects.
#include "support/memory_object_store.h"
#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using ::testing::IsEmpty;

class ObjectJobTest : public FetchTest {
 protected:
  static constexpr std::size_t kPartBytes = 100'000;

  ObjectJobTest() {
    config_.checkpoint_bytes = 1;
    auto store = std::make_unique<testing::MemoryObjectStore>(clock_);
    objects_ = store.get();
    std::vector<sink::ObjectPlace> places(1);
    places[0] = {.name = "test", .scheme = "s3", .part_bytes = kPartBytes, .parts_in_flight = 2};
    places[0].by_shard.push_back(std::move(store));
    destinations_->ServeObjects(std::move(places), buffers_, {loop_.get_executor()});
  }

  jobs::Job ObjectJob() {
    jobs::Job job = NewJob();
    job.destination = "s3://bucket/key";
    return job;
  }
  /// Runs one attempt, and stops it once `when` holds.
  jobs::Job RunAndStop(jobs::Job job, StopReason reason, const std::function<bool()>& when) {
    const JobId id = job.id;
    EXPECT_TRUE(Await(store_.Create(std::move(job))).ok());
    auto claims = *Await(store_.ClaimReady(1, {}));
    JobRun run(RunDeps(), std::move(claims.at(0)), transfers_.TryAcquire(1), {}, {});
    runtime::TaskGroup group(loop_.get_executor());
    group.Spawn("run", run.Run());
    while (!when()) Step();
    if (reason == StopReason::kCancel) {
      EXPECT_TRUE(Await(store_.Update(id, jobs::CancelRequested{})).ok());
    }
    run.Stop(reason);
    RunLoop(group);
    return *Await(store_.Get(id));
  }
  std::vector<jobs::SinkNote> Notes() { return *Await(store_.SinkNotesAt("s3://bucket/key")); }
  void ExpectStored(const jobs::Job& job, const std::string& body) {
    ASSERT_EQ(job.state, jobs::State::kSucceeded) << job.error;
    EXPECT_EQ(objects_->objects["key"].bytes, body);
    EXPECT_EQ(job.result->size_bytes, body.size());
    Digester digester({DigestAlgorithm::kSha256});
    digester.Update(std::as_bytes(std::span(body)));
    EXPECT_EQ(job.result->digests, digester.Finish());
    EXPECT_EQ(job.result->destination, "s3://bucket/key");
    EXPECT_THAT(objects_->uploads, IsEmpty());
    EXPECT_THAT(Notes(), IsEmpty());
    EXPECT_EQ(buffers_.budget().in_use(), 0U);
  }

  testing::MemoryObjectStore* objects_;
};

TEST_F(ObjectJobTest, BodiesOfAllSizesAreStored) {
  for (const std::size_t size : {0, 1, 100'000, 450'000}) {
    const std::string body = Pattern(size);
    Script({Whole(body)});

    ExpectStored(RunToEnd(ObjectJob()), body);
  }
}

TEST_F(ObjectJobTest, ALaterAttemptGoesOnBehindThePartsThatArrived) {
  const std::string body = Pattern(450'000);
  Script({Cut(body, 350'000), Rest(body, 300'000)});

  const jobs::Job job = RunToEnd(ObjectJob());

  ExpectStored(job, body);
  EXPECT_EQ(Attempts(job.id).back().resumed_from_bytes, 300'000U);
}

// Its digests with it: those of the parts that are gone are not counted.
TEST_F(ObjectJobTest, AnUploadThatIsGoneIsBegunAnew) {
  const std::string body = Pattern(450'000);
  Script({Cut(body, 350'000), Whole(body)});
  jobs::Job job = ObjectJob();
  const JobId id = job.id;
  ASSERT_TRUE(Await(store_.Create(std::move(job))).ok());
  ASSERT_EQ(RunOnce(id).checkpoint.bytes, 300'000U);
  objects_->uploads.clear();
  clock_.Advance(std::chrono::minutes(1));

  ExpectStored(RunOnce(id), body);
}

TEST_F(ObjectJobTest, WithoutTheStateOfItsDigestsTheBodyBeginsAnew) {
  const std::string body = Pattern(450'000);
  Script({Cut(body, 350'000), Whole(body)});
  jobs::Job job = ObjectJob();
  const JobId id = job.id;
  ASSERT_TRUE(Await(store_.Create(std::move(job))).ok());
  jobs::Checkpoint damaged = RunOnce(id).checkpoint;
  damaged.digest_state = "damaged";
  clock_.Advance(std::chrono::minutes(1));
  auto claims = *Await(store_.ClaimReady(1, {}));
  ASSERT_TRUE(Await(store_.Update(id, claims.at(0).fence, jobs::Interrupted{{}, damaged})).ok());

  const jobs::Job done = RunOnce(id);

  ExpectStored(done, body);
  EXPECT_EQ(Attempts(id).back().resumed_from_bytes, 0U);
}

TEST_F(ObjectJobTest, ACancelledJobLeavesNothing) {
  Script({Stalls(Pattern(450'000), 250'000)});

  const jobs::Job job =
      RunAndStop(ObjectJob(), StopReason::kCancel, [this] { return !objects_->uploads.empty(); });

  EXPECT_EQ(job.state, jobs::State::kCancelled);
  EXPECT_THAT(objects_->uploads, IsEmpty());
  EXPECT_THAT(objects_->objects, IsEmpty());
  EXPECT_THAT(Notes(), IsEmpty());
}

TEST_F(ObjectJobTest, AStoreThatDoesNotAnswerHoldsNoCancelledJob) {
  Script({Stalls(Pattern(450'000), 250'000)});
  objects_->hangs_at = "AbortUpload";

  const jobs::Job job =
      RunAndStop(ObjectJob(), StopReason::kCancel, [this] { return !objects_->uploads.empty(); });

  EXPECT_EQ(job.state, jobs::State::kCancelled);
  EXPECT_EQ(Notes().size(), 1U) << "for the sweep";
}

TEST_F(ObjectJobTest, WhatCompletesIsStoppedByADrainAndGoesOnLater) {
  const std::string body = Pattern(450'000);
  Script({Whole(body), Rest(body, 400'000)});
  objects_->hangs_at = "CompleteUpload";

  const jobs::Job job = RunAndStop(ObjectJob(), StopReason::kInterrupt, [this] {
    return std::ranges::count(objects_->requests, "CompleteUpload") == 1;
  });
  EXPECT_EQ(job.state, jobs::State::kInterrupted);
  EXPECT_EQ(job.checkpoint.bytes, 400'000U);
  objects_->hangs_at.clear();

  ExpectStored(RunOnce(job.id), body);
}

TEST_F(ObjectJobTest, WhatCompletesIsStoppedByACancellation) {
  Script({Whole(Pattern(450'000))});
  objects_->hangs_at = "CompleteUpload";

  const jobs::Job job = RunAndStop(ObjectJob(), StopReason::kCancel, [this] {
    return std::ranges::count(objects_->requests, "CompleteUpload") == 1;
  });

  EXPECT_EQ(job.state, jobs::State::kCancelled);
  EXPECT_THAT(objects_->uploads, IsEmpty());
  EXPECT_THAT(objects_->objects, IsEmpty());
}

TEST_F(ObjectJobTest, AFileAndAnObjectGetTheSameBytes) {
  const std::string body = Pattern(450'000);
  Script({Cut(body, 350'000), Rest(body, 300'000)});
  jobs::Job job = ObjectJob();
  job.more_destinations = {{"file:copy", "file:copy"}};

  const jobs::Job done = RunToEnd(std::move(job));

  ASSERT_EQ(done.state, jobs::State::kSucceeded) << done.error;
  EXPECT_EQ(objects_->objects["key"].bytes, body);
  EXPECT_EQ(Content("copy"), body);
}

TEST_F(ObjectJobTest, AStoreThatRefusesIsTheJobsError) {
  Script({Whole(Pattern(1000))});
  objects_->before = [](const std::string&) { return absl::PermissionDeniedError("AccessDenied"); };

  const jobs::Job job = RunToEnd(ObjectJob());

  EXPECT_EQ(job.state, jobs::State::kFailed);
  EXPECT_TRUE(absl::IsPermissionDenied(job.error)) << job.error;
}

TEST_F(ObjectJobTest, AStoreThatIsAwayIsTriedAgain) {
  const std::string body = Pattern(1000);
  Script({Whole(body)});
  int failures = 2;
  objects_->before = [&failures](const std::string&) {
    return failures-- > 0 ? absl::UnavailableError("503") : absl::OkStatus();
  };

  ExpectStored(RunToEnd(ObjectJob()), body);
}

TEST_F(ObjectJobTest, ADestinationThatIsServedNoMoreIsTheJobsError) {
  Script({Whole(Pattern(10))});
  jobs::Job job = ObjectJob();
  job.destination = "gs://bucket/key";

  const jobs::Job done = RunToEnd(std::move(job));

  EXPECT_EQ(done.state, jobs::State::kFailed);
  EXPECT_THAT(MessageOf(done.error), ::testing::HasSubstr("no store of type gs"));
}

TEST_F(ObjectJobTest, WhatTheJobSaysIsKeptWithTheObject) {
  FakeAnswer answer = Whole("x");
  answer.headers.emplace_back("Content-Type", "text/plain");
  Script({answer});
  jobs::Job job = ObjectJob();
  job.object.tags = {{"team", "a"}};

  RunToEnd(std::move(job));

  EXPECT_EQ(objects_->objects["key"].attributes.content_type, "text/plain");
  EXPECT_EQ(objects_->objects["key"].attributes.tags.size(), 1U);
}

}  // namespace
}  // namespace fetchd::fetch
