#include <gmock/gmock.h>

#include <mutex>
#include <set>

#include "fake_service.h"

namespace fetchd::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

v1::Job JobFor(const v1::CreateJobRequest& request, std::size_t number) {
  v1::Job job = request.job();
  job.set_name("jobs/" + std::to_string(number));
  job.set_state(v1::Job::QUEUED);
  return job;
}

/// Answers each request with a job, or PERMISSION_DENIED for URLs of "http://denied/".
class SubmitTest : public CliTest {
 protected:
  using Stream = grpc::ServerReaderWriter<v1::CreateJobsResponse, v1::CreateJobRequest>;

  void SetUp() override {
    CliTest::SetUp();
    service_.create = [this](Stream& stream) { return Create(stream); };
  }
  grpc::Status Create(Stream& stream) {
    v1::CreateJobRequest request;
    while (stream.Read(&request)) {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
      if (requests_.size() == break_after_) return {grpc::StatusCode::UNAVAILABLE, "restart"};
      v1::CreateJobsResponse response;
      if (request.job().spec().urls(0) == "http://denied/") {
        response.mutable_error()->set_code(grpc::StatusCode::PERMISSION_DENIED);
        response.mutable_error()->set_message("not allowed");
      } else {
        *response.mutable_job() = JobFor(request, ++jobs_);
        response.set_created(true);
      }
      stream.Write(response);
    }
    return grpc::Status::OK;
  }
  static void SendEnd(grpc::ServerWriter<v1::WatchJobsResponse>& writer, const std::string& name,
                      v1::Job::State state) {
    v1::WatchJobsResponse event;
    event.set_name(name);
    event.set_resume_token("after-" + name);
    v1::Job& job = *event.mutable_state_change()->mutable_job();
    event.mutable_state_change()->set_state(state);
    job.set_name(name);
    job.set_state(state);
    if (state == v1::Job::SUCCEEDED) {
      job.mutable_result()->set_size_bytes(0);
      job.mutable_result()->set_destination("file:///srv/" + name);
      job.mutable_result()->add_digests("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    } else {
      job.mutable_error()->set_code(grpc::StatusCode::NOT_FOUND);
      job.mutable_error()->set_message("HTTP 404");
    }
    writer.Write(event);
  }

  std::mutex mutex_;
  std::vector<v1::CreateJobRequest> requests_;
  std::size_t break_after_ = 0;  ///< The stream breaks at this request; 0: never.
  std::size_t jobs_ = 0;
};

TEST_F(SubmitTest, PrintsALineAJobAndASummary) {
  EXPECT_EQ(RunCommand({"submit", "http://a/", "http://b/"}), ExitCode::kDone);

  EXPECT_EQ(out_.str(),
            "NAME                             STATE        URL\n"
            "jobs/1                           QUEUED       http://a/\n"
            "jobs/2                           QUEUED       http://b/\n");
  EXPECT_EQ(err_.str(), "fetchctl: 2 created, 0 existing, 0 refused\n");
}

TEST_F(SubmitTest, NamesOnlyForScripts) {
  EXPECT_EQ(RunCommand({"submit", "-q", "-o", "name", "http://a/", "http://b/"}), ExitCode::kDone);

  EXPECT_EQ(out_.str(), "jobs/1\njobs/2\n");
  EXPECT_EQ(err_.str(), "");
}

TEST_F(SubmitTest, TheBytesMayGoToSeveralPlaces) {
  Write("list", R"({"url": "http://b/", "more_destinations": ["file:c"]})");
  EXPECT_EQ(
      RunCommand({"submit", "http://a/", "-i", Path("list"), "--to", "file:a", "--to", "file:b"}),
      ExitCode::kDone);

  ASSERT_THAT(requests_, SizeIs(2));
  EXPECT_EQ(requests_[0].job().destination(), "file:a");
  EXPECT_THAT(requests_[0].job().more_destinations(), ::testing::ElementsAre("file:b"));
  EXPECT_EQ(requests_[1].job().destination(), "");
  EXPECT_THAT(requests_[1].job().more_destinations(), ::testing::ElementsAre("file:c"));
}

TEST_F(SubmitTest, FlagsSayWhatIsKeptWithObjectsUnlessALineDoes) {
  Write("list", R"({"url": "http://b/", "object": {"content_type": "own", "tags": {"k": "v"}}})");
  EXPECT_EQ(RunCommand({"submit", "http://a/", "-i", Path("list"), "--content-type", "text/plain",
                        "--content-disposition", "inline", "--cache-control", "no-store",
                        "--storage-class", "IA", "--metadata", "a=b", "--metadata", "c=d", "--tag",
                        "team=x"}),
            ExitCode::kDone);

  ASSERT_THAT(requests_, SizeIs(2));
  const v1::ObjectSettings& object = requests_[0].job().object();
  EXPECT_EQ(object.content_type(), "text/plain");
  EXPECT_EQ(object.content_disposition(), "inline");
  EXPECT_EQ(object.cache_control(), "no-store");
  EXPECT_EQ(object.storage_class(), "IA");
  EXPECT_EQ(object.metadata().at("a"), "b");
  EXPECT_EQ(object.metadata().at("c"), "d");
  EXPECT_EQ(object.tags().at("team"), "x");
  EXPECT_EQ(requests_[1].job().object().content_type(), "own");
  EXPECT_EQ(requests_[1].job().object().tags().at("k"), "v");
  EXPECT_EQ(requests_[1].job().object().metadata_size(), 0);
}

TEST_F(SubmitTest, FlagsFillInWhatALineDoesNotSay) {
  Write("list",
        "http://a/\n"
        R"({"url": "http://b/", "destination": "file:b", "priority": 7, "labels": {"k": "own"}})");

  EXPECT_EQ(RunCommand({"submit",     "-i",
                        Path("list"), "--to",
                        "discard:",   "--priority",
                        "-3",         "--label",
                        "k=flag",     "--overwrite",
                        "never",      "--max-attempts",
                        "2",          "--timeout-connect",
                        "3s",         "--digest",
                        "--user",     "u:p",
                        "--range",    "0-9",
                        "--proxy",    "corp"}),
            ExitCode::kDone);

  ASSERT_THAT(requests_, SizeIs(2));
  const v1::Job& first = requests_[0].job();
  EXPECT_EQ(first.destination(), "discard:");
  EXPECT_EQ(first.priority(), -3);
  EXPECT_EQ(first.labels().at("k"), "flag");
  EXPECT_EQ(first.overwrite(), v1::Job::OVERWRITE_NEVER);
  EXPECT_EQ(first.spec().retry_policy().max_attempts(), 2);
  EXPECT_EQ(first.spec().timeouts().connect().seconds(), 3);
  EXPECT_EQ(first.spec().credentials().digest().password(), "p");
  EXPECT_EQ(first.spec().range().last(), 9u);
  EXPECT_EQ(first.spec().proxy(), "corp");
  const v1::Job& second = requests_[1].job();
  EXPECT_EQ(second.destination(), "file:b");
  EXPECT_EQ(second.priority(), 7);
  EXPECT_EQ(second.labels().at("k"), "own");
}

TEST_F(SubmitTest, NothingIsSubmittedWhileALineIsWrong) {
  Write("list", "http://a/\nhttp://b c\n{\"x\": 1}\n");

  EXPECT_EQ(RunCommand({"submit", "-i", Path("list")}), ExitCode::kUsage);

  EXPECT_THAT(requests_, IsEmpty());
  EXPECT_THAT(err_.str(), HasSubstr("list:2: "));
  EXPECT_THAT(err_.str(), HasSubstr("list:3: "));
}

TEST_F(SubmitTest, RefusalsByPolicyAloneAreExitCodeFive) {
  EXPECT_EQ(RunCommand({"submit", "http://a/", "http://denied/"}), ExitCode::kRefused);

  EXPECT_THAT(err_.str(), HasSubstr("http://denied/: not allowed"));
  EXPECT_THAT(err_.str(), HasSubstr("1 created, 0 existing, 1 refused"));
}

TEST_F(SubmitTest, RequestIdIsForOneJob) {
  EXPECT_EQ(RunCommand({"submit", "http://a/", "http://b/", "--request-id", "x"}),
            ExitCode::kUsage);
  EXPECT_EQ(RunCommand({"submit", "http://a/", "--request-id", "x"}), ExitCode::kDone);

  ASSERT_THAT(requests_, SizeIs(1));
  EXPECT_EQ(requests_[0].request_id(), "x");
}

TEST_F(SubmitTest, UnansweredJobsAreSentAgainUnderTheirIds) {
  break_after_ = 2;

  EXPECT_EQ(RunCommand({"submit", "http://a/", "http://b/", "http://c/", "-o", "name"}),
            ExitCode::kDone);

  EXPECT_EQ(out_.str(), "jobs/1\njobs/2\njobs/3\n");
  ASSERT_THAT(requests_, SizeIs(4));
  EXPECT_EQ(requests_[1].job().spec().urls(0), "http://b/");
  EXPECT_EQ(requests_[2].request_id(), requests_[1].request_id());
  EXPECT_THAT(requests_[1].request_id(), Not(IsEmpty()));
}

TEST_F(SubmitTest, ManyJobsGoThroughTheWindow) {
  std::string list;
  for (int i = 0; i < 2'500; ++i) list += "http://a/" + std::to_string(i) + "\n";
  Write("list", list);

  EXPECT_EQ(RunCommand({"submit", "-i", Path("list"), "-o", "name"}), ExitCode::kDone);

  ASSERT_THAT(requests_, SizeIs(2'500));
  std::set<std::string> ids;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    EXPECT_EQ(requests_[i].job().spec().urls(0), "http://a/" + std::to_string(i));
    ids.insert(requests_[i].request_id());
  }
  EXPECT_THAT(ids, SizeIs(2'500));
  EXPECT_THAT(err_.str(), HasSubstr("2500 created"));
}

TEST_F(SubmitTest, WaitSurvivesABrokenWatchAndPrintsEachEndOnce) {
  std::vector<std::string> tokens;
  service_.watch = [&](const v1::WatchJobsRequest& request, auto& writer) {
    EXPECT_THAT(request.names(), ElementsAre("jobs/1", "jobs/2"));
    EXPECT_TRUE(request.until_done());
    tokens.push_back(request.resume_token());
    SendEnd(writer, "jobs/1", v1::Job::SUCCEEDED);
    if (tokens.size() == 1) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "restart");
    SendEnd(writer, "jobs/2", v1::Job::SUCCEEDED);
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"submit", "-q", "--wait", "http://a/", "http://b/"}), ExitCode::kDone);

  EXPECT_THAT(tokens, ElementsAre("", "after-jobs/1"));
  const std::string hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  EXPECT_EQ(out_.str(), "NAME                             STATE        SIZE        SHA256" +
                            std::string(60, ' ') + "DETAIL\n" +
                            "jobs/1                           SUCCEEDED    0 B         " + hash +
                            "  file:///srv/jobs/1\n" +
                            "jobs/2                           SUCCEEDED    0 B         " + hash +
                            "  file:///srv/jobs/2\n");
}

TEST_F(SubmitTest, JobThatADrainingServiceRefusesIsSentAgain) {
  const auto accept = service_.create;
  int streams = 0;
  service_.create = [&](auto& stream) {
    if (++streams > 1) return accept(stream);
    v1::CreateJobRequest request;
    EXPECT_TRUE(stream.Read(&request));
    v1::CreateJobsResponse response;
    *response.mutable_job() = JobFor(request, ++jobs_);
    response.set_created(true);
    stream.Write(response);
    const grpc::Status draining = StatusWith(grpc::StatusCode::UNAVAILABLE, "drain", "DRAINING");
    EXPECT_TRUE(response.mutable_error()->ParseFromString(draining.error_details()));
    while (stream.Read(&request)) stream.Write(response);
    return draining;
  };

  EXPECT_EQ(RunCommand({"submit", "-o", "name", "http://a/", "http://b/", "http://c/"}),
            ExitCode::kDone);

  EXPECT_EQ(out_.str(), "jobs/1\njobs/2\njobs/3\n");
  EXPECT_THAT(err_.str(), HasSubstr("3 created, 0 existing, 0 refused"));
}

TEST_F(SubmitTest, WatchThatEndsTooEarlyIsNoSuccess) {
  service_.watch = [&](const v1::WatchJobsRequest&, auto& writer) {
    SendEnd(writer, "jobs/1", v1::Job::SUCCEEDED);
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"submit", "--wait", "http://a/", "http://b/"}), ExitCode::kFetchFailed);

  EXPECT_THAT(err_.str(), HasSubstr("fetchctl watch jobs/2"));
}

TEST_F(SubmitTest, UnknownResumeTokenStartsFromTheStatesNow) {
  int calls = 0;
  service_.watch = [&](const v1::WatchJobsRequest& request, auto& writer) {
    ++calls;
    if (!request.resume_token().empty()) {
      return grpc::Status(grpc::StatusCode::OUT_OF_RANGE, "unknown token");
    }
    if (calls == 1) {
      v1::WatchJobsResponse event;
      event.set_name("jobs/1");
      event.set_resume_token("t");
      event.mutable_state_change()->set_state(v1::Job::RUNNING);
      writer.Write(event);
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "restart");
    }
    SendEnd(writer, "jobs/1", v1::Job::SUCCEEDED);
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"watch", "1"}), ExitCode::kDone);

  EXPECT_EQ(calls, 3);
}

TEST_F(SubmitTest, FailedJobIsExitCodeOne) {
  service_.watch = [](const v1::WatchJobsRequest&, auto& writer) {
    SendEnd(writer, "jobs/1", v1::Job::FAILED);
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"submit", "--wait", "http://a/"}), ExitCode::kFetchFailed);

  EXPECT_THAT(err_.str(), HasSubstr("jobs/1 FAILED: HTTP 404"));
}

TEST_F(SubmitTest, InterruptLeavesTheJobsAndSaysHowToWatchThem) {
  service_.watch = [this](const v1::WatchJobsRequest&, auto& writer) {
    SendEnd(writer, "jobs/1", v1::Job::SUCCEEDED);
    interrupt_.Trigger();
    return grpc::Status::CANCELLED;
  };

  EXPECT_EQ(RunCommand({"submit", "--wait", "http://a/", "http://b/"}), ExitCode::kInterrupted);

  EXPECT_THAT(err_.str(), HasSubstr("fetchctl watch jobs/"));
}

TEST_F(SubmitTest, WaitTimeoutIsExitCodeSix) {
  service_.watch = [](const v1::WatchJobsRequest&, auto& writer) {
    v1::WatchJobsResponse event;
    event.set_name("jobs/1");
    while (writer.Write(event)) {
    }
    return grpc::Status::CANCELLED;
  };

  EXPECT_EQ(RunCommand({"submit", "--wait", "--wait-timeout", "50ms", "http://a/"}),
            ExitCode::kTimeout);

  EXPECT_THAT(err_.str(), HasSubstr("fetchctl watch jobs/1"));
}

}  // namespace
}  // namespace fetchd::cli
