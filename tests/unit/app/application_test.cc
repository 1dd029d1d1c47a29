// The whole server in this process, through its gRPC API.
#include "app/application.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "app/config_loader.h"
#include "app/metrics.h"
#include "app/module_configs.h"
#include "base/strings.h"
#include "fetchd/v1/admin_service.grpc.pb.h"
#include "fetchd/v1/fetch_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "support/origin.h"
#include "support/process.h"

namespace fetchd::app {
namespace {

using testing::Exchange;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using namespace std::chrono_literals;

constexpr char kHelloSri[] = "sha256-LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";  // "hello"

class ApplicationTest : public ::testing::Test {
 protected:
  ApplicationTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fetchd-app-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    origin_.Handle("/hello", [](Exchange& exchange) { exchange.Respond(200, {}, "hello"); });
    origin_.Handle("/hang", [](Exchange& exchange) {
      exchange.SendHead(200, {{"Content-Length", "1000"}});
      exchange.Send("some");
      exchange.Hang();
    });
    StartServer();
  }
  ~ApplicationTest() override {
    StopServer();
    std::filesystem::remove_all(directory_);
  }

  LoadedConfig Settings(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> settings = {"data_dir=" + (directory_ / "data").string(),
                                         "grpc.listen=127.0.0.1:0",
                                         "admin.listen=127.0.0.1:0",
                                         "egress.allow=[127.0.0.1/32]",
                                         "shutdown.grace=0",
                                         "log.level=error",
                                         "runtime.shards=2"};
    settings.insert(settings.end(), more.begin(), more.end());
    return LoadConfig({.settings = settings});
  }
  void StartServer(const std::vector<std::string>& more = {}) {
    const LoadedConfig loaded = Settings(more);
    ASSERT_THAT(loaded.errors, IsEmpty());
    auto started = Application::Start(loaded.config, "1.2.3");
    ASSERT_TRUE(started.ok()) << started.status();
    application_ = *std::move(started);
    channel_ = grpc::CreateChannel(application_->address(), grpc::InsecureChannelCredentials());
    fetch_ = v1::FetchService::NewStub(channel_);
    admin_ = v1::AdminService::NewStub(channel_);
    runner_ = std::jthread([this] { application_->Run(); });
  }
  void StopServer() {
    if (application_ == nullptr) return;
    application_->RequestStop();
    runner_.join();
    application_.reset();
  }

  v1::CreateJobRequest Request(const std::string& target) const {
    v1::CreateJobRequest request;
    request.mutable_job()->mutable_spec()->add_urls(origin_.Url(target));
    return request;
  }
  grpc::Status Create(const v1::CreateJobRequest& request, v1::Job* job) {
    grpc::ClientContext context;
    return fetch_->CreateJob(&context, request, job);
  }
  v1::Job Get(const std::string& name) {
    grpc::ClientContext context;
    v1::GetJobRequest request;
    request.set_name(name);
    request.set_view(v1::JOB_VIEW_FULL);
    v1::Job job;
    EXPECT_TRUE(fetch_->GetJob(&context, request, &job).ok());
    return job;
  }
  /// The states that a watch of the job reports until it has ended.
  std::vector<v1::Job::State> WatchUntilDone(const std::string& name) {
    grpc::ClientContext context;
    v1::WatchJobsRequest request;
    request.add_names(name);
    request.set_until_done(true);
    const auto reader = fetch_->WatchJobs(&context, request);
    std::vector<v1::Job::State> states;
    for (v1::WatchJobsResponse event; reader->Read(&event);) {
      if (event.has_state_change()) states.push_back(event.state_change().state());
    }
    EXPECT_TRUE(reader->Finish().ok());
    return states;
  }

  std::filesystem::path directory_;
  testing::Origin origin_;
  std::unique_ptr<Application> application_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::FetchService::Stub> fetch_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
  std::jthread runner_;
};

template <typename Detail>
Detail DetailOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  Detail detail;
  for (const auto& any : details.details()) {
    if (any.UnpackTo(&detail)) return detail;
  }
  ADD_FAILURE() << "no such detail: " << status.error_message();
  return detail;
}

TEST_F(ApplicationTest, AJobSucceedsAndItsBodyCanBeRead) {
  v1::CreateJobRequest request = Request("/hello");
  request.mutable_job()->mutable_spec()->add_digests(kHelloSri);
  v1::Job job;
  ASSERT_TRUE(Create(request, &job).ok());

  EXPECT_EQ(WatchUntilDone(job.name()).back(), v1::Job::SUCCEEDED);
  const v1::Job done = Get(job.name());
  EXPECT_EQ(done.result().size_bytes(), 5u);
  EXPECT_EQ(done.attempts_size(), 1);
  grpc::ClientContext context;
  v1::ReadBodyRequest read;
  read.set_name(job.name());
  read.set_offset(1);
  const auto reader = fetch_->ReadBody(&context, read);
  std::string body;
  for (v1::ReadBodyResponse response; reader->Read(&response);) body += response.data();
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(body, "ello");
}

TEST_F(ApplicationTest, HeaderThatIsNotUtf8IsReadEverywhere) {
  origin_.Handle("/latin1", [](Exchange& exchange) {
    exchange.Respond(200, {{"Content-Disposition", "attachment; filename=caf\xe9"}}, "hello");
  });
  const auto is_utf8 = ::testing::Property(&v1::Header::value, "attachment; filename=caf\xc3\xa9");
  v1::Job job;
  ASSERT_TRUE(Create(Request("/latin1"), &job).ok());
  EXPECT_EQ(WatchUntilDone(job.name()).back(), v1::Job::SUCCEEDED);

  EXPECT_THAT(Get(job.name()).result().headers(), ::testing::Contains(is_utf8));
  grpc::ClientContext list_context;
  v1::ListJobsResponse list;
  EXPECT_TRUE(fetch_->ListJobs(&list_context, v1::ListJobsRequest(), &list).ok());
  grpc::ClientContext fetch_context;
  v1::FetchRequest request;
  request.mutable_spec()->add_urls(origin_.Url("/latin1"));
  const auto reader = fetch_->Fetch(&fetch_context, request);
  v1::FetchResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_THAT(response.head().headers(), ::testing::Contains(is_utf8));
  while (reader->Read(&response)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(ApplicationTest, WatchThatIsCutOffAmongItsFirstEventsBeginsAnew) {
  v1::WatchJobsRequest watch;
  watch.set_until_done(true);
  for (int i = 0; i < 3; ++i) {
    v1::Job job;
    ASSERT_TRUE(Create(Request("/hello"), &job).ok());
    WatchUntilDone(job.name());
    watch.add_names(job.name());
  }
  const auto events_of = [&](const std::string& token, int wanted) {
    grpc::ClientContext context;
    watch.set_resume_token(token);
    const auto reader = fetch_->WatchJobs(&context, watch);
    std::vector<v1::WatchJobsResponse> events;
    for (v1::WatchJobsResponse event;
         static_cast<int>(events.size()) < wanted && reader->Read(&event);) {
      events.push_back(event);
    }
    context.TryCancel();
    reader->Finish();
    return events;
  };

  const auto first = events_of("", 1);
  const auto all = events_of(first.at(0).resume_token(), 4);

  EXPECT_THAT(all, ::testing::SizeIs(3));
  EXPECT_THAT(all.at(1).resume_token(), IsEmpty());
  EXPECT_THAT(all.at(2).resume_token(), Not(IsEmpty()));
  EXPECT_THAT(events_of(all.at(2).resume_token(), 1), IsEmpty());
}

TEST_F(ApplicationTest, ResumeTokenReplaysWhatCameAfterIt) {
  v1::Job job;
  ASSERT_TRUE(Create(Request("/hello"), &job).ok());
  grpc::ClientContext context;
  v1::WatchJobsRequest watch;
  watch.add_names(job.name());
  v1::WatchJobsResponse event;
  {
    const auto reader = fetch_->WatchJobs(&context, watch);
    ASSERT_TRUE(reader->Read(&event));
    context.TryCancel();
    reader->Finish();
  }
  WatchUntilDone(job.name());
  v1::Job other;
  ASSERT_TRUE(Create(Request("/hello"), &other).ok());

  watch.set_resume_token(event.resume_token());
  watch.set_until_done(true);
  watch.set_no_progress(true);
  grpc::ClientContext again;
  const auto reader = fetch_->WatchJobs(&again, watch);
  std::vector<v1::Job::State> states;
  while (reader->Read(&event)) states.push_back(event.state_change().state());

  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_THAT(states, Not(IsEmpty()));
  EXPECT_EQ(states.back(), v1::Job::SUCCEEDED);
}

TEST_F(ApplicationTest, RetryIsNotTakenForWhatTheCallerAskedFor) {
  origin_.Handle("/busy",
                 [](Exchange& exchange) { exchange.Respond(503, {{"Retry-After", "100"}}, ""); });
  v1::Job job;
  ASSERT_TRUE(Create(Request("/busy"), &job).ok());
  grpc::ClientContext context;
  v1::WatchJobsRequest watch;
  watch.add_names(job.name());
  const auto reader = fetch_->WatchJobs(&context, watch);
  for (v1::WatchJobsResponse event; job.state() != v1::Job::WAITING && reader->Read(&event);) {
    if (event.has_state_change()) job = event.state_change().job();
  }
  context.TryCancel();

  EXPECT_FALSE(job.has_not_before());
  EXPECT_TRUE(job.has_error());
}

TEST_F(ApplicationTest, NotBeforeComesBackAndMovesTheDeadline) {
  v1::CreateJobRequest request = Request("/hello");
  const std::int64_t in_two_days = std::time(nullptr) + 2 * 86'400;
  request.mutable_job()->mutable_not_before()->set_seconds(in_two_days);
  v1::Job job;

  ASSERT_TRUE(Create(request, &job).ok());
  EXPECT_EQ(job.not_before().seconds(), in_two_days);
  EXPECT_EQ(Get(job.name()).not_before().seconds(), in_two_days);
  EXPECT_EQ(job.deadline().seconds(), in_two_days + 86'400);
  request.mutable_job()->mutable_deadline()->set_seconds(in_two_days - 1);
  const grpc::Status refused = Create(request, &job);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(DetailOf<google::rpc::BadRequest>(refused).field_violations(0).field(), "job.deadline");
}

TEST_F(ApplicationTest, LongTextOfACallerDoesNotHideTheError) {
  v1::CreateJobRequest request = Request("/hello");
  request.mutable_job()->set_destination(std::string(5'000, 'x') + ":y");
  v1::Job job;

  EXPECT_EQ(Create(request, &job).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ApplicationTest, GraceHasABound) {
  grpc::ClientContext context;
  v1::DrainRequest request;
  request.mutable_grace()->set_seconds(9'223'372'034);
  v1::DrainResponse response;

  const grpc::Status refused = admin_->Drain(&context, request, &response);

  EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(DetailOf<google::rpc::BadRequest>(refused).field_violations(0).field(), "grace");
}

TEST_F(ApplicationTest, NameThatDoesNotResolveIsJudgedAsAUrl) {
  grpc::ClientContext context;
  v1::CheckUrlRequest request;
  request.set_url("http://no-such-name.invalid/");
  v1::CheckUrlResponse response;

  ASSERT_TRUE(fetch_->CheckUrl(&context, request, &response).ok());

  EXPECT_TRUE(response.allowed());
  EXPECT_THAT(response.detail(), HasSubstr("judged when it has some"));
}

TEST_F(ApplicationTest, FetchStreamsHeadBytesAndEnd) {
  grpc::ClientContext context;
  v1::FetchRequest request;
  request.mutable_spec()->add_urls(origin_.Url("/hello"));
  const auto reader = fetch_->Fetch(&context, request);
  std::string body;
  v1::FetchResponse::End end;
  for (v1::FetchResponse response; reader->Read(&response);) {
    if (response.has_head()) EXPECT_EQ(response.head().total_bytes(), 5u);
    body += response.chunk().data();
    if (response.has_end()) end = response.end();
  }

  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(body, "hello");
  EXPECT_THAT(end.digests(), ::testing::Contains(kHelloSri));
}

TEST_F(ApplicationTest, CancellingAFetchStopsTheOrigin) {
  grpc::ClientContext context;
  v1::FetchRequest request;
  request.mutable_spec()->add_urls(origin_.Url("/hang"));
  const auto reader = fetch_->Fetch(&context, request);
  v1::FetchResponse response;
  ASSERT_TRUE(reader->Read(&response));

  context.TryCancel();

  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::CANCELLED);
  v1::Status status;
  do {  // Each question is a round trip; the transfer ends when its task has unwound.
    grpc::ClientContext ask;
    ASSERT_TRUE(admin_->GetStatus(&ask, v1::GetStatusRequest(), &status).ok());
  } while (status.transfers().in_use() != 0 || status.buffer_bytes().in_use() != 0);
  EXPECT_EQ(status.version(), "1.2.3");
}

/// A body that no window of HTTP/2 holds, under a budget of two buffers.
class StalledCallerTest : public ApplicationTest {
 protected:
  static constexpr std::size_t kBodyBytes = std::size_t{48} << 20;

  void Restart(const std::string& caller_idle) {
    origin_.Handle("/big", [](Exchange& exchange) {
      exchange.Respond(200, {}, std::string(kBodyBytes, 'b'));
    });
    StopServer();
    StartServer({"timeouts.caller_idle=" + caller_idle, "limits.buffer_bytes=2MiB"});
  }
  std::string FetchBig() {
    v1::Job job;
    EXPECT_TRUE(Create(Request("/big"), &job).ok());
    EXPECT_EQ(WatchUntilDone(job.name()).back(), v1::Job::SUCCEEDED);
    return job.name();
  }
  /// Until the server waits for the caller of a stream with a buffer in its hand.
  void WaitForStall() {
    v1::Status status;
    do {
      grpc::ClientContext ask;
      ASSERT_TRUE(admin_->GetStatus(&ask, v1::GetStatusRequest(), &status).ok());
    } while (status.buffer_bytes().in_use() == 0);
  }
  static std::size_t ReadAll(grpc::ClientReader<v1::ReadBodyResponse>& reader) {
    std::size_t size = 0;
    for (v1::ReadBodyResponse response; reader.Read(&response);) size += response.data().size();
    return size;
  }
};

TEST_F(StalledCallerTest, DoesNotHoldUpJobs) {
  Restart("5m");
  v1::ReadBodyRequest read;
  read.set_name(FetchBig());
  grpc::ClientContext read_context;
  const auto reader = fetch_->ReadBody(&read_context, read);
  v1::FetchRequest fetch;
  fetch.mutable_spec()->add_urls(origin_.Url("/big"));
  grpc::ClientContext fetch_context;
  const auto fetcher = fetch_->Fetch(&fetch_context, fetch);
  WaitForStall();

  FetchBig();

  read_context.TryCancel();
  fetch_context.TryCancel();
}

TEST_F(StalledCallerTest, IsCutOffAndItsBufferServesTheNext) {
  Restart("2s");
  v1::ReadBodyRequest read;
  read.set_name(FetchBig());
  grpc::ClientContext stalled_context;
  const auto stalled = fetch_->ReadBody(&stalled_context, read);
  WaitForStall();

  grpc::ClientContext context;
  const auto reader = fetch_->ReadBody(&context, read);
  EXPECT_EQ(ReadAll(*reader), kBodyBytes);
  EXPECT_TRUE(reader->Finish().ok());

  EXPECT_LT(ReadAll(*stalled), kBodyBytes);
  const grpc::Status status = stalled->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("timeouts.caller_idle"));
}

TEST_F(StalledCallerTest, OfFetchIsCutOffToo) {
  Restart("50ms");
  v1::FetchRequest fetch;
  fetch.mutable_spec()->add_urls(origin_.Url("/big"));
  grpc::ClientContext context;
  const auto fetcher = fetch_->Fetch(&context, fetch);
  v1::FetchResponse response;
  ASSERT_TRUE(fetcher->Read(&response));
  v1::Status status;
  do {  // Each question is a round trip.
    grpc::ClientContext ask;
    ASSERT_TRUE(admin_->GetStatus(&ask, v1::GetStatusRequest(), &status).ok());
  } while (status.transfers().in_use() != 0 || status.buffer_bytes().in_use() != 0);

  while (fetcher->Read(&response)) {
  }
  EXPECT_EQ(fetcher->Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

/// The body of GET `target` on the admin listener.
std::string AdminGet(const std::string& address, const std::string& target) {
  asio::io_context context;
  asio::ip::tcp::socket socket(context);
  const std::size_t colon = address.rfind(':');
  socket.connect({asio::ip::make_address(address.substr(0, colon)),
                  *ParseDecimal<std::uint16_t>(std::string_view(address).substr(colon + 1))});
  asio::write(socket, asio::buffer(Concat("GET ", target, " HTTP/1.0\r\n\r\n")));
  std::string answer;
  boost::system::error_code end;
  asio::read(socket, asio::dynamic_buffer(answer), end);
  EXPECT_THAT(answer, ::testing::StartsWith("HTTP/1.0 200 "));
  return answer.substr(answer.find("\r\n\r\n") + 4);
}

TEST_F(ApplicationTest, MetricsAreWhatTheDocumentSaysAndPromtoolAccepts) {
  v1::Job job;
  ASSERT_TRUE(Create(Request("/hello"), &job).ok());
  WatchUntilDone(job.name());

  const std::string text = AdminGet(application_->admin_address(), "/metrics");

  std::set<std::string> documented;
  for (const auto& family : AllMetricFamilies()) documented.insert(std::string(family.name));
  std::set<std::string> scraped;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) scraped.insert(line.substr(7, line.find(' ', 7) - 7));
  }
  EXPECT_EQ(scraped, documented);
  const std::filesystem::path file = directory_ / "metrics";
  testing::WriteFile(file, text);
  testing::Process promtool({"sh", "-c", "promtool check metrics <" + file.string()},
                            directory_ / "promtool");
  EXPECT_EQ(promtool.Wait(30s), 0) << promtool.Output();
  EXPECT_EQ(promtool.Output(), "");
}

TEST_F(ApplicationTest, MetricsAndStatusSayTheSameOfAnOrigin) {
  v1::Job job;
  ASSERT_TRUE(Create(Request("/hello"), &job).ok());
  WatchUntilDone(job.name());

  const std::string text = AdminGet(application_->admin_address(), "/metrics");
  grpc::ClientContext context;
  v1::Status status;
  ASSERT_TRUE(admin_->GetStatus(&context, v1::GetStatusRequest(), &status).ok());

  ASSERT_EQ(status.origins_size(), 1);
  const v1::Status::Origin& origin = status.origins(0);
  EXPECT_EQ(origin.origin() + "/", origin_.Url("/"));
  EXPECT_EQ(origin.dials().requests(), 1U);
  EXPECT_EQ(origin.dials().connections_opened(), 1U);
  EXPECT_EQ(origin.dials().peak_in_flight(), 1U);
  EXPECT_EQ(origin.dials().limit(), 8U);
  EXPECT_EQ(status.dials().requests(), 1U);
  EXPECT_EQ(status.dials().limit(), status.connections().limit());
  EXPECT_EQ(status.other_origins().dials().requests(), 0U);
  EXPECT_THAT(text, HasSubstr(Concat("fetchd_origin_requests_total{origin=\"", origin.origin(),
                                     "\"} 1\n")));
  EXPECT_THAT(text, HasSubstr("\nfetchd_http_pool_wait_seconds_count 1\n"));
  EXPECT_THAT(text, HasSubstr("\nfetchd_jobs{state=\"SUCCEEDED\"} 1\n"));
}

TEST_F(ApplicationTest, BulkAnswersInOrderAndABadOneIsItsOwnError) {
  grpc::ClientContext context;
  const auto stream = fetch_->CreateJobs(&context);
  constexpr int kCount = 1'200;
  std::jthread writer([this, &stream] {
    for (int i = 0; i < kCount; ++i) {
      v1::CreateJobRequest request = Request("/hello");
      request.mutable_job()->set_destination(i % 10 == 3 ? "file:../up" : "discard:");
      request.mutable_job()->set_priority(i % 100);
      stream->Write(request);
    }
    stream->WritesDone();
  });
  int read = 0;
  for (v1::CreateJobsResponse response; stream->Read(&response); ++read) {
    ASSERT_EQ(response.has_error(), read % 10 == 3) << read;
    if (response.has_job()) ASSERT_EQ(response.job().priority(), read % 100);
  }

  EXPECT_EQ(read, kCount);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(ApplicationTest, RefusalsNameTheFieldOrTheReason) {
  v1::Job job;
  v1::CreateJobRequest bad_digest = Request("/hello");
  bad_digest.mutable_job()->mutable_spec()->add_digests("sha256-short");
  const grpc::Status invalid = Create(bad_digest, &job);
  EXPECT_EQ(invalid.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(DetailOf<google::rpc::BadRequest>(invalid).field_violations(0).field(),
            "job.spec.digests[0]");

  v1::CreateJobRequest bad_proxy = Request("/hello");
  bad_proxy.mutable_job()->mutable_spec()->set_proxy("missing");
  const grpc::Status unknown = Create(bad_proxy, &job);
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(DetailOf<google::rpc::BadRequest>(unknown).field_violations(0).field(),
            "job.spec.proxy");

  v1::CreateJobRequest internal;
  internal.mutable_job()->mutable_spec()->add_urls("http://169.254.169.254/");
  const grpc::Status denied = Create(internal, &job);
  EXPECT_EQ(denied.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(denied).reason(), "TARGET_NOT_ALLOWED");
}

TEST_F(ApplicationTest, RequestIdMakesCreationIdempotent) {
  v1::CreateJobRequest request = Request("/hello");
  request.set_request_id("once");
  v1::Job first, again, other;
  ASSERT_TRUE(Create(request, &first).ok());

  ASSERT_TRUE(Create(request, &again).ok());
  EXPECT_EQ(again.name(), first.name());
  request.mutable_job()->set_priority(1);
  EXPECT_EQ(Create(request, &other).error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ApplicationTest, SecretsNeverComeBack) {
  v1::CreateJobRequest request = Request("/hello");
  auto& header = *request.mutable_job()->mutable_spec()->add_headers();
  header.set_name("X-Key");
  header.set_value("canary");
  v1::Job job;
  ASSERT_TRUE(Create(request, &job).ok());
  WatchUntilDone(job.name());

  EXPECT_THAT(job.DebugString(), Not(HasSubstr("canary")));
  EXPECT_THAT(Get(job.name()).DebugString(), Not(HasSubstr("canary")));
  EXPECT_EQ(origin_.Requests("/hello").back().Header("X-Key"), "canary");
}

TEST_F(ApplicationTest, CheckUrlAlwaysAnswers) {
  for (const auto& [url, allowed, reason] :
       {std::tuple("http://10.0.0.1/", false, "PRIVATE"),
        std::tuple("nonsense", false, "INVALID_URL"),
        std::tuple("http://127.0.0.1/", true, "ALLOWED_BY_RULE")}) {
    grpc::ClientContext context;
    v1::CheckUrlRequest request;
    request.set_url(url);
    v1::CheckUrlResponse response;
    ASSERT_TRUE(fetch_->CheckUrl(&context, request, &response).ok());
    EXPECT_EQ(response.allowed(), allowed) << url;
    EXPECT_EQ(response.reason(), reason);
  }
}

TEST_F(ApplicationTest, ADrainEndsStreamsWithTypedErrorsAndKeepsTheJob) {
  v1::CreateJobRequest request = Request("/hang");
  v1::Job job;
  ASSERT_TRUE(Create(request, &job).ok());
  ASSERT_TRUE(origin_.WaitForRequests("/hang", 1, 5s));
  grpc::ClientContext watch_context, bulk_context;
  const auto watch = fetch_->WatchJobs(&watch_context, v1::WatchJobsRequest());
  watch->WaitForInitialMetadata();
  const auto bulk = fetch_->CreateJobs(&bulk_context);

  StopServer();

  v1::WatchJobsResponse event;
  while (watch->Read(&event)) {
  }
  const grpc::Status ended = watch->Finish();
  EXPECT_EQ(ended.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_GT(DetailOf<google::rpc::RetryInfo>(ended).retry_delay().seconds(), 0);
  v1::CreateJobsResponse answer;
  EXPECT_FALSE(bulk->Read(&answer));
  EXPECT_EQ(bulk->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  origin_.Handle("/hang", [](Exchange& exchange) { exchange.Respond(200, {}, "whole now"); });
  StartServer();
  EXPECT_EQ(WatchUntilDone(job.name()).back(), v1::Job::SUCCEEDED);
}

TEST_F(ApplicationTest, AReaderThatStallsDoesNotHoldUpTheDrain) {
  origin_.Handle("/big", [](Exchange& exchange) {
    exchange.Respond(200, {}, std::string(std::size_t{64} << 20, 'x'));
  });
  grpc::ClientContext context;
  v1::FetchRequest request;
  request.mutable_spec()->add_urls(origin_.Url("/big"));
  const auto reader = fetch_->Fetch(&context, request);
  v1::FetchResponse response;
  ASSERT_TRUE(reader->Read(&response));  // And no more of it.

  StopServer();

  while (reader->Read(&response)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ApplicationTest, DataDirectoryIsPrivateWhenItIsMadeAndKeptWhenItIsThere) {
  const auto mode_of = [](const std::filesystem::path& path) {
    return std::filesystem::status(path).permissions();
  };
  EXPECT_EQ(mode_of(directory_ / "data"), std::filesystem::perms::owner_all);

  LoadedConfig second = Settings();
  second.config.data_dir = (directory_ / "shared").string();
  std::filesystem::create_directory(second.config.data_dir);
  const auto mode = std::filesystem::perms::owner_all | std::filesystem::perms::group_read |
                    std::filesystem::perms::sticky_bit;
  std::filesystem::permissions(second.config.data_dir, mode);
  const auto started = Application::Start(second.config, "1.2.3");

  ASSERT_TRUE(started.ok()) << started.status();
  EXPECT_EQ(mode_of(second.config.data_dir), mode);
}

TEST_F(ApplicationTest, WhatThisMachineLacksIsToldWithoutAStart) {
  EXPECT_THAT(CheckMachine(Settings().config), IsEmpty());
  LoadedConfig lacking = Settings();
  lacking.config.client.max_connections = 100'000'000;
  lacking.config.tls.ca_file = (directory_ / "missing.pem").string();
  lacking.config.tls_profiles["partner"].certificate_file = "/etc/us.pem";
  lacking.config.origins["a.test"].bearer_token_file = (directory_ / "no token").string();
  lacking.config.netrc_file = (directory_ / "no netrc").string();

  EXPECT_THAT(CheckMachine(lacking.config),
              ::testing::ElementsAre(HasSubstr("limits.connections"),
                                     HasSubstr("default TLS profile: ca_file " +
                                               (directory_ / "missing.pem").string()),
                                     HasSubstr("TLS profile \"partner\": certificate_file and "
                                               "key_file are given together"),
                                     HasSubstr("no token"), HasSubstr("no netrc")));
}

TEST_F(ApplicationTest, APortInUseIsAnError) {
  LoadedConfig second = Settings();
  second.config.data_dir = (directory_ / "other").string();
  second.config.grpc_listen = application_->address();

  const auto started = Application::Start(second.config, "1.2.3");

  EXPECT_THAT(started.status().ToString(), HasSubstr("Address already in use"));
}

TEST_F(ApplicationTest, AnAdminPortInUseIsAnError) {
  LoadedConfig second = Settings();
  second.config.data_dir = (directory_ / "other").string();
  second.config.admin_listen = application_->admin_address();

  const auto started = Application::Start(second.config, "1.2.3");

  EXPECT_THAT(started.status().ToString(), HasSubstr("admin.listen: 127.0.0.1:"));
}

TEST_F(ApplicationTest, TheAdminListenerCanBeOff) {
  LoadedConfig second = Settings();
  second.config.data_dir = (directory_ / "other").string();
  second.config.admin_listen = "off";

  const auto started = Application::Start(second.config, "1.2.3");

  ASSERT_TRUE(started.ok()) << started.status();
  EXPECT_THAT((*started)->admin_address(), IsEmpty());
}

TEST_F(ApplicationTest, TheEndpointOfAStoreIsClosedToCallers) {
  StopServer();
  StartServer({"egress.allow=[]", "stores.lab.endpoint=" + origin_.Url(""),
               "stores.lab.path_style=true", "stores.lab.credentials=environment"});
  v1::Job job;

  const grpc::Status refused = Create(Request("/hello"), &job);

  EXPECT_EQ(refused.error_code(), grpc::StatusCode::PERMISSION_DENIED) << refused.error_message();
  EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(refused).reason(), "TARGET_NOT_ALLOWED");
  EXPECT_THAT(origin_.Requests(), IsEmpty());
}

TEST_F(ApplicationTest, CheckMachineReadsTheSecretsOfStores) {
  const LoadedConfig loaded =
      Settings({"stores.lab.credentials=static", "stores.lab.access_key_id=AKID",
                "stores.lab.secret_access_key_file=/nowhere"});

  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_THAT(CheckMachine(loaded.config),
              ::testing::ElementsAre(HasSubstr("stores.lab.secret_access_key_file: /nowhere: ")));
}

TEST_F(ApplicationTest, AStoreWhoseSecretCannotBeReadKeepsItFromStarting) {
  StopServer();
  const LoadedConfig loaded =
      Settings({"stores.lab.credentials=static", "stores.lab.access_key_id=AKID",
                "stores.lab.secret_access_key_file=/nowhere"});

  const auto started = Application::Start(loaded.config, "1.2.3");

  EXPECT_THAT(MessageOf(started.status()),
              HasSubstr("stores.lab.secret_access_key_file: /nowhere: "));
}

}  // namespace
}  // namespace fetchd::app
