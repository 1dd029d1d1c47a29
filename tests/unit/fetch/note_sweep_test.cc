// Uploads that nobody goes on with are ended, and no others.
#include <algorithm>

#include "sink/upload_note.h"
#include "support/memory_object_store.h"
#include "unit/fetch/engine_fixture.h"

namespace fetchd::fetch {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class NoteSweepTest : public EngineTest {
 protected:
  NoteSweepTest() {
    std::vector<sink::ObjectPlace> places(1);
    places[0] = {.name = "test", .scheme = "s3", .part_bytes = 100'000, .parts_in_flight = 2};
    std::vector<asio::any_io_executor> shards;
    for (std::size_t i = 0; i < runtime_.size(); ++i) {
      auto store = std::make_unique<testing::MemoryObjectStore>(clock_);
      if (i == 0) objects_ = store.get();  // What is swept is swept there.
      places[0].by_shard.push_back(std::move(store));
      shards.push_back(runtime_.shard(i).executor());
    }
    destinations_->ServeObjects(std::move(places), buffers_, shards);
  }
  ~NoteSweepTest() override {
    engine_.reset();
    destinations_->CloseObjects();
  }

  /// A job that was paused in the middle of an upload of that id.
  JobId PausedWithUpload(int number, const std::string& upload) {
    jobs::Job job = NewJob(number);
    job.id = JobId::Generate(clock_.WallNow() + std::chrono::hours(number), random_);  // In order.
    job.destination = "s3://bucket/key";
    EXPECT_TRUE(Await(store_.Create(job)).ok());
    const auto claims = Await(store_.ClaimReady(1, {}));
    const sink::UploadNote note{.stage = sink::UploadNote::Stage::kOpen, .id = upload};
    EXPECT_TRUE(
        Await(store_.KeepSinkNote({job.id, job.destination, note.ToString()}, claims->at(0).fence))
            .ok());
    EXPECT_TRUE(Await(store_.Update(job.id, claims->at(0).fence, jobs::Paused{{}, {}})).ok());
    objects_->uploads[upload].object = {"bucket", "key"};
    return job.id;
  }
  std::vector<std::string> Uploads() { return Await(UploadsOnShard()); }
  void WaitUntilNotesAre(std::size_t count) {
    while (Await(store_.SinkNotesAt("s3://bucket/key"))->size() != count) {
      std::this_thread::yield();
    }
  }

  testing::MemoryObjectStore* objects_ = nullptr;

 private:
  Task<std::vector<std::string>> UploadsOnShard() {
    std::vector<std::string> ids;
    for (const auto& [id, upload] : objects_->uploads) ids.push_back(id);
    co_return ids;
  }
};

TEST_F(NoteSweepTest, WhatAJobLeftThatHasEndedIsEndedAtTheNextStart) {
  const JobId live = PausedWithUpload(1, "live");
  const JobId ended = PausedWithUpload(2, "ended");
  ASSERT_TRUE(Await(store_.Update(ended, jobs::CancelRequested{})).ok());

  Start([](const http::Request&) { return Whole("body"); });
  WaitUntilNotesAre(1);

  EXPECT_THAT(Uploads(), ElementsAre("live"));
  EXPECT_EQ(Await(store_.SinkNotesOf(live))->size(), 1U);
}

// Between the moment that the notes are read and that of their turn.
TEST_F(NoteSweepTest, AJobThatWasRetriedMeanwhileKeepsItsUpload) {
  PausedWithUpload(1, "retried");
  const JobId ended = PausedWithUpload(2, "ended");
  ASSERT_TRUE(Await(store_.Update(ended, jobs::CancelRequested{})).ok());
  store_.all_notes_abandoned = true;

  Start([](const http::Request&) { return Whole("body"); });
  WaitUntilNotesAre(1);
  engine_->Drain(clock_.Now());  // The sweep has ended.

  EXPECT_THAT(Uploads(), ElementsAre("retried"));
}

// What it begins is waited for, and what it does not get to is found at the next start.
TEST_F(NoteSweepTest, ACancelAfterTheDrainLeavesNothingForLong) {
  const JobId id = PausedWithUpload(1, "late");
  Start([](const http::Request&) { return Whole("body"); });
  engine_->Drain(clock_.Now());

  EXPECT_TRUE(Await(engine_->Cancel(id)).ok());
  engine_.reset();
  Start([](const http::Request&) { return Whole("body"); });
  WaitUntilNotesAre(0);

  EXPECT_THAT(Uploads(), IsEmpty());
}

}  // namespace
}  // namespace fetchd::fetch
