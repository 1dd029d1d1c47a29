// What becomes of the work of callers who go away, and what the audit line says of it.
#include <chrono>
#include <sstream>
#include <string>
#include <vector>

#include "callers_fixture.h"
#include "store/database.h"

namespace fetchd::app {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class AuditOfCallsTest : public CallersFixture {
 protected:
  AuditOfCallsTest() { ::testing::internal::CaptureStderr(); }
  /// Those of `method`, once the server has stopped.
  std::vector<std::string> AuditLines(const std::string& method) {
    StopServer();
    std::istringstream log(::testing::internal::GetCapturedStderr());
    std::vector<std::string> lines;
    for (std::string line; std::getline(log, line);) {
      if (line.find(Concat("method=", method, ' ')) != std::string::npos) lines.push_back(line);
    }
    return lines;
  }
  int CountJobs() {
    v1::ListJobsRequest request;
    request.set_page_size(1000);
    v1::ListJobsResponse jobs;
    EXPECT_TRUE(fetch_->ListJobs(As("mine").get(), request, &jobs).ok());
    return jobs.jobs_size();
  }
};

/// As long as it lives nobody else writes.
class HeldDatabase {
 public:
  explicit HeldDatabase(const std::filesystem::path& path)
      : database_(*store::Database::Open(path, store::Database::Mode::kReadWrite)) {
    EXPECT_EQ(store::Query(database_, "BEGIN IMMEDIATE").Run(), absl::OkStatus());
  }

 private:
  store::Database database_;
};

TEST_F(AuditOfCallsTest, APeerThatACallerClaimsIsNotBelieved) {
  for (const std::string key : {"", "guessed", "00000000000000000000000000000000"}) {
    const auto context = As("mine");
    context->AddMetadata("fetchd-peer", "ipv4:9.9.9.9:9");
    if (!key.empty()) context->AddMetadata("fetchd-peer-key", key);
    v1::Job job;
    EXPECT_TRUE(fetch_->CreateJob(context.get(), Request(), &job).ok());
  }

  const std::vector<std::string> lines = AuditLines("CreateJob");
  EXPECT_THAT(lines, SizeIs(3));
  EXPECT_THAT(lines, Each(HasSubstr("peer=ipv4:127.0.0.1:")));
}

TEST_F(AuditOfCallsTest, AStreamThatIsResetIsAuditedWithAllThatItMade) {
  const auto context = As("mine");
  const auto stream = fetch_->CreateJobs(context.get());
  v1::CreateJobRequest request = Request();
  for (int i = 0; i < 400; ++i) ASSERT_TRUE(stream->Write(request));
  v1::CreateJobsResponse first;
  ASSERT_TRUE(stream->Read(&first));

  context->TryCancel();

  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  // The same connection: once this is answered the server has read the reset, and a drain cannot
  // be what ends the call.
  EXPECT_GE(CountJobs(), 1);
  const std::vector<std::string> lines = AuditLines("CreateJobs");
  StartServer();
  // What is read while the server stops is refused.
  EXPECT_THAT(lines, ElementsAre(AllOf(HasSubstr(Concat("resource=\"", CountJobs(), " created, ")),
                                       HasSubstr("outcome=CANCELLED"))));
}

TEST_F(AuditOfCallsTest, WhoLeavesWhileAJobIsMadeIsAuditedWithWhatCameOfIt) {
  const std::string batch = CreateBatch("mine").name();
  for (const bool in_batch : {false, true}) {
    v1::CreateJobRequest request = Request();
    if (in_batch) {
      request.mutable_job()->set_batch(batch);
      request.mutable_job()->set_batch_entry(1);
    }
    const HeldDatabase held(directory_ / "data" / "fetchd.db");
    const auto context = As("mine");
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
    v1::Job job;

    EXPECT_EQ(fetch_->CreateJob(context.get(), request, &job).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
  }

  EXPECT_THAT(AuditLines("CreateJob"),
              AllOf(SizeIs(2), Each(AllOf(HasSubstr("resource=jobs/"), HasSubstr("outcome=OK")))));
}

TEST_F(AuditOfCallsTest, WhoLeavesWhileABatchIsMadeIsAuditedWithItsName) {
  {
    const HeldDatabase held(directory_ / "data" / "fetchd.db");
    const auto context = As("mine");
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(500));
    v1::Batch batch;
    EXPECT_EQ(batch_->CreateBatch(context.get(), v1::CreateBatchRequest(), &batch).error_code(),
              grpc::StatusCode::DEADLINE_EXCEEDED);
  }

  EXPECT_THAT(AuditLines("CreateBatch"),
              AllOf(SizeIs(1),
                    Each(AllOf(HasSubstr("resource=batches/"), HasSubstr("outcome=CANCELLED")))));
}

}  // namespace
}  // namespace fetchd::app
