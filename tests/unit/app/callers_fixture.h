// A whole server that asks who calls, and its callers.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "app/application.h"
#include "app/config_loader.h"
#include "base/hash.h"
#include "base/strings.h"
#include "every_method.h"
#include "fetchd/v1/admin_service.grpc.pb.h"
#include "fetchd/v1/batch_service.grpc.pb.h"
#include "fetchd/v1/fetch_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "support/origin.h"

namespace fetchd::app {

/// Tokens are "<principal>-token": mine and theirs (of the tenants of that name), a reader and a
/// submitter of the tenant mine with one role each, and an admin.
class CallersFixture : public ::testing::Test {
 protected:
  CallersFixture() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "fetchd-callers-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    origin_.Handle("/body", [](testing::Exchange& exchange) { exchange.Respond(200, {}, "body"); });
    WriteCallers({{"mine", "mine", "submit, read"},
                  {"theirs", "theirs", "submit, read"},
                  {"reader", "mine", "read"},
                  {"submitter", "mine", "submit"},
                  {"admin", "mine", "admin"}});
    StartServer();
  }
  ~CallersFixture() override {
    StopServer();
    std::filesystem::remove_all(directory_);
  }

  struct Known {
    std::string principal, tenant, roles;
  };
  void WriteCallers(const std::vector<Known>& callers) {
    std::string yaml = "tokens:\n";
    for (const Known& known : callers) {
      yaml += Concat("  - {sha256: ", *HashHex(HashAlgorithm::kSha256, known.principal + "-token"),
                     ", principal: ", known.principal, ", tenant: ", known.tenant, ", roles: [",
                     known.roles, "]}\n");
    }
    const std::filesystem::path next = directory_ / "callers.next";
    std::ofstream(next) << yaml;
    std::filesystem::rename(next, directory_ / "callers.yaml");
  }
  void StartServer(const std::vector<std::string>& more = {}) {
    std::vector<std::string> settings = {"data_dir=" + (directory_ / "data").string(),
                                         "grpc.listen=127.0.0.1:0",
                                         "admin.listen=off",
                                         "callers.file=" + (directory_ / "callers.yaml").string(),
                                         "grpc.reload_interval=1s",
                                         "egress.allow=[127.0.0.1/32]",
                                         "shutdown.grace=0",
                                         "log.level=error",
                                         "runtime.shards=2"};
    settings.insert(settings.end(), more.begin(), more.end());
    const LoadedConfig loaded = LoadConfig({.settings = settings});
    ASSERT_THAT(loaded.errors, ::testing::IsEmpty());
    auto started = Application::Start(loaded.config, "1.2.3");
    ASSERT_TRUE(started.ok()) << started.status();
    application_ = *std::move(started);
    channel_ = grpc::CreateChannel(application_->address(), grpc::InsecureChannelCredentials());
    fetch_ = v1::FetchService::NewStub(channel_);
    batch_ = v1::BatchService::NewStub(channel_);
    admin_ = v1::AdminService::NewStub(channel_);
    runner_ = std::jthread([this] { application_->Run(); });
  }

  void StopServer() {
    if (application_ == nullptr) return;
    application_->RequestStop();
    runner_.join();
    application_.reset();
  }

  /// A call of `principal`.
  static std::unique_ptr<grpc::ClientContext> As(const std::string& principal) {
    auto context = std::make_unique<grpc::ClientContext>();
    context->AddMetadata("authorization", "Bearer " + principal + "-token");
    return context;
  }
  v1::CreateJobRequest Request() const {
    v1::CreateJobRequest request;
    request.mutable_job()->mutable_spec()->add_urls(origin_.Url("/body"));
    request.mutable_job()->set_destination("discard:");
    return request;
  }
  v1::Job Create(const std::string& principal, const v1::CreateJobRequest& request) {
    v1::Job job;
    const grpc::Status status = fetch_->CreateJob(As(principal).get(), request, &job);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return job;
  }
  v1::Batch CreateBatch(const std::string& principal) {
    v1::Batch batch;
    const grpc::Status status =
        batch_->CreateBatch(As(principal).get(), v1::CreateBatchRequest(), &batch);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return batch;
  }
  static std::string ReasonOf(const grpc::Status& status) {
    google::rpc::Status details;
    details.ParseFromString(status.error_details());
    google::rpc::ErrorInfo info;
    for (const auto& any : details.details()) {
      if (any.UnpackTo(&info)) return info.reason();
    }
    return "";
  }

  std::filesystem::path directory_;
  testing::Origin origin_;
  std::unique_ptr<Application> application_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::FetchService::Stub> fetch_;
  std::unique_ptr<v1::BatchService::Stub> batch_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
  std::jthread runner_;
};

}  // namespace fetchd::app
