#include <gmock/gmock.h>

#include <mutex>

#include "base/strings.h"
#include "cli/manifest.h"
#include "fake_service.h"

namespace fetchd::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// A service that takes any entry but those of "http://denied/".
class BatchTest : public CliTest {
 protected:
  using Stream = grpc::ServerReaderWriter<v1::CreateJobsResponse, v1::CreateJobRequest>;

  void SetUp() override {
    CliTest::SetUp();
    batches_.create = [this](const v1::CreateBatchRequest& request, v1::Batch& batch) {
      created_ = request;
      batch = request.batch();
      return Name(batch);
    };
    batches_.get = [this](const std::string& name, v1::Batch& batch) {
      asked_.push_back("get " + name);
      return Name(batch);
    };
    batches_.seal = [this](const std::string& name, v1::Batch& batch) {
      asked_.push_back("seal " + name);
      batch.set_state(v1::Batch::RUNNING);
      return Name(batch);
    };
    service_.create = [this](Stream& stream) { return Create(stream); };
  }
  static grpc::Status Name(v1::Batch& batch) {
    batch.set_name("batches/1");
    return grpc::Status::OK;
  }
  grpc::Status Create(Stream& stream) {
    v1::CreateJobRequest request;
    while (stream.Read(&request)) {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
      v1::CreateJobsResponse response;
      if (request.job().spec().urls(0) == "http://denied/") {
        response.mutable_error()->set_code(grpc::StatusCode::PERMISSION_DENIED);
        response.mutable_error()->set_message("not allowed");
      } else if (request.job().spec().urls(0) == "http://full/") {
        response.mutable_error()->set_code(grpc::StatusCode::RESOURCE_EXHAUSTED);
        response.mutable_error()->set_message("disk full");
      } else if (request.job().spec().urls(0) == "http://sealed/") {
        response.mutable_error()->set_code(grpc::StatusCode::FAILED_PRECONDITION);
        response.mutable_error()->set_message("it is sealed");
      } else {
        response.mutable_job()->set_name(Concat("jobs/", requests_.size()));
        response.set_created(true);
      }
      stream.Write(response);
    }
    return grpc::Status::OK;
  }
  /// A watch that ends at once with a batch in this state.
  void EndsIn(v1::Batch::State state, std::vector<int> error_codes = {}) {
    batches_.watch = [state, error_codes](const v1::WatchBatchesRequest& request,
                                          grpc::ServerWriter<v1::WatchBatchesResponse>& writer) {
      v1::WatchBatchesResponse response;
      response.mutable_batch()->set_name(request.names(0));
      response.mutable_batch()->set_state(state);
      for (const int code : error_codes) response.mutable_batch()->add_errors()->set_code(code);
      writer.Write(response);
      return grpc::Status::OK;
    };
  }

  std::mutex mutex_;
  v1::CreateBatchRequest created_;
  std::vector<v1::CreateJobRequest> requests_;
  std::vector<std::string> asked_;
};

TEST_F(BatchTest, CreateSendsEachEntryWithItsNumberThenSeals) {
  Write("list", "http://a/\n\n{\"url\": \"http://b/\", \"request_id\": \"own\"}\n");

  EXPECT_EQ(RunCommand({"batch", "create", "-i", Path("list"), "--title", "nightly", "--to",
                        "file:{basename}", "--label", "k=v", "--priority", "3", "--request-id",
                        "n-1", "--header", "Accept: x/y"}),
            ExitCode::kDone)
      << err_.str();

  EXPECT_EQ(created_.request_id(), "n-1");
  EXPECT_EQ(created_.batch().display_name(), "nightly");
  EXPECT_EQ(created_.batch().defaults().destination(), "file:{basename}");
  EXPECT_EQ(created_.batch().defaults().labels().at("k"), "v");
  EXPECT_EQ(created_.batch().defaults().priority(), 3);
  ASSERT_THAT(requests_, SizeIs(2));
  EXPECT_EQ(requests_[0].job().batch(), "batches/1");
  EXPECT_EQ(requests_[0].job().batch_entry(), 1);
  EXPECT_EQ(requests_[0].request_id(), "batches/1:1");
  EXPECT_EQ(requests_[0].job().spec().headers(0).name(), "Accept");
  EXPECT_EQ(requests_[0].job().destination(), "") << "the batch's holds";
  EXPECT_EQ(requests_[1].job().batch_entry(), 3);
  EXPECT_EQ(requests_[1].request_id(), "own");
  EXPECT_THAT(asked_, ElementsAre("seal batches/1"));
  EXPECT_THAT(out_.str(), HasSubstr("batches/1"));
  EXPECT_THAT(err_.str(), HasSubstr("2 created, 0 existing, 0 refused"));
}

TEST_F(BatchTest, AManifestThatIsWrongMakesNothing) {
  Write("list.csv", "url,size\nhttp://a/,x\nhttp://b/\n");

  EXPECT_EQ(RunCommand({"batch", "create", "-i", Path("list.csv")}), ExitCode::kUsage);

  EXPECT_THAT(err_.str(), HasSubstr("list.csv:2: column \"size\""));
  EXPECT_THAT(err_.str(), HasSubstr("list.csv:3: 1 fields"));
  EXPECT_THAT(err_.str(), HasSubstr("2 entries are wrong; nothing was submitted"));
  EXPECT_THAT(requests_, IsEmpty());
  EXPECT_EQ(created_.ByteSizeLong(), 0u);
}

TEST_F(BatchTest, ResumeSendsTheSameRequestsToTheBatchThatIsThere) {
  Write("list", "http://a/\n");

  EXPECT_EQ(RunCommand({"batch", "create", "-i", Path("list"), "--resume", "1"}), ExitCode::kDone);

  EXPECT_THAT(asked_, ElementsAre("get batches/1", "seal batches/1"));
  ASSERT_THAT(requests_, SizeIs(1));
  EXPECT_EQ(requests_[0].request_id(), "batches/1:1");
}

TEST_F(BatchTest, ResumeTakesNoDefaults) {
  EXPECT_EQ(RunCommand({"batch", "create", "-i", "x", "--resume", "1", "--to", "discard:"}),
            ExitCode::kUsage);
}

TEST_F(BatchTest, RefusedEntriesAreSaidAndTheBatchIsSealedAllTheSame) {
  Write("list", "http://a/\nhttp://denied/\n");

  EXPECT_EQ(RunCommand({"batch", "create", "-i", Path("list")}), ExitCode::kRefused);

  EXPECT_THAT(err_.str(), HasSubstr("list:2: not allowed"));
  EXPECT_THAT(asked_, ElementsAre("seal batches/1"));
}

TEST_F(BatchTest, ManyRefusalsAreNotSaidOneByOne) {
  std::string list;
  for (int i = 0; i < 25; ++i) list += "http://denied/\n";
  Write("list", list);

  RunCommand({"batch", "create", "-i", Path("list")});

  EXPECT_THAT(err_.str(), HasSubstr("list:10: not allowed"));
  EXPECT_THAT(err_.str(), Not(HasSubstr("list:11: not allowed")));
  EXPECT_THAT(err_.str(), HasSubstr("15 more; see fetchctl batch results batches/1 --failed"));
}

TEST_F(BatchTest, ABatchThatCouldNotBeSentWholeStaysOpen) {
  Write("list", "http://a/\nhttp://full/\n");

  EXPECT_EQ(RunCommand({"batch", "create", "-i", Path("list")}), ExitCode::kFetchFailed);

  EXPECT_THAT(asked_, IsEmpty()) << "not sealed";
  EXPECT_THAT(err_.str(), HasSubstr("fetchctl batch create --resume batches/1 -i"));
}

TEST_F(BatchTest, NobodyIsToldToGoOnWithASealedBatch) {
  Write("list", "http://sealed/\n");

  EXPECT_EQ(RunCommand({"batch", "create", "-i", Path("list"), "--resume", "1"}),
            ExitCode::kFetchFailed);

  EXPECT_THAT(err_.str(), HasSubstr("list:1: it is sealed"));
  EXPECT_THAT(err_.str(), Not(HasSubstr("go on with")));
}

TEST_F(BatchTest, WaitingEndsWithWhatBecameOfTheBatch) {
  const struct {
    v1::Batch::State state;
    std::vector<int> errors;
    ExitCode expected;
  } cases[] = {
      {v1::Batch::SUCCEEDED, {}, ExitCode::kDone},
      {v1::Batch::FAILED, {grpc::StatusCode::NOT_FOUND}, ExitCode::kFetchFailed},
      {v1::Batch::FAILED, {grpc::StatusCode::PERMISSION_DENIED}, ExitCode::kRefused},
      {v1::Batch::FAILED,
       {grpc::StatusCode::PERMISSION_DENIED, grpc::StatusCode::NOT_FOUND},
       ExitCode::kFetchFailed},
      {v1::Batch::CANCELLED, {}, ExitCode::kFetchFailed},
  };
  for (const auto& test : cases) {
    EndsIn(test.state, test.errors);
    EXPECT_EQ(RunCommand({"batch", "wait", "1"}), test.expected)
        << v1::Batch::State_Name(test.state);
  }
}

TEST_F(BatchTest, WaitingGoesOnWhenTheServiceComesBack) {
  int watches = 0;
  batches_.watch = [&watches](const v1::WatchBatchesRequest& request,
                              grpc::ServerWriter<v1::WatchBatchesResponse>& writer) {
    EXPECT_TRUE(request.until_done());
    v1::WatchBatchesResponse response;
    response.mutable_batch()->set_name(request.names(0));
    response.mutable_batch()->set_state(++watches == 1 ? v1::Batch::RUNNING : v1::Batch::SUCCEEDED);
    writer.Write(response);
    return watches == 1 ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "restart") : grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"batch", "wait", "1", "-o", "name"}), ExitCode::kDone);

  EXPECT_EQ(watches, 2);
  EXPECT_EQ(out_.str(), "batches/1\n");
}

TEST_F(BatchTest, WaitingForNothingIsNotFoundAndWaitingTooLongATimeout) {
  batches_.watch = [](const v1::WatchBatchesRequest&,
                      grpc::ServerWriter<v1::WatchBatchesResponse>&) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no batch");
  };
  EXPECT_EQ(RunCommand({"batch", "wait", "1"}), ExitCode::kNotFound);

  batches_.watch = [](const v1::WatchBatchesRequest&,
                      grpc::ServerWriter<v1::WatchBatchesResponse>&) {
    return grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "too long");
  };
  EXPECT_EQ(RunCommand({"batch", "wait", "1", "--timeout", "1h"}), ExitCode::kTimeout);
  EXPECT_THAT(err_.str(), HasSubstr("fetchctl batch wait batches/1"));
}

TEST_F(BatchTest, RetrySaysWhichJobsAndWaits) {
  bool cancelled_too = false;
  batches_.retry = [&cancelled_too](const v1::RetryBatchRequest& request, v1::Batch& batch) {
    cancelled_too = request.cancelled_too();
    return Name(batch);
  };
  EndsIn(v1::Batch::SUCCEEDED);

  EXPECT_EQ(RunCommand({"batch", "retry", "1", "--cancelled", "--wait"}), ExitCode::kDone);

  EXPECT_TRUE(cancelled_too);
}

TEST_F(BatchTest, DescribeShowsCountersAndErrors) {
  batches_.get = [](const std::string&, v1::Batch& batch) {
    batch.mutable_counters()->mutable_found()->set_objects(12);
    batch.mutable_counters()->mutable_failed()->set_objects(2);
    v1::Batch::ErrorGroup& group = *batch.add_errors();
    group.set_code(grpc::StatusCode::NOT_FOUND);
    group.set_reason("HTTP_STATUS");
    group.set_http_status(404);
    group.set_count(2);
    v1::Batch::Sample& sample = *group.add_samples();
    sample.set_entry(7);
    sample.set_url("http://a/\x1b[31m");
    sample.set_message("HTTP 404");
    return Name(batch);
  };

  EXPECT_EQ(RunCommand({"batch", "describe", "1"}), ExitCode::kDone);

  EXPECT_THAT(out_.str(), HasSubstr("Found:        12, 0 B"));
  EXPECT_THAT(out_.str(), HasSubstr("NOT_FOUND HTTP 404: 2\n  entry 7 refused http://a/?[31m"));
}

/// Two jobs that failed, one that succeeded, one entry that was refused, one that was skipped.
class BatchResultsTest : public BatchTest {
 protected:
  void SetUp() override {
    BatchTest::SetUp();
    batches_.entries = [](const v1::ListBatchEntriesRequest&,
                          v1::ListBatchEntriesResponse& response) {
      v1::BatchEntry& refused = *response.add_entries();
      refused.set_entry(4);
      refused.set_url("http://bad url/");
      refused.mutable_error()->set_code(grpc::StatusCode::INVALID_ARGUMENT);
      refused.mutable_error()->set_message("a space, in the \"URL\"");
      v1::BatchEntry& skipped = *response.add_entries();
      skipped.set_entry(5);
      skipped.set_job("jobs/9");
      return grpc::Status::OK;
    };
    service_.list = [](const v1::ListJobsRequest& request, v1::ListJobsResponse& response) {
      EXPECT_EQ(request.filter().batch(), "batches/1");
      const v1::Job::State state = request.filter().states(0);
      if (state == v1::Job::CANCELLED) return grpc::Status::OK;
      v1::Job& job = *response.add_jobs();
      job.set_name(state == v1::Job::FAILED ? "jobs/2" : "jobs/1");
      job.set_state(state);
      job.set_batch_entry(state == v1::Job::FAILED ? 2 : 1);
      job.mutable_spec()->add_urls("http://a/");
      job.mutable_spec()->add_urls("http://mirror/");
      job.set_destination("file:a,b");
      (*job.mutable_labels())["team"] = "core";
      if (state == v1::Job::FAILED) {
        job.mutable_error()->set_message("HTTP 404");
        job.mutable_spec()->add_headers()->set_name("Cookie");
      }
      return grpc::Status::OK;
    };
  }
};

TEST_F(BatchResultsTest, FailuresAsCsvAreAManifest) {
  EXPECT_EQ(RunCommand({"batch", "results", "1", "--failed", "-o", "csv"}), ExitCode::kDone);

  EXPECT_EQ(out_.str(),
            "url,destination,label.team,entry,error\r\n"
            "http://bad url/,,,4,\"a space, in the \"\"URL\"\"\"\r\n"
            "http://a/ http://mirror/,\"file:a,b\",core,2,HTTP 404\r\n");
  EXPECT_THAT(err_.str(), HasSubstr("give them again by flags"));
  Manifest again("again", out_.str());
  EXPECT_THAT(again.Check(), IsEmpty());
  EXPECT_TRUE(again.Next());
  const auto second = again.Next();
  ASSERT_TRUE(second);
  EXPECT_THAT(second->request.job().spec().urls(), ElementsAre("http://a/", "http://mirror/"));
  EXPECT_EQ(second->request.job().destination(), "file:a,b");
  EXPECT_EQ(second->request.job().labels().at("team"), "core");
}

TEST_F(BatchResultsTest, SignaturesThatAreNotShownAreSaidToBeMissing) {
  batches_.entries = [](const v1::ListBatchEntriesRequest&, v1::ListBatchEntriesResponse& page) {
    v1::BatchEntry& entry = *page.add_entries();
    entry.set_entry(1);
    entry.set_url("https://a/?sig=[redacted]");
    entry.mutable_error()->set_code(3);
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"batch", "results", "1", "--failed", "-o", "csv"}), ExitCode::kDone);

  EXPECT_THAT(err_.str(), HasSubstr("batch retry"));
}

TEST_F(BatchResultsTest, SuccessesAndFailuresComeApart) {
  EXPECT_EQ(RunCommand({"batch", "results", "1", "--succeeded", "-o", "name"}), ExitCode::kDone);
  EXPECT_EQ(out_.str(), "jobs/1\n");

  out_.str("");
  EXPECT_EQ(RunCommand({"batch", "results", "1", "--failed", "-o", "json"}), ExitCode::kDone);
  EXPECT_THAT(out_.str(), HasSubstr("\"entry\":\"4\""));
  EXPECT_THAT(out_.str(), HasSubstr("\"name\":\"jobs/2\""));
  EXPECT_THAT(out_.str(), Not(HasSubstr("jobs/9")));

  out_.str("");
  EXPECT_EQ(RunCommand({"batch", "results", "1"}), ExitCode::kDone);
  EXPECT_THAT(out_.str(), HasSubstr("SKIPPED"));
  EXPECT_THAT(out_.str(), HasSubstr("jobs/1"));
}

TEST_F(BatchResultsTest, WithoutSuchABatchItIsNotFound) {
  batches_.entries = [](const v1::ListBatchEntriesRequest&, v1::ListBatchEntriesResponse&) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "there is no batch");
  };

  EXPECT_EQ(RunCommand({"batch", "results", "1"}), ExitCode::kNotFound);
}

TEST_F(BatchTest, UsageErrorsSaySo) {
  const std::vector<std::vector<std::string>> wrong = {
      {"batch"},
      {"batch", "create"},
      {"batch", "create", "-i", "x", "--format", "xml"},
      {"batch", "results", "1", "--failed", "--succeeded"},
      {"batch", "wait"},
      {"batch", "retry", "1", "--wait-timeout", "1s"},
  };
  for (const auto& arguments : wrong) {
    EXPECT_EQ(RunCommand(arguments), ExitCode::kUsage) << ::testing::PrintToString(arguments);
  }
}

}  // namespace
}  // namespace fetchd::cli
