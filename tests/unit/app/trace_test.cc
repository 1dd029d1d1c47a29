// The trace of a call: taken, told, kept with its job, logged, and sent on where that is wanted;
// and the level of the log, which may change meanwhile.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "app/application.h"
#include "app/config_loader.h"
#include "base/strings.h"
#include "base/trace_context.h"
#include "fetchd/v1/admin_service.grpc.pb.h"
#include "fetchd/v1/fetch_service.grpc.pb.h"
#include "support/origin.h"

namespace fetchd::app {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kParent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

class TraceTest : public ::testing::Test {
 protected:
  TraceTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fetchd-trace-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    origin_.Handle("/file", [this](testing::Exchange& exchange) {
      {
        const std::lock_guard lock(mutex_);
        parents_.push_back(exchange.request().Header("traceparent"));
        states_.push_back(exchange.request().Header("tracestate"));
      }
      if (hangs_ && exchange.request().visit == 0) return exchange.Hang();
      exchange.Respond(200, {}, "hello");
    });
    ::testing::internal::CaptureStderr();
  }
  ~TraceTest() override {
    StopServer();
    std::filesystem::remove_all(directory_);
  }

  void StartServer(const std::vector<std::string>& more = {}) {
    std::vector<std::string> settings = {"data_dir=" + (directory_ / "data").string(),
                                         "grpc.listen=127.0.0.1:0",
                                         "admin.listen=off",
                                         "egress.allow=[127.0.0.1/32]",
                                         "shutdown.grace=0",
                                         "runtime.shards=1"};
    settings.insert(settings.end(), more.begin(), more.end());
    const LoadedConfig loaded = LoadConfig({.settings = settings});
    ASSERT_THAT(loaded.errors, IsEmpty());
    auto started = Application::Start(loaded.config, "1.2.3");
    ASSERT_TRUE(started.ok()) << started.status();
    application_ = *std::move(started);
    const auto channel =
        grpc::CreateChannel(application_->address(), grpc::InsecureChannelCredentials());
    fetch_ = v1::FetchService::NewStub(channel);
    admin_ = v1::AdminService::NewStub(channel);
    runner_ = std::jthread([this] { application_->Run(); });
  }
  void StopServer() {
    if (application_ == nullptr) return;
    application_->RequestStop();
    runner_.join();
    application_.reset();
  }

  v1::Job Submit(grpc::ClientContext& context) {
    v1::CreateJobRequest request;
    request.mutable_job()->mutable_spec()->add_urls(origin_.Url("/file"));
    request.mutable_job()->set_destination("discard:");
    v1::Job job;
    EXPECT_TRUE(fetch_->CreateJob(&context, request, &job).ok());
    return job;
  }
  void WaitFor(const std::string& name) {
    grpc::ClientContext context;
    v1::WatchJobsRequest request;
    request.add_names(name);
    request.set_until_done(true);
    const auto reader = fetch_->WatchJobs(&context, request);
    for (v1::WatchJobsResponse event; reader->Read(&event);) {
    }
    EXPECT_TRUE(reader->Finish().ok());
  }
  /// Lines of the log with `text`. Stops the server.
  std::vector<std::string> Lines(const std::string& text) {
    StopServer();
    std::istringstream log(::testing::internal::GetCapturedStderr());
    std::vector<std::string> lines;
    for (std::string line; std::getline(log, line);) {
      if (line.find(text) != std::string::npos) lines.push_back(line);
    }
    return lines;
  }
  static std::string Answered(const grpc::ClientContext& context, const char* name) {
    const auto& metadata = context.GetServerTrailingMetadata();
    const auto found = metadata.find(name);
    return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
  }
  static void Say(grpc::ClientContext& context) {
    context.AddMetadata("traceparent", kParent);
    context.AddMetadata("tracestate", "vendor=1");
    context.AddMetadata("x-request-id", "call-7");
  }

  std::filesystem::path directory_;
  std::atomic<bool> hangs_ = false;  ///< The first time.
  std::mutex mutex_;
  std::vector<std::string> parents_, states_;
  testing::Origin origin_;  ///< Its threads use all of the above.
  std::unique_ptr<Application> application_;
  std::unique_ptr<v1::FetchService::Stub> fetch_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
  std::jthread runner_;
};

TEST_F(TraceTest, IsToldBackAndInEachLineAndNotSentToTheOrigin) {
  StartServer();
  grpc::ClientContext context;
  Say(context);
  const v1::Job job = Submit(context);
  WaitFor(job.name());

  EXPECT_EQ(Answered(context, "x-request-id"), "call-7");
  EXPECT_THAT(Answered(context, "traceparent"), StartsWith(Concat("00-", kTraceId, '-')));
  EXPECT_THAT(Answered(context, "traceparent"), Not(HasSubstr("00f067aa0ba902b7")));
  const std::vector<std::string> lines = Lines(Concat("trace_id=", kTraceId));
  ASSERT_THAT(lines, SizeIs(3));  // The audit line, an attempt and the end.
  for (const std::string& line : lines) EXPECT_THAT(line, HasSubstr("x_request_id=call-7"));
  EXPECT_EQ(parents_, std::vector<std::string>{""});
}

TEST_F(TraceTest, ARefusedCallMayBeTriedAgainByTheClient) {
  StartServer();
  grpc::ClientContext context;
  Say(context);
  v1::GetJobRequest request;
  request.set_name("jobs/none");
  v1::Job job;

  EXPECT_FALSE(fetch_->GetJob(&context, request, &job).ok());

  EXPECT_TRUE(context.GetServerInitialMetadata().empty()) << "gRPC retries nothing after it";
  EXPECT_EQ(Answered(context, "x-request-id"), "call-7");
  EXPECT_THAT(Lines("call-7"), SizeIs(0)) << "nothing was changed";
}

TEST_F(TraceTest, SurvivesARestartAndIsSentWhereThatIsWanted) {
  hangs_ = true;
  StartServer({"http.propagate_trace=origin"});
  grpc::ClientContext context;
  Say(context);
  const v1::Job job = Submit(context);
  ASSERT_TRUE(origin_.WaitForRequests("/file", 1));
  StopServer();
  StartServer({"http.propagate_trace=origin"});
  WaitFor(job.name());

  const std::vector<std::string> lines = Lines("msg=attempt");
  ASSERT_THAT(lines, SizeIs(2));
  ASSERT_THAT(parents_, SizeIs(2));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_THAT(lines[i], HasSubstr(Concat("trace_id=", kTraceId)));
    const auto parent = ParseTraceparent(parents_[i]);
    ASSERT_TRUE(parent) << parents_[i];
    EXPECT_EQ(parent->trace_id, kTraceId);
    EXPECT_TRUE(parent->sampled);
    EXPECT_THAT(lines[i], HasSubstr("span_id=" + parent->parent_id));
    EXPECT_EQ(states_[i], "vendor=1");
  }
  EXPECT_NE(parents_[0], parents_[1]);
}

TEST_F(TraceTest, WhatIsHostileIsPassedOver) {
  StartServer();
  grpc::ClientContext context;
  context.AddMetadata("traceparent", "00-CANARY");
  context.AddMetadata("x-request-id", "CANARY level=error");
  Submit(context);

  EXPECT_TRUE(IsRequestId(Answered(context, "x-request-id")));
  EXPECT_TRUE(ParseTraceparent(Answered(context, "traceparent")));
  EXPECT_THAT(Lines("CANARY"), IsEmpty());
}

TEST_F(TraceTest, TheLevelOfTheLogChangesWhileItRuns) {
  StartServer({"log.level=error"});
  const auto set = [&](const std::string& level, v1::SetLogLevelResponse& response) {
    grpc::ClientContext context;
    v1::SetLogLevelRequest request;
    request.set_level(level);
    return admin_->SetLogLevel(&context, request, &response).error_code();
  };
  v1::SetLogLevelResponse response;
  EXPECT_EQ(set("verbose", response), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(set("INFO", response), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(set("info", response), grpc::StatusCode::OK);
  EXPECT_EQ(response.previous(), "error");
  EXPECT_EQ(response.level(), "info");
  grpc::ClientContext asking, submitting;
  v1::Status status;
  ASSERT_TRUE(admin_->GetStatus(&asking, v1::GetStatusRequest(), &status).ok());
  EXPECT_EQ(status.log_level(), "info");
  WaitFor(Submit(submitting).name());

  EXPECT_THAT(Lines("msg=attempt"), SizeIs(1));
}

}  // namespace
}  // namespace fetchd::app
