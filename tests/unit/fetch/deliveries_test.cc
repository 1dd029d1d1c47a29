#include "fetch/deliveries.h"

#include "unit/fetch/fetch_fixture.h"

namespace fetchd::fetch {
namespace {

using jobs::State;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class DeliveriesTest : public FetchTest {
 protected:
  jobs::Job NewTee() {
    jobs::Job job = NewJob();
    job.destination = "file:a/file";
    job.more_destinations = {{.resolved = "file:b/file", .asked_for = "file:b/{basename}"}};
    return job;
  }
  /// Nothing can be written at this destination.
  void Block(const std::string& path) { std::filesystem::create_directories(root_ / path); }
  void Unblock(const std::string& path) { std::filesystem::remove(root_ / path); }

  jobs::Job Retry(const JobId& id) {
    EXPECT_TRUE(Await(store_.Update(id, jobs::Change(jobs::RetryRequested{}))).ok());
    return RunOnce(id);
  }
};

TEST_F(DeliveriesTest, OneReadBringsTheBodyToEachPlace) {
  const std::string body = Pattern(600'000);
  Script({Whole(body)});

  const jobs::Job job = RunToEnd(NewTee());

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_THAT(client_->requests(), SizeIs(1));
  EXPECT_EQ(Content("a/file"), body);
  EXPECT_EQ(Content("b/file"), body);
  EXPECT_EQ(Files(), 2u);
  ASSERT_THAT(job.result->deliveries, SizeIs(2));
  EXPECT_THAT(job.result->deliveries[1].destination, HasSubstr("/b/file"));
  EXPECT_EQ(job.result->deliveries[1].digest, job.result->digests[0].ToSri());
  EXPECT_EQ(job.result->destination, job.result->deliveries[0].destination);
}

TEST_F(DeliveriesTest, AResumeGoesOnInAllPlaces) {
  const std::string body = Pattern(500'000);
  Script({Cut(body, 300'000), Rest(body, 300'000)});

  const jobs::Job job = RunToEnd(NewTee());

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Attempts(job.id).back().resumed_from_bytes, 300'000u);
  EXPECT_EQ(Content("a/file"), body);
  EXPECT_EQ(Content("b/file"), body);
}

TEST_F(DeliveriesTest, AResumeBeginsAnewWhereOnePlaceLostItsBytes) {
  const std::string body = Pattern(500'000);
  Script({Cut(body, 300'000), Whole(body)});
  jobs::Job job = NewTee();
  const JobId id = job.id;
  ASSERT_TRUE(Await(store_.Create(std::move(job))).ok());
  ASSERT_EQ(RunOnce(id).state, State::kWaiting);
  std::filesystem::remove_all(root_ / "b");
  clock_.Advance(std::chrono::minutes(1));

  const jobs::Job ended = RunOnce(id);

  ASSERT_EQ(ended.state, State::kSucceeded) << ended.error;
  EXPECT_EQ(Attempts(id).back().resumed_from_bytes, 0u);
  EXPECT_EQ(Content("a/file"), body);
  EXPECT_EQ(Content("b/file"), body);
}

TEST_F(DeliveriesTest, APlaceThatFailsForGoodKeepsTheOthersFromNothingAndIsNamed) {
  const std::string body = Pattern(100'000);
  Script({Whole(body)});
  Block("b/file");

  const jobs::Job job = RunToEnd(NewTee());

  ASSERT_EQ(job.state, State::kFailed);
  EXPECT_EQ(Content("a/file"), body);
  EXPECT_EQ(Files(), 1u) << "no temporary file is left";
  EXPECT_THAT(MessageOf(job.error), HasSubstr("1 of 2 destinations did not get the body: "
                                              "file:b/file: "));
  EXPECT_EQ(GetReason(job.error)->reason, "DESTINATION_INVALID");
  ASSERT_TRUE(job.result.has_value());
  EXPECT_TRUE(job.result->deliveries[0].error.ok());
  EXPECT_EQ(GetReason(job.result->deliveries[1].error)->reason, "DESTINATION_INVALID");
  EXPECT_EQ(job.result->deliveries[1].digest, "");
  EXPECT_EQ(job.result->size_bytes, body.size());
}

TEST_F(DeliveriesTest, ARetryWritesOnlyWhereTheBodyIsMissing) {
  const std::string first = Pattern(1000, 1);
  const std::string second = Pattern(1000, 2);
  Script({Whole(first), Whole(second, "\"v2\"")});
  Block("b/file");
  jobs::Job tee = NewTee();
  tee.overwrite = jobs::Overwrite::kNever;
  const jobs::Job failed = RunToEnd(std::move(tee));
  Unblock("b/file");

  const jobs::Job job = Retry(failed.id);

  ASSERT_EQ(job.state, State::kSucceeded) << job.error;
  EXPECT_EQ(Content("a/file"), first);
  EXPECT_EQ(Content("b/file"), second);
  EXPECT_EQ(job.result->deliveries[0].digest, failed.result->deliveries[0].digest);
  EXPECT_EQ(job.result->deliveries[1].digest, job.result->digests[0].ToSri());
  EXPECT_EQ(job.result->destination, failed.result->destination);
}

TEST_F(DeliveriesTest, WhenAllFailThereIsNoResult) {
  Script({Whole(Pattern(1000))});
  Block("a/file");
  Block("b/file");

  const jobs::Job job = RunToEnd(NewTee());

  EXPECT_EQ(job.state, State::kFailed);
  EXPECT_FALSE(job.result.has_value());
  EXPECT_EQ(Files(), 0u);
}

TEST_F(DeliveriesTest, ItIsUnchangedWhereAllAre) {
  const std::string body = Pattern(1000);
  Script({Whole(body)});
  jobs::Job first = NewJob();
  first.destination = "file:a/file";
  ASSERT_EQ(RunToEnd(std::move(first)).state, State::kSucceeded);
  jobs::Job tee = NewTee();
  tee.overwrite = jobs::Overwrite::kIfDifferent;
  const jobs::Job once = RunToEnd(tee);
  tee.id = JobId::Generate(clock_.WallNow(), random_);

  const jobs::Job again = RunToEnd(std::move(tee));

  EXPECT_TRUE(once.result->deliveries[0].unchanged);
  EXPECT_FALSE(once.result->unchanged);
  EXPECT_TRUE(again.result->unchanged);
}

TEST_F(DeliveriesTest, ADamagedDestinationFailsTheJob) {
  Script({Whole("x")});
  jobs::Job job = NewTee();
  job.more_destinations[0].resolved = "file:../b";

  EXPECT_EQ(RunToEnd(std::move(job)).state, State::kFailed);
}

}  // namespace
}  // namespace fetchd::fetch
