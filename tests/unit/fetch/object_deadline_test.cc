// What a store does not answer ends with the job.
#include "unit/fetch/object_job_fixture.h"

namespace fetchd::fetch {
namespace {

using ::testing::IsEmpty;

// A request of each kind that is never answered, in a job that has a minute.
struct HangingRequest {
  const char* name;
  std::size_t size = 450'000;
  jobs::Overwrite overwrite = jobs::Overwrite::kAlways;
  bool resumes = false;  ///< It is of the second attempt.
};
void PrintTo(const HangingRequest& c, std::ostream* out) { *out << c.name; }
class JobDeadlineTest : public ObjectJobTest, public ::testing::WithParamInterface<HangingRequest> {
 protected:
  static constexpr auto kTime = std::chrono::minutes(1);

  jobs::Job TimedJob() {
    const std::string body = Pattern(GetParam().size);
    Script({GetParam().resumes ? Cut(body, 350'000) : Whole(body), Whole(body)});
    jobs::Job job = ObjectJob();
    job.overwrite = GetParam().overwrite;
    job.deadline_at = clock_.WallNow() + kTime;
    return job;
  }
};

TEST_P(JobDeadlineTest, EndsWhatAStoreDoesNotAnswerAndNothingIsLeft) {
  const SteadyTime began = clock_.Now();
  jobs::Job job = TimedJob();
  const JobId id = job.id;
  ASSERT_TRUE(Await(store_.Create(std::move(job))).ok());
  if (GetParam().resumes) {
    ASSERT_EQ(RunOnce(id).state, jobs::State::kWaiting);
    clock_.Advance(std::chrono::seconds(5));
  }
  objects_->hangs_at = GetParam().name;

  job = RunOnce(id);

  EXPECT_EQ(job.state, jobs::State::kFailed);
  EXPECT_TRUE(absl::IsDeadlineExceeded(job.error)) << job.error;
  EXPECT_THAT(MessageOf(job.error), ::testing::HasSubstr("job deadline"));
  EXPECT_EQ(std::ranges::count(objects_->requests, GetParam().name), 1);
  EXPECT_EQ(clock_.Now() - began, kTime);
  EXPECT_THAT(objects_->uploads, IsEmpty());
  EXPECT_THAT(objects_->objects, IsEmpty());
  EXPECT_THAT(Notes(), IsEmpty());
  EXPECT_EQ(buffers_.budget().in_use(), 0U);
}

INSTANTIATE_TEST_SUITE_P(All, JobDeadlineTest,
                         ::testing::Values(HangingRequest{"Head", 10, jobs::Overwrite::kNever},
                                           HangingRequest{"ListParts", 450'000,
                                                          jobs::Overwrite::kAlways, true},
                                           HangingRequest{"Put", 10}, HangingRequest{"BeginUpload"},
                                           HangingRequest{"CompleteUpload"}),
                         [](const auto& info) { return info.param.name; });

TEST_F(ObjectJobTest, PartsThatDoNotArriveEndAtTheJobsDeadline) {
  Script({Whole(Pattern(900'000))});
  objects_->hangs_at = "PutPart";
  jobs::Job job = ObjectJob();
  job.deadline_at = clock_.WallNow() + std::chrono::minutes(1);

  const jobs::Job done = RunToEnd(std::move(job));

  EXPECT_TRUE(absl::IsDeadlineExceeded(done.error)) << done.error;
  EXPECT_THAT(objects_->uploads, IsEmpty());
  EXPECT_EQ(buffers_.budget().in_use(), 0U);
}

// The abort has its own time, which is bounded.
TEST_F(ObjectJobTest, AStoreThatIsSilentToTheEndHoldsAJobTenSecondsLonger) {
  Script({Whole(Pattern(450'000))});
  const SteadyTime began = clock_.Now();
  objects_->before = [this](const std::string& name) {
    if (name == "CompleteUpload") objects_->hangs_at = "AbortUpload";
    return name == "CompleteUpload" ? absl::PermissionDeniedError("no") : absl::OkStatus();
  };

  const jobs::Job job = RunToEnd(ObjectJob());

  EXPECT_EQ(job.state, jobs::State::kFailed);
  EXPECT_EQ(clock_.Now() - began, std::chrono::seconds(10));
  EXPECT_EQ(Notes().size(), 1U) << "for the sweep";
}

}  // namespace
}  // namespace fetchd::fetch
