// fetchd.v1.FetchService: translates, hands over, answers.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fetchd/v1/fetch_service.grpc.pb.h"
#include "rpc/auth_gate.h"
#include "rpc/bridge.h"
#include "rpc/call_groups.h"
#include "rpc/context.h"
#include "rpc/create_jobs_call.h"
#include "rpc/frame.h"
#include "rpc/job_creator.h"
#include "rpc/waker.h"
#include "rpc/watch_slots.h"

namespace fetchd::rpc {

// Fetch and ReadBody are raw: they frame their own messages (frame.h).
using FetchServiceBase =
    v1::FetchService::WithCallbackMethod_CreateJob<v1::FetchService::WithCallbackMethod_CreateJobs<
        v1::FetchService::WithCallbackMethod_GetJob<v1::FetchService::WithCallbackMethod_ListJobs<
            v1::FetchService::WithCallbackMethod_CancelJob<
                v1::FetchService::WithCallbackMethod_PauseJob<
                    v1::FetchService::WithCallbackMethod_ResumeJob<
                        v1::FetchService::WithCallbackMethod_ExplainJob<
                            v1::FetchService::WithCallbackMethod_RetryJob<
                                v1::FetchService::WithCallbackMethod_DeleteJob<
                                    v1::FetchService::WithCallbackMethod_WatchJobs<
                                        v1::FetchService::WithRawCallbackMethod_Fetch<
                                            v1::FetchService::WithRawCallbackMethod_ReadBody<
                                                v1::FetchService::WithCallbackMethod_CheckUrl<
                                                    v1::FetchService::Service>>>>>>>>>>>>>>;

/// Handlers run on gRPC's threads and never block. Owner: Server, which stops `groups` first.
class FetchServiceImpl final : public FetchServiceBase {
 public:
  FetchServiceImpl(const ServerDeps& deps, const ServerConfig& config, const Gate& gate,
                   CallGroups& groups, WatchSlots& watches);

  /// Ends streams that only wait for new work.
  void BeginDrain();
  /// Ends watches, after what happened until now was sent.
  void EndWatches() { hub_.End(); }
  /// False when gRPC still holds body bytes after `timeout`. Blocking.
  bool WaitForBuffers(Duration timeout) { return loaned_->WaitUntilNone(timeout); }

  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* context,
                                      const v1::CreateJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerBidiReactor<v1::CreateJobRequest, v1::CreateJobsResponse>* CreateJobs(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request, v1::Job* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* PauseJob(grpc::CallbackServerContext* context,
                                     const v1::PauseJobRequest* request,
                                     v1::Job* response) override;
  grpc::ServerUnaryReactor* ResumeJob(grpc::CallbackServerContext* context,
                                      const v1::ResumeJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* ExplainJob(grpc::CallbackServerContext* context,
                                       const v1::ExplainJobRequest* request,
                                       v1::ExplainJobResponse* response) override;
  grpc::ServerUnaryReactor* RetryJob(grpc::CallbackServerContext* context,
                                     const v1::RetryJobRequest* request,
                                     v1::Job* response) override;
  grpc::ServerUnaryReactor* DeleteJob(grpc::CallbackServerContext* context,
                                      const v1::DeleteJobRequest* request,
                                      google::protobuf::Empty* response) override;
  grpc::ServerWriteReactor<v1::WatchJobsResponse>* WatchJobs(
      grpc::CallbackServerContext* context, const v1::WatchJobsRequest* request) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* Fetch(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* bytes) override;
  grpc::ServerWriteReactor<grpc::ByteBuffer>* ReadBody(grpc::CallbackServerContext* context,
                                                       const grpc::ByteBuffer* bytes) override;
  grpc::ServerUnaryReactor* CheckUrl(grpc::CallbackServerContext* context,
                                     const v1::CheckUrlRequest* request,
                                     v1::CheckUrlResponse* response) override;

 private:
  /// A task of one job that its caller may touch.
  using JobTask = Task<absl::Status> (FetchServiceImpl::*)(JobId id, v1::Job* response);
  /// A call that names a job.
  grpc::ServerUnaryReactor* OfJob(Method method, grpc::CallbackServerContext& context,
                                  const std::string& name, JobTask task, v1::Job* response);

  // The tasks. `response` lives until the call has ended, which is after its task.
  Task<absl::Status> DoCreateJob(jobs::Job job, v1::Job* response);
  Task<absl::Status> DoCreateInBatch(Principal caller, v1::CreateJobRequest request,
                                     TraceContext trace, v1::Job* response);
  Task<absl::Status> DoOfJob(Principal caller, JobId id, JobTask task, v1::Job* response);
  Task<absl::Status> DoGet(JobId id, v1::Job* response);
  Task<absl::Status> DoGetFull(JobId id, v1::Job* response);
  Task<absl::Status> DoCancel(JobId id, v1::Job* response);
  Task<absl::Status> DoPause(JobId id, v1::Job* response);
  Task<absl::Status> DoResume(JobId id, v1::Job* response);
  Task<absl::Status> DoRetry(JobId id, v1::Job* response);
  Task<absl::Status> DoDelete(JobId id, v1::Job* response);
  Task<absl::Status> QueueAgain(JobId id, jobs::Change change, v1::Job* response);
  Task<absl::Status> DoListJobs(jobs::JobFilter filter, int page_size, std::string page_token,
                                v1::ListJobsResponse* response);
  Task<absl::Status> AddAttempts(JobId id, v1::Job* job);
  Task<absl::Status> DoExplain(Principal caller, JobId id, v1::ExplainJobResponse* response);
  void CheckSource(const ObjectUri& object, v1::CheckUrlResponse& response) const;
  Task<absl::Status> DoCheckUrl(Url url, std::string tenant, v1::CheckUrlResponse* response);

  v1::Job Present(const jobs::Job& job) const;

  const ServerDeps& deps_;
  const ServerConfig& config_;
  const Gate& gate_;
  CallGroups& groups_;
  WatchSlots& watches_;
  WakerHub hub_;
  JobCreator creator_;
  const std::shared_ptr<LoanedBuffers> loaned_ = std::make_shared<LoanedBuffers>();
  std::mutex mutex_;
  std::vector<std::weak_ptr<CreateJobsCall>> creating_;
};

}  // namespace fetchd::rpc
