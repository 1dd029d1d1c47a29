// What a caller may send.
#include "callers_fixture.h"

namespace fetchd::app {
namespace {

using grpc::StatusCode;

class CallLimitsTest : public CallersFixture {
 protected:
  grpc::Status List(std::unique_ptr<grpc::ClientContext> context) {
    v1::ListJobsResponse response;
    return fetch_->ListJobs(context.get(), v1::ListJobsRequest(), &response);
  }
};

TEST_F(CallLimitsTest, AMessageOfMoreThan4MiBIsRefused) {
  v1::CreateJobRequest request = Request();
  request.mutable_job()->mutable_spec()->set_expected_size(1);
  (*request.mutable_job()->mutable_labels())["large"] = std::string(5 << 20, 'x');
  v1::Job job;

  EXPECT_EQ(fetch_->CreateJob(As("mine").get(), request, &job).error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(List(As("mine")).ok());
}

TEST_F(CallLimitsTest, MetadataOf12KiBAreTaken) {
  auto context = As("mine");
  context->AddMetadata("large", std::string(12 << 10, 'x'));

  EXPECT_TRUE(List(std::move(context)).ok());
}

TEST_F(CallLimitsTest, MetadataOfMoreThan16KiBAreRefused) {
  auto context = As("mine");
  context->AddMetadata("large", std::string(17 << 10, 'x'));

  EXPECT_EQ(List(std::move(context)).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  // The connection may be lost by it: another one.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  fetch_ = v1::FetchService::NewStub(grpc::CreateCustomChannel(
      application_->address(), grpc::InsecureChannelCredentials(), arguments));
  EXPECT_TRUE(List(As("mine")).ok());
}

TEST_F(CallLimitsTest, ACallerWhoCallsTooOftenIsToldWhenToComeBackAndOthersAreNot) {
  StopServer();
  StartServer({"callers.calls_per_sec=1"});
  ASSERT_TRUE(List(As("mine")).ok());

  const grpc::Status refused = List(As("mine"));

  EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(refused), "CALL_RATE");
  EXPECT_TRUE(List(As("theirs")).ok());
}

TEST_F(CallLimitsTest, SubmissionsAreShedFirstAndCancelsAndWatchesStillAnswer) {
  StopServer();
  StartServer({"callers.calls_per_sec=1", "tenants.mine.max_transfers=0"});
  v1::Job job;
  ASSERT_TRUE(fetch_->CreateJob(As("mine").get(), Request(), &job).ok());
  v1::Job further;
  const grpc::Status shed = fetch_->CreateJob(As("mine").get(), Request(), &further);
  EXPECT_EQ(shed.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(shed), "CALL_RATE");

  v1::CancelJobRequest cancel;
  cancel.set_name(job.name());
  v1::Job cancelled;
  EXPECT_TRUE(fetch_->CancelJob(As("mine").get(), cancel, &cancelled).ok());
  EXPECT_EQ(cancelled.state(), v1::Job::CANCELLED);
}

TEST_F(CallLimitsTest, AWatchTooManyIsToldToComeBackAndTheOthersGoOn) {
  StopServer();
  StartServer({"grpc.max_watches=1"});
  v1::WatchJobsRequest request;
  auto first_context = As("mine");
  const auto first = fetch_->WatchJobs(first_context.get(), request);
  first->WaitForInitialMetadata();

  auto second_context = As("mine");
  const auto second = fetch_->WatchJobs(second_context.get(), request);
  v1::WatchJobsResponse event;
  EXPECT_FALSE(second->Read(&event));
  const grpc::Status refused = second->Finish();
  EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(refused), "WATCH_LIMIT");
  v1::Job job;
  ASSERT_TRUE(fetch_->CreateJob(As("mine").get(), Request(), &job).ok());
  EXPECT_TRUE(first->Read(&event));
  first_context->TryCancel();
}

TEST_F(CallLimitsTest, TheWatchesOfOneTenantLeaveOthersHalfOfThem) {
  StopServer();
  StartServer({"grpc.max_watches=2"});
  const v1::WatchJobsRequest request;
  auto first_context = As("mine");
  const auto first = fetch_->WatchJobs(first_context.get(), request);
  first->WaitForInitialMetadata();

  auto second_context = As("reader");
  const auto second = fetch_->WatchJobs(second_context.get(), request);
  v1::WatchJobsResponse event;
  EXPECT_FALSE(second->Read(&event));
  const grpc::Status refused = second->Finish();
  EXPECT_EQ(ReasonOf(refused), "WATCH_LIMIT");
  EXPECT_THAT(refused.error_message(), ::testing::HasSubstr("of your tenant"));
  auto third_context = As("theirs");
  const auto third = fetch_->WatchJobs(third_context.get(), request);
  third->WaitForInitialMetadata();
  EXPECT_TRUE(
      fetch_->CreateJob(As("theirs").get(), Request(), std::make_unique<v1::Job>().get()).ok());
  EXPECT_TRUE(third->Read(&event));
  first_context->TryCancel();
  third_context->TryCancel();
}

}  // namespace
}  // namespace fetchd::app
