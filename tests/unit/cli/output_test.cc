#include <gmock/gmock.h>

#include "cli/progress.h"
#include "fake_service.h"

namespace fetchd::cli {
namespace {

using ::testing::HasSubstr;

class OutputTest : public CliTest {};

v1::Job SucceededJob() {
  v1::Job job;
  job.set_name("jobs/1");
  job.mutable_spec()->add_urls("https://example.org/a");
  job.set_destination("file:a");
  job.set_state(v1::Job::SUCCEEDED);
  job.mutable_result()->set_size_bytes(1536);
  job.mutable_result()->set_destination("file:///srv/a");
  job.set_attempt_count(1);
  return job;
}

TEST_F(OutputTest, CheckKeepsTheOrderAndPrintsFalse) {
  service_.check = [](const v1::CheckUrlRequest& request, v1::CheckUrlResponse& response) {
    response.set_url(request.url());
    response.set_allowed(request.url() != "http://127.0.0.1/");
    response.set_rule(response.allowed() ? "global" : "127.0.0.0/8");
    response.set_reason(response.allowed() ? "ALLOWED" : "LOOPBACK");
    response.set_tenant(request.tenant());
    response.set_mode("enforce");
    return grpc::Status::OK;
  };
  std::string list = "{\"url\": \"http://127.0.0.1/\", \"expect\": \"deny\"}\n";
  for (int i = 0; i < 200; ++i) list += "http://a/" + std::to_string(i) + "\n";
  Write("list", list);

  EXPECT_EQ(RunCommand({"check", "--tenant", "builds", "-i", Path("list"), "-o", "json"}),
            ExitCode::kRefused);

  std::istringstream lines(out_.str());
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(line, R"({"url":"http://127.0.0.1/","allowed":false,"rule":"127.0.0.0/8",)"
                  R"("reason":"LOOPBACK","detail":"","tenant":"builds","mode":"enforce"})");
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_THAT(line, HasSubstr("\"http://a/" + std::to_string(i) + "\""));
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(OutputTest, CheckOfAllowedUrlsIsExitCodeZero) {
  service_.check = [](const v1::CheckUrlRequest& request, v1::CheckUrlResponse& response) {
    response.set_url(request.url());
    response.set_allowed(true);
    response.set_rule("global");
    response.set_reason("ALLOWED");
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"check", "http://a/"}), ExitCode::kDone);

  EXPECT_EQ(out_.str(),
            "ALLOWED  REASON              RULE                          URL\n"
            "yes      ALLOWED             global                        http://a/\n");
}

TEST_F(OutputTest, ListFollowsPagesUpToItsLimit) {
  service_.list = [](const v1::ListJobsRequest& request, v1::ListJobsResponse& response) {
    EXPECT_EQ(request.filter().states(0), v1::Job::FAILED);
    EXPECT_EQ(request.filter().labels().at("k"), "v");
    for (int i = 0; i < std::min(request.page_size(), 2); ++i)
      *response.add_jobs() = SucceededJob();
    response.set_next_page_token("more");
    return grpc::Status::OK;
  };

  EXPECT_EQ(
      RunCommand({"list", "--state", "failed", "--label", "k=v", "--limit", "3", "-o", "name"}),
      ExitCode::kDone);

  EXPECT_EQ(out_.str(), "jobs/1\njobs/1\njobs/1\n");
  EXPECT_THAT(err_.str(), HasSubstr("there are more"));
}

TEST_F(OutputTest, ListTableIsForPeople) {
  service_.list = [](const v1::ListJobsRequest&, v1::ListJobsResponse& response) {
    v1::Job job = SucceededJob();
    job.mutable_create_time()->set_seconds(4'000'000'000);
    *response.add_jobs() = job;
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"list"}), ExitCode::kDone);

  EXPECT_EQ(out_.str(),
            "NAME                             STATE        PROGRESS    ATTEMPTS  AGE      URL\n"
            "jobs/1                           SUCCEEDED    1.5 KiB     1         0s       "
            "https://example.org/a\n");
}

TEST_F(OutputTest, DescribeShowsAttemptsAndErrors) {
  service_.get = [](const v1::GetJobRequest& request, v1::Job& job) {
    EXPECT_EQ(request.view(), v1::JOB_VIEW_FULL);
    job.set_name(request.name());
    job.set_state(v1::Job::FAILED);
    job.mutable_error()->set_code(grpc::StatusCode::UNAVAILABLE);
    job.mutable_error()->set_message("connection refused\x1b[2J");
    v1::Attempt& attempt = *job.add_attempts();
    attempt.set_number(1);
    attempt.set_outcome(v1::Attempt::OUTCOME_FAILED);
    attempt.set_failed_phase("connect");
    attempt.set_decision("gave up: no attempts left");
    v1::Attempt::Hop& hop = *attempt.add_hops();
    hop.set_url("http://a/");
    hop.mutable_connect()->set_nanos(17'000'000);
    hop.set_proxy("corp");
    hop.mutable_proxy_negotiation()->set_nanos(18'000'000);
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"describe", "1"}), ExitCode::kDone);

  EXPECT_THAT(out_.str(), HasSubstr("Name:                 jobs/1\n"));
  EXPECT_THAT(out_.str(), HasSubstr("Error:                UNAVAILABLE: connection refused?[2J\n"));
  EXPECT_THAT(out_.str(), HasSubstr("  Attempt 1:          FAILED after 0ms"));
  EXPECT_THAT(out_.str(), HasSubstr("connect 17ms, proxy 18ms"));
  EXPECT_THAT(out_.str(), HasSubstr("Proxy:          corp\n"));
  EXPECT_THAT(out_.str(), HasSubstr("gave up: no attempts left"));
}

TEST_F(OutputTest, DescribeSaysWhichDestinationsHaveTheBody) {
  service_.get = [](const v1::GetJobRequest& request, v1::Job& job) {
    job.set_name(request.name());
    job.set_destination("file:a");
    job.add_more_destinations("file:b");
    auto* there = job.mutable_result()->add_deliveries();
    there->set_destination("file:///srv/a");
    there->set_digest("sha256-x");
    auto* missing = job.mutable_result()->add_deliveries();
    missing->set_destination("file:b");
    missing->mutable_error()->set_code(grpc::StatusCode::RESOURCE_EXHAUSTED);
    missing->mutable_error()->set_message("disk full");
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"describe", "1"}), ExitCode::kDone);

  EXPECT_THAT(out_.str(), HasSubstr("Destination:          file:b\n"));
  EXPECT_THAT(out_.str(), ::testing::ContainsRegex("file:///srv/a\n +Digest: +sha256-x\n"));
  EXPECT_THAT(out_.str(),
              ::testing::ContainsRegex("file:b\n +Error: +RESOURCE_EXHAUSTED: disk full\n"));
}

TEST_F(OutputTest, MissingJobIsExitCodeFour) {
  service_.get = [](const v1::GetJobRequest&, v1::Job&) {
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such job");
  };

  EXPECT_EQ(RunCommand({"describe", "1"}), ExitCode::kNotFound);

  EXPECT_EQ(err_.str(), "fetchctl: no such job\n");
}

TEST_F(OutputTest, JsonHasSnakeCaseNamesAndZeroValues) {
  service_.get = [](const v1::GetJobRequest&, v1::Job& job) {
    job = SucceededJob();
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"describe", "1", "-o", "json"}), ExitCode::kDone);

  EXPECT_THAT(out_.str(), HasSubstr(R"("attempt_count":1)"));
  EXPECT_THAT(out_.str(), HasSubstr(R"("priority":0)"));
  EXPECT_THAT(out_.str(), HasSubstr(R"("state":"SUCCEEDED")"));
  const std::string text = out_.str();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST_F(OutputTest, JsonOfUnknownErrorDetailsLeavesThemOut) {
  service_.get = [](const v1::GetJobRequest&, v1::Job& job) {
    job.set_name("jobs/1");
    job.mutable_error()->set_message("no");
    auto* detail = job.mutable_error()->add_details();
    detail->set_type_url("type.googleapis.com/not.known.Here");
    detail->set_value("\n\x01x");
    return grpc::Status::OK;
  };

  EXPECT_EQ(RunCommand({"describe", "1", "-o", "json"}), ExitCode::kDone);

  EXPECT_THAT(out_.str(), HasSubstr(R"("error":{"code":0,"message":"no","details":[]})"));
}

TEST_F(OutputTest, TerminalShowsABarAJobAndTakesItAway) {
  service_.watch = [](const v1::WatchJobsRequest& request, auto& writer) {
    EXPECT_FALSE(request.no_progress());
    v1::WatchJobsResponse event;
    event.set_name("jobs/1");
    event.mutable_progress()->set_received_bytes(1);
    event.mutable_progress()->set_total_bytes(2);
    writer.Write(event);
    event.mutable_state_change()->set_state(v1::Job::SUCCEEDED);
    *event.mutable_state_change()->mutable_job() = SucceededJob();
    writer.Write(event);
    return grpc::Status::OK;
  };
  err_is_terminal_ = true;

  EXPECT_EQ(RunCommand({"watch", "1"}), ExitCode::kDone);

  EXPECT_THAT(err_.str(), HasSubstr("[==========>         ] 50%"));
  EXPECT_THAT(err_.str(), ::testing::EndsWith("\x1b[1A\r\x1b[J"));
}

TEST_F(OutputTest, WithoutTerminalProgressIsAPlainLine) {
  service_.watch = [](const v1::WatchJobsRequest&, auto& writer) {
    v1::WatchJobsResponse event;
    event.set_name("jobs/1");
    event.mutable_progress()->set_received_bytes(1);
    event.mutable_progress()->set_total_bytes(2);
    writer.Write(event);
    event.mutable_state_change()->set_state(v1::Job::SUCCEEDED);
    *event.mutable_state_change()->mutable_job() = SucceededJob();
    writer.Write(event);
    return grpc::Status::OK;
  };
  line_interval_ = std::chrono::milliseconds(0);

  EXPECT_EQ(RunCommand({"watch", "1"}), ExitCode::kDone);

  EXPECT_THAT(err_.str(), ::testing::StartsWith("fetchctl: jobs/1"));
  EXPECT_THAT(err_.str(), HasSubstr("50%"));
  EXPECT_THAT(err_.str(), Not(HasSubstr("\x1b")));
}

TEST_F(OutputTest, QuietSaysNothingOnTheWay) {
  service_.watch = [](const v1::WatchJobsRequest& request, auto& writer) {
    EXPECT_TRUE(request.no_progress());
    v1::WatchJobsResponse event;
    event.set_name("jobs/1");
    *event.mutable_state_change()->mutable_job() = SucceededJob();
    writer.Write(event);
    return grpc::Status::OK;
  };
  line_interval_ = std::chrono::milliseconds(0);

  EXPECT_EQ(RunCommand({"watch", "-q", "1"}), ExitCode::kDone);

  EXPECT_EQ(err_.str(), "");
}

TEST_F(OutputTest, StatesAreColouredOnATerminalThatAllowsIt) {
  service_.list = [](const v1::ListJobsRequest&, v1::ListJobsResponse& response) {
    *response.add_jobs() = SucceededJob();
    return grpc::Status::OK;
  };
  color_ = true;

  EXPECT_EQ(RunCommand({"list"}), ExitCode::kDone);

  EXPECT_THAT(out_.str(), HasSubstr("\x1b[32mSUCCEEDED\x1b[0m  "));
}

v1::Status ServiceStatus() {
  v1::Status status;
  v1::Status::Dials& all = *status.mutable_dials();
  all.set_requests(400);
  all.set_connections_opened(8);
  all.set_connection_reuse_ratio(0.98);
  all.mutable_pool_wait_mean()->set_nanos(2'000'000);
  all.mutable_pool_wait_p99()->set_nanos(50'000'000);
  all.mutable_pool_wait_max()->set_seconds(3);
  all.set_in_flight(5);
  all.set_peak_in_flight(7);
  all.set_limit(256);
  all.set_retries(4);
  all.set_retry_ratio(0.01);
  v1::Status::Origin& origin = *status.add_origins();
  origin.set_origin("https://example.org");
  origin.set_open(3);
  origin.set_idle(1);
  origin.mutable_dials()->set_requests(390);
  origin.mutable_dials()->set_in_flight(2);
  origin.mutable_dials()->set_peak_in_flight(3);
  origin.mutable_dials()->set_limit(8);
  return status;
}

TEST(DescribeStatusTest, ShowsTheDials) {
  const std::string text = DescribeStatus(ServiceStatus(), false);

  EXPECT_THAT(text, HasSubstr("98.0%, 8 opened for 400 requests\n"));
  EXPECT_THAT(text, HasSubstr("mean 2ms, 99 % within 50ms, max 3.0s\n"));
  EXPECT_THAT(text, HasSubstr("5, peak 7 of 256\n"));
  EXPECT_THAT(text, HasSubstr("1.0%, 4 retries\n"));
  EXPECT_THAT(text, Not(HasSubstr("example.org")));
}

TEST(DescribeStatusTest, ShowsTheReplicasOfAFleet) {
  v1::Status status = ServiceStatus();
  EXPECT_THAT(DescribeStatus(status, false), Not(HasSubstr("Replicas")));
  v1::Status::Replica& here = *status.add_replicas();
  here.set_host("a");
  here.set_running_jobs(3);
  here.mutable_lease_left()->set_seconds(20);
  here.set_is_self(true);
  status.add_replicas()->set_host("b");

  const std::string text = DescribeStatus(status, false);

  EXPECT_THAT(text, HasSubstr("3 jobs running, lease ends in 20.0s; it answers here\n"));
  EXPECT_THAT(text, HasSubstr("0 jobs running, lost: others take its jobs\n"));
}

TEST(DescribeStatusTest, WideShowsTheDialsOfEachOrigin) {
  v1::Status status = ServiceStatus();
  const std::string text = DescribeStatus(status, true);
  EXPECT_THAT(text, HasSubstr("https://example.org:\n"));
  EXPECT_THAT(text, HasSubstr("3 open, 1 idle, 0 requests waiting\n"));
  EXPECT_THAT(text, HasSubstr("2, peak 3 of 8\n"));
  EXPECT_THAT(text, HasSubstr("99 % within more than 1m\n"));
  EXPECT_THAT(text, Not(HasSubstr("others:")));

  status.mutable_other_origins()->mutable_dials()->set_requests(10);
  EXPECT_THAT(DescribeStatus(status, true), HasSubstr("others:\n"));
}

TEST(RenderBarTest, ShowsGaugeRateAndTimeLeft) {
  const BarState bar{.label = "a.iso",
                     .received_bytes = 512 << 10,
                     .total_bytes = 1 << 20,
                     .rate_bytes_per_sec = 256 << 10,
                     .eta = std::chrono::seconds(2)};

  EXPECT_EQ(RenderBar(bar, 200),
            "a.iso                             [==========>         ] 50%  "
            "512 KiB of 1.0 MiB  256 KiB/s  2.0s");
  EXPECT_EQ(RenderBar(bar, 20).size(), 19u);
}

}  // namespace
}  // namespace fetchd::cli
