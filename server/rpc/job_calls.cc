// The calls that name one job.
#include <string>
#include <utility>
#include <vector>

#include "rpc/auth_scope.h"
#include "rpc/convert_attempt.h"
#include "rpc/convert_job.h"
#include "rpc/convert_pacing.h"
#include "rpc/fetch_service.h"
#include "rpc/status.h"

namespace fetchd::rpc {

grpc::ServerUnaryReactor* FetchServiceImpl::OfJob(Method method,
                                                  grpc::CallbackServerContext& context,
                                                  const std::string& name, JobTask task,
                                                  v1::Job* response) {
  const auto [call, caller] = gate_.Open(method, context, [&name] { return name; });
  if (!caller.ok()) return EndCall(call, caller.status());
  const absl::StatusOr<JobId> id = ParseName(name, "name");
  if (!id.ok()) return EndCall(call, id.status());
  return StartCall(groups_.Next(), std::string(method.rule().method), call,
                   DoOfJob(*caller, *id, task, response));
}

Task<absl::Status> FetchServiceImpl::DoOfJob(Principal caller, JobId id, JobTask task,
                                             v1::Job* response) {
  CO_RETURN_IF_ERROR(co_await CheckOwn(deps_.store, std::move(caller), id));
  co_return co_await (this->*task)(std::move(id), response);
}

grpc::ServerUnaryReactor* FetchServiceImpl::GetJob(grpc::CallbackServerContext* context,
                                                   const v1::GetJobRequest* request,
                                                   v1::Job* response) {
  const bool with_attempts = request->view() == v1::JOB_VIEW_FULL;
  return OfJob("GetJob", *context, request->name(),
               with_attempts ? &FetchServiceImpl::DoGetFull : &FetchServiceImpl::DoGet, response);
}

Task<absl::Status> FetchServiceImpl::DoGet(JobId id, v1::Job* response) {
  const absl::StatusOr<jobs::Job> job = co_await deps_.store.Get(std::move(id));
  if (!job.ok()) co_return job.status();
  *response = Present(*job);
  co_return absl::OkStatus();
}

Task<absl::Status> FetchServiceImpl::DoGetFull(JobId id, v1::Job* response) {
  CO_RETURN_IF_ERROR(co_await DoGet(id, response));
  co_return co_await AddAttempts(std::move(id), response);
}

Task<absl::Status> FetchServiceImpl::AddAttempts(JobId id, v1::Job* job) {
  const absl::StatusOr<std::vector<jobs::AttemptRecord>> attempts =
      co_await deps_.store.Attempts(std::move(id));
  if (!attempts.ok()) co_return attempts.status();
  for (const jobs::AttemptRecord& record : *attempts) *job->add_attempts() = ToProto(record);
  co_return absl::OkStatus();
}

grpc::ServerUnaryReactor* FetchServiceImpl::CancelJob(grpc::CallbackServerContext* context,
                                                      const v1::CancelJobRequest* request,
                                                      v1::Job* response) {
  return OfJob("CancelJob", *context, request->name(), &FetchServiceImpl::DoCancel, response);
}

Task<absl::Status> FetchServiceImpl::DoCancel(JobId id, v1::Job* response) {
  const absl::StatusOr<jobs::Job> job = co_await deps_.engine.Cancel(std::move(id));
  if (!job.ok()) co_return job.status();
  *response = Present(*job);
  co_return absl::OkStatus();
}

grpc::ServerUnaryReactor* FetchServiceImpl::PauseJob(grpc::CallbackServerContext* context,
                                                     const v1::PauseJobRequest* request,
                                                     v1::Job* response) {
  return OfJob("PauseJob", *context, request->name(), &FetchServiceImpl::DoPause, response);
}

Task<absl::Status> FetchServiceImpl::DoPause(JobId id, v1::Job* response) {
  const absl::StatusOr<jobs::Job> job = co_await deps_.engine.Pause(std::move(id));
  if (!job.ok()) co_return job.status();
  *response = Present(*job);
  co_return absl::OkStatus();
}

grpc::ServerUnaryReactor* FetchServiceImpl::ResumeJob(grpc::CallbackServerContext* context,
                                                      const v1::ResumeJobRequest* request,
                                                      v1::Job* response) {
  return OfJob("ResumeJob", *context, request->name(), &FetchServiceImpl::DoResume, response);
}

Task<absl::Status> FetchServiceImpl::DoResume(JobId id, v1::Job* response) {
  co_return co_await QueueAgain(std::move(id), jobs::ResumeRequested(), response);
}

Task<absl::Status> FetchServiceImpl::QueueAgain(JobId id, jobs::Change change, v1::Job* response) {
  if (deps_.drain_signal.draining()) co_return DrainingError();
  const absl::StatusOr<jobs::Job> job =
      co_await deps_.store.Update(std::move(id), std::move(change));
  if (!job.ok()) co_return job.status();
  deps_.engine.Wake();
  *response = Present(*job);
  co_return absl::OkStatus();
}

grpc::ServerUnaryReactor* FetchServiceImpl::ExplainJob(grpc::CallbackServerContext* context,
                                                       const v1::ExplainJobRequest* request,
                                                       v1::ExplainJobResponse* response) {
  const auto [call, caller] = gate_.Open("ExplainJob", *context);
  if (!caller.ok()) return EndCall(call, caller.status());
  const absl::StatusOr<JobId> id = ParseName(request->name(), "name");
  if (!id.ok()) return EndCall(call, id.status());
  return StartCall(groups_.Next(), "ExplainJob", call, DoExplain(*caller, *id, response));
}

Task<absl::Status> FetchServiceImpl::DoExplain(Principal caller, JobId id,
                                               v1::ExplainJobResponse* response) {
  const absl::StatusOr<jobs::Job> job = co_await GetOwn(deps_.store, std::move(caller), id);
  if (!job.ok()) co_return job.status();
  *response->mutable_job() = Present(*job);
  if (const auto wait = deps_.engine.WaitOf(*job)) *response->mutable_wait() = ToProto(*wait);
  co_return co_await AddAttempts(std::move(id), response->mutable_job());
}

grpc::ServerUnaryReactor* FetchServiceImpl::RetryJob(grpc::CallbackServerContext* context,
                                                     const v1::RetryJobRequest* request,
                                                     v1::Job* response) {
  return OfJob("RetryJob", *context, request->name(), &FetchServiceImpl::DoRetry, response);
}

Task<absl::Status> FetchServiceImpl::DoRetry(JobId id, v1::Job* response) {
  co_return co_await QueueAgain(std::move(id), jobs::RetryRequested(), response);
}

grpc::ServerUnaryReactor* FetchServiceImpl::DeleteJob(grpc::CallbackServerContext* context,
                                                      const v1::DeleteJobRequest* request,
                                                      google::protobuf::Empty*) {
  return OfJob("DeleteJob", *context, request->name(), &FetchServiceImpl::DoDelete, nullptr);
}

Task<absl::Status> FetchServiceImpl::DoDelete(JobId id, v1::Job*) {
  co_return co_await deps_.store.Delete(std::move(id));
}

}  // namespace fetchd::rpc
