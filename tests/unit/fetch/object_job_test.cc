// Jobs whose bodies go to a store of objects.
#include "unit/fetch/object_job_fixture.h"

namespace fetchd::fetch {
namespace {

using ::testing::IsEmpty;

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
