// One tenant's things are not there for another: every method is tried.
#include <map>

#include "callers_fixture.h"

namespace fetchd::app {
namespace {

using grpc::StatusCode;
using testing::CallMethod;
using testing::EveryMethod;
using ::testing::HasSubstr;
using testing::MethodDescriptor;
using ::testing::Not;

constexpr char kCanary[] = "canary-of-mine";

/// What one tenant asks of another's things, and what he is told.
struct Attempt {
  std::string request;  ///< $JOB, $BATCH: the other's; $URL: a body.
  StatusCode code = StatusCode::NOT_FOUND;
};

/// By method, each with what it could be used for. A method that is not here fails the test.
const std::multimap<std::string, Attempt>& Attempts() {
  static const auto* attempts = new std::multimap<std::string, Attempt>{
      {"CreateJob", {R"(job { batch: "$BATCH" batch_entry: 1 spec { urls: "$URL" } })"}},
      {"CreateJob",
       {R"(job { tenant: "mine" spec { urls: "$URL" } })", StatusCode::PERMISSION_DENIED}},
      // A stream goes on; its answer has the error.
      {"CreateJobs",
       {R"(job { batch: "$BATCH" batch_entry: 1 spec { urls: "$URL" } })", StatusCode::OK}},
      {"GetJob", {R"(name: "$JOB")"}},
      {"GetJob", {R"(name: "$JOB" view: JOB_VIEW_FULL)"}},
      {"ListJobs", {"", StatusCode::OK}},
      {"ListJobs", {R"(filter { batch: "$BATCH" })", StatusCode::OK}},
      {"ListJobs", {R"(filter { tenant: "mine" })", StatusCode::PERMISSION_DENIED}},
      {"CancelJob", {R"(name: "$JOB")"}},
      {"PauseJob", {R"(name: "$JOB")"}},
      {"ResumeJob", {R"(name: "$JOB")"}},
      {"ExplainJob", {R"(name: "$JOB")"}},
      {"RetryJob", {R"(name: "$JOB")"}},
      {"DeleteJob", {R"(name: "$JOB")"}},
      {"WatchJobs", {R"(names: "$JOB")"}},
      {"WatchJobs", {R"(filter { tenant: "mine" })", StatusCode::PERMISSION_DENIED}},
      {"Fetch", {R"(spec { urls: "$URL" })", StatusCode::OK}},  // Nobody's but the caller's.
      {"ReadBody", {R"(name: "$JOB")"}},
      {"CheckUrl", {R"(url: "$URL")", StatusCode::OK}},  // Nobody's.
      {"CreateBatch", {R"(batch { defaults { tenant: "mine" } })", StatusCode::PERMISSION_DENIED}},
      {"GetBatch", {R"(name: "$BATCH")"}},
      {"ListBatches", {"", StatusCode::OK}},
      {"SealBatch", {R"(name: "$BATCH")"}},
      {"CancelBatch", {R"(name: "$BATCH")"}},
      {"RetryBatch", {R"(name: "$BATCH")"}},
      {"RetryBatch", {R"(name: "$BATCH" cancelled_too: true)"}},
      {"DeleteBatch", {R"(name: "$BATCH")"}},
      {"ListBatchEntries", {R"(name: "$BATCH")"}},
      {"WatchBatches", {R"(names: "$BATCH")"}},
      // Of all tenants: an admin's.
      {"GetStatus", {"", StatusCode::PERMISSION_DENIED}},
      {"Drain", {"", StatusCode::PERMISSION_DENIED}},
      {"ListOrigins", {"", StatusCode::PERMISSION_DENIED}},
      {"SetOriginLimits", {R"(origin: "$URL")", StatusCode::PERMISSION_DENIED}},
      {"SetLogLevel", {R"(level: "debug")", StatusCode::PERMISSION_DENIED}},
  };
  return *attempts;
}

std::string Filled(std::string text, const std::string& word, const std::string& value) {
  for (std::size_t at; (at = text.find(word)) != std::string::npos;) {
    text.replace(at, word.size(), value);
  }
  return text;
}

class TenancyTest : public CallersFixture {
 protected:
  TenancyTest() {
    batch_name_ = CreateBatch("mine").name();
    v1::CreateJobRequest request = Request();
    request.mutable_job()->set_batch(batch_name_);
    request.mutable_job()->set_batch_entry(1);
    (*request.mutable_job()->mutable_labels())["note"] = kCanary;
    job_ = WaitForEnd("mine", Create("mine", request).name());
    EXPECT_EQ(job_.tenant(), "mine");
  }

  v1::Job Get(const std::string& principal, const std::string& name) {
    v1::GetJobRequest request;
    request.set_name(name);
    v1::Job job;
    const grpc::Status status = fetch_->GetJob(As(principal).get(), request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }
  v1::Job WaitForEnd(const std::string& principal, const std::string& name) {
    v1::WatchJobsRequest request;
    request.add_names(name);
    request.set_until_done(true);
    const auto context = As(principal);
    const auto reader = fetch_->WatchJobs(context.get(), request);
    for (v1::WatchJobsResponse event; reader->Read(&event);) resume_token_ = event.resume_token();
    EXPECT_TRUE(reader->Finish().ok());
    return Get(principal, name);
  }
  std::string Fill(std::string request) const {
    request = Filled(std::move(request), "$JOB", job_.name());
    request = Filled(std::move(request), "$BATCH", batch_name_);
    return Filled(std::move(request), "$URL", origin_.Url("/body"));
  }

  std::string batch_name_;
  v1::Job job_;
  std::string resume_token_;  ///< Of the last event that was seen.
};

TEST_F(TenancyTest, NoMethodShowsOrTouchesAnothersThings) {
  for (const MethodDescriptor* method : EveryMethod()) {
    const auto [first, last] = Attempts().equal_range(method->name());
    EXPECT_NE(first, last) << method->full_name() << " is not tried";
    for (auto attempt = first; attempt != last; ++attempt) {
      const std::string request = Fill(attempt->second.request);

      const auto outcome = CallMethod(channel_, *method, request, "theirs-token");

      EXPECT_EQ(outcome.status.error_code(), attempt->second.code)
          << method->full_name() << " " << request << " " << outcome.status.error_message();
      EXPECT_THAT(outcome.AllText(), Not(HasSubstr(kCanary))) << method->full_name();
    }
  }
  EXPECT_EQ(Get("mine", job_.name()).DebugString(), job_.DebugString());
}

TEST_F(TenancyTest, AnothersNameIsAnsweredAsOneThatIsNotThere) {
  const std::string unknown = "jobs/00000000000000000000000000";
  v1::GetJobRequest request;
  v1::Job job;
  request.set_name(job_.name());
  const grpc::Status theirs = fetch_->GetJob(As("theirs").get(), request, &job);
  request.set_name(unknown);
  const grpc::Status nobodys = fetch_->GetJob(As("theirs").get(), request, &job);

  EXPECT_EQ(theirs.error_code(), nobodys.error_code());
  EXPECT_EQ(Filled(theirs.error_message(), job_.name().substr(5), "X"),
            Filled(nobodys.error_message(), unknown.substr(5), "X"));
  EXPECT_EQ(theirs.error_details(), nobodys.error_details());
}

TEST_F(TenancyTest, AnEntryOfAnothersBatchIsNotCountedThere) {
  for (const MethodDescriptor* method : EveryMethod()) {
    if (method->name() != "CreateJobs") continue;
    const auto outcome =
        CallMethod(channel_, *method,
                   Fill(R"(job { batch: "$BATCH" batch_entry: 2 spec { urls: "not a url" } })"),
                   "theirs-token");
    ASSERT_EQ(outcome.responses.size(), 1u);
    EXPECT_THAT(outcome.responses[0], HasSubstr("code: 5"));
  }
  v1::GetBatchRequest request;
  request.set_name(batch_name_);
  v1::Batch batch;

  ASSERT_TRUE(batch_->GetBatch(As("mine").get(), request, &batch).ok());

  EXPECT_EQ(batch.counters().found().objects(), 1u);
}

TEST_F(TenancyTest, ListsHaveTheCallersOwn) {
  const std::string theirs = Create("theirs", Request()).name();
  v1::ListJobsResponse jobs;
  ASSERT_TRUE(fetch_->ListJobs(As("theirs").get(), v1::ListJobsRequest(), &jobs).ok());
  ASSERT_EQ(jobs.jobs_size(), 1);
  EXPECT_EQ(jobs.jobs(0).name(), theirs);
  EXPECT_EQ(jobs.jobs(0).tenant(), "theirs");

  v1::ListBatchesResponse batches;
  ASSERT_TRUE(batch_->ListBatches(As("theirs").get(), v1::ListBatchesRequest(), &batches).ok());
  EXPECT_EQ(batches.batches_size(), 0);
  ASSERT_TRUE(batch_->ListBatches(As("mine").get(), v1::ListBatchesRequest(), &batches).ok());
  EXPECT_EQ(batches.batches_size(), 1);
}

TEST_F(TenancyTest, AWatchHasTheCallersOwn) {
  const auto context = As("theirs");
  const auto reader = fetch_->WatchJobs(context.get(), v1::WatchJobsRequest());
  reader->WaitForInitialMetadata();
  Create("mine", Request());
  const std::string theirs = Create("theirs", Request()).name();
  v1::WatchJobsResponse event;

  ASSERT_TRUE(reader->Read(&event));

  EXPECT_EQ(event.name(), theirs);
  context->TryCancel();
}

TEST_F(TenancyTest, TokensOfOneTenantAreOfNoUseToAnother) {
  v1::WatchJobsRequest watch;
  watch.set_resume_token(resume_token_);
  const auto context = As("theirs");
  const auto reader = fetch_->WatchJobs(context.get(), watch);
  v1::WatchJobsResponse event;
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_EQ(reader->Finish().error_code(), StatusCode::INVALID_ARGUMENT);

  Create("mine", Request());
  v1::ListJobsRequest list;
  list.set_page_size(1);
  v1::ListJobsResponse jobs;
  ASSERT_TRUE(fetch_->ListJobs(As("mine").get(), list, &jobs).ok());
  ASSERT_NE(jobs.next_page_token(), "");
  list.set_page_token(jobs.next_page_token());
  EXPECT_EQ(fetch_->ListJobs(As("theirs").get(), list, &jobs).error_code(),
            StatusCode::INVALID_ARGUMENT);

  CreateBatch("mine");
  v1::ListBatchesRequest list_batches;
  list_batches.set_page_size(1);
  v1::ListBatchesResponse batches;
  ASSERT_TRUE(batch_->ListBatches(As("mine").get(), list_batches, &batches).ok());
  ASSERT_NE(batches.next_page_token(), "");
  list_batches.set_page_token(batches.next_page_token());
  EXPECT_EQ(batch_->ListBatches(As("theirs").get(), list_batches, &batches).error_code(),
            StatusCode::INVALID_ARGUMENT);
}

TEST_F(TenancyTest, ARequestIdIsATenantsOwn) {
  v1::CreateJobRequest request = Request();
  request.set_request_id("nightly");

  const v1::Job mine = Create("mine", request);
  const v1::Job theirs = Create("theirs", request);

  EXPECT_NE(mine.name(), theirs.name());
  EXPECT_EQ(Create("mine", request).name(), mine.name());
}

TEST_F(TenancyTest, AnAdminActsForAnyTenantAndSeesThemAll) {
  v1::CreateJobRequest request = Request();
  request.mutable_job()->set_tenant("theirs");
  const v1::Job job = Create("admin", request);
  EXPECT_EQ(job.tenant(), "theirs");
  EXPECT_EQ(Get("theirs", job.name()).name(), job.name());
  EXPECT_EQ(Get("admin", job_.name()).name(), job_.name());

  v1::ListJobsResponse jobs;
  ASSERT_TRUE(fetch_->ListJobs(As("admin").get(), v1::ListJobsRequest(), &jobs).ok());
  EXPECT_EQ(jobs.jobs_size(), 2);
}

TEST_F(TenancyTest, AJobOfABatchIsOfTheTenantOfTheBatch) {
  v1::CreateBatchRequest of_default;
  of_default.mutable_batch()->mutable_defaults()->set_tenant("default");
  v1::Batch batch;
  ASSERT_TRUE(batch_->CreateBatch(As("admin").get(), of_default, &batch).ok());
  v1::CreateJobRequest request = Request();
  request.mutable_job()->set_batch(batch.name());
  request.mutable_job()->set_batch_entry(1);
  EXPECT_EQ(Create("admin", request).tenant(), "default");

  request.mutable_job()->set_batch_entry(2);
  request.mutable_job()->set_tenant("theirs");
  v1::Job job;
  const grpc::Status refused = fetch_->CreateJob(As("admin").get(), request, &job);

  EXPECT_EQ(refused.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(refused.error_message(), HasSubstr("the batch's, which is default"));
}

}  // namespace
}  // namespace fetchd::app
