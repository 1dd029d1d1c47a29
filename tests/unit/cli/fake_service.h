// A fetchd in this process whose every answer the test writes, and a way to run commands against
// it.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/command_line.h"
#include "google/rpc/error_details.pb.h"

namespace fetchd::cli {

inline grpc::Status StatusWith(grpc::StatusCode code, const std::string& message,
                               const std::string& reason) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("fetchd");
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  status.add_details()->PackFrom(info);
  return ToGrpc(status);
}

/// Calls whose function is not set answer UNIMPLEMENTED.
class FakeFetchService final : public v1::FetchService::Service {
 public:
  template <typename T>
  using Writer = grpc::ServerWriter<T>;
  std::function<grpc::Status(grpc::ServerContext&, const v1::FetchRequest&,
                             Writer<v1::FetchResponse>&)>
      fetch;
  std::function<grpc::Status(const v1::WatchJobsRequest&, Writer<v1::WatchJobsResponse>&)> watch;
  std::function<grpc::Status(
      grpc::ServerReaderWriter<v1::CreateJobsResponse, v1::CreateJobRequest>&)>
      create;
  std::function<grpc::Status(const v1::GetJobRequest&, v1::Job&)> get;
  std::function<grpc::Status(const v1::ExplainJobRequest&, v1::ExplainJobResponse&)> explain;
  std::function<grpc::Status(const v1::ListJobsRequest&, v1::ListJobsResponse&)> list;
  std::function<grpc::Status(const v1::CheckUrlRequest&, v1::CheckUrlResponse&)> check;
  std::function<grpc::Status(const v1::ReadBodyRequest&, Writer<v1::ReadBodyResponse>&)> read;

  grpc::Status Fetch(grpc::ServerContext* context, const v1::FetchRequest* request,
                     Writer<v1::FetchResponse>* writer) override {
    return fetch ? fetch(*context, *request, *writer) : Unset();
  }
  grpc::Status WatchJobs(grpc::ServerContext*, const v1::WatchJobsRequest* request,
                         Writer<v1::WatchJobsResponse>* writer) override {
    return watch ? watch(*request, *writer) : Unset();
  }
  grpc::Status CreateJobs(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::CreateJobsResponse, v1::CreateJobRequest>* stream) override {
    return create ? create(*stream) : Unset();
  }
  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                      v1::Job* job) override {
    return get ? get(*request, *job) : Unset();
  }
  grpc::Status ExplainJob(grpc::ServerContext*, const v1::ExplainJobRequest* request,
                          v1::ExplainJobResponse* response) override {
    return explain ? explain(*request, *response) : Unset();
  }
  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override {
    return list ? list(*request, *response) : Unset();
  }
  grpc::Status CheckUrl(grpc::ServerContext*, const v1::CheckUrlRequest* request,
                        v1::CheckUrlResponse* response) override {
    return check ? check(*request, *response) : Unset();
  }
  grpc::Status ReadBody(grpc::ServerContext*, const v1::ReadBodyRequest* request,
                        Writer<v1::ReadBodyResponse>* writer) override {
    return read ? read(*request, *writer) : Unset();
  }

 private:
  static grpc::Status Unset() { return {grpc::StatusCode::UNIMPLEMENTED, "not in this test"}; }
};

/// As FakeFetchService.
class FakeBatchService final : public v1::BatchService::Service {
 public:
  std::function<grpc::Status(const v1::CreateBatchRequest&, v1::Batch&)> create;
  std::function<grpc::Status(const std::string& name, v1::Batch&)> get, seal, cancel;
  std::function<grpc::Status(const v1::RetryBatchRequest&, v1::Batch&)> retry;
  std::function<grpc::Status(const v1::ListBatchesRequest&, v1::ListBatchesResponse&)> list;
  std::function<grpc::Status(const v1::ListBatchEntriesRequest&, v1::ListBatchEntriesResponse&)>
      entries;
  std::function<grpc::Status(const v1::WatchBatchesRequest&,
                             grpc::ServerWriter<v1::WatchBatchesResponse>&)>
      watch;

  grpc::Status CreateBatch(grpc::ServerContext*, const v1::CreateBatchRequest* request,
                           v1::Batch* batch) override {
    return create ? create(*request, *batch) : Unset();
  }
  grpc::Status GetBatch(grpc::ServerContext*, const v1::GetBatchRequest* request,
                        v1::Batch* batch) override {
    return get ? get(request->name(), *batch) : Unset();
  }
  grpc::Status SealBatch(grpc::ServerContext*, const v1::SealBatchRequest* request,
                         v1::Batch* batch) override {
    return seal ? seal(request->name(), *batch) : Unset();
  }
  grpc::Status CancelBatch(grpc::ServerContext*, const v1::CancelBatchRequest* request,
                           v1::Batch* batch) override {
    return cancel ? cancel(request->name(), *batch) : Unset();
  }
  grpc::Status RetryBatch(grpc::ServerContext*, const v1::RetryBatchRequest* request,
                          v1::Batch* batch) override {
    return retry ? retry(*request, *batch) : Unset();
  }
  grpc::Status ListBatches(grpc::ServerContext*, const v1::ListBatchesRequest* request,
                           v1::ListBatchesResponse* response) override {
    return list ? list(*request, *response) : Unset();
  }
  grpc::Status ListBatchEntries(grpc::ServerContext*, const v1::ListBatchEntriesRequest* request,
                                v1::ListBatchEntriesResponse* response) override {
    return entries ? entries(*request, *response) : Unset();
  }
  grpc::Status WatchBatches(grpc::ServerContext*, const v1::WatchBatchesRequest* request,
                            grpc::ServerWriter<v1::WatchBatchesResponse>* writer) override {
    return watch ? watch(*request, *writer) : Unset();
  }

 private:
  static grpc::Status Unset() { return {grpc::StatusCode::UNIMPLEMENTED, "not in this test"}; }
};

class FakeAdminService final : public v1::AdminService::Service {
 public:
  std::vector<v1::OriginState> origins;
  v1::SetOriginLimitsRequest set;  ///< The last one.

  grpc::Status ListOrigins(grpc::ServerContext*, const v1::ListOriginsRequest*,
                           v1::ListOriginsResponse* response) override {
    for (const v1::OriginState& state : origins) *response->add_origins() = state;
    return grpc::Status::OK;
  }
  grpc::Status SetOriginLimits(grpc::ServerContext*, const v1::SetOriginLimitsRequest* request,
                               v1::OriginState* response) override {
    set = *request;
    response->set_origin(request->origin());
    *response->mutable_limits() = request->limits();
    return grpc::Status::OK;
  }
};

class CliTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              (std::string("fetchctl-") +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service_);
    builder.RegisterService(&admin_);
    builder.RegisterService(&batches_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
    address_ = "127.0.0.1:" + std::to_string(port);
    body_ = std::tmpfile();
  }
  void TearDown() override {
    server_->Shutdown();
    std::fclose(body_);
    std::filesystem::remove_all(folder_);
  }

  ExitCode RunCommand(std::vector<std::string> arguments) {
    Console console{.out = out_,
                    .err = err_,
                    .body_fd = fileno(body_),
                    .err_is_terminal = err_is_terminal_,
                    .color = color_,
                    .line_interval = line_interval_};
    arguments.insert(arguments.begin(), {"--server", address_});
    return cli::Run(arguments, console, interrupt_,
                    [](const std::string&) { return std::nullopt; });
  }
  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string Contents(const std::string& name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  bool Exists(const std::string& name) const { return std::filesystem::exists(folder_ / name); }
  std::string BodyOut() const {
    EXPECT_EQ(std::fseek(body_, 0, SEEK_SET), 0);
    std::string text(1 << 16, '\0');
    text.resize(std::fread(text.data(), 1, text.size(), body_));
    return text;
  }

  FakeFetchService service_;
  FakeAdminService admin_;
  FakeBatchService batches_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::filesystem::path folder_;
  std::FILE* body_ = nullptr;
  Interrupt interrupt_;
  bool err_is_terminal_ = false;
  bool color_ = false;
  std::chrono::milliseconds line_interval_ = std::chrono::hours(1);
  std::ostringstream out_, err_;
};

}  // namespace fetchd::cli
