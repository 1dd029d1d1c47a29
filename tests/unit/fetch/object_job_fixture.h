// Jobs whose bodies go to a store of objects in memory.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/memory_object_store.h"
#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {

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
    EXPECT_THAT(objects_->uploads, ::testing::IsEmpty());
    EXPECT_THAT(Notes(), ::testing::IsEmpty());
    EXPECT_EQ(buffers_.budget().in_use(), 0U);
  }

  testing::MemoryObjectStore* objects_;
};

}  // namespace fetchd::fetch
