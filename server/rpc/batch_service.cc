#include "rpc/batch_service.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/strings.h"
#include "rpc/batch_watch.h"
#include "rpc/convert_batch.h"
#include "rpc/convert_job.h"
#include "rpc/job_creator.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

/// `call` keeps the writer alive while the watch writes to it.
Task<absl::Status> RunWatch(const ServerDeps& deps, WakerHub& hub, BatchWatchSpec spec,
                            std::shared_ptr<WriteCall<v1::WatchBatchesResponse>> call) {
  BatchWatch watch(deps, hub, std::move(spec), *call);
  call->SendHeaders();
  co_return co_await watch.Run();
}

}  // namespace

BatchServiceImpl::BatchServiceImpl(const ServerDeps& deps, CallGroups& groups)
    : deps_(deps), groups_(groups), hub_(deps.store), random_(SeededRandom()) {}

grpc::ServerUnaryReactor* BatchServiceImpl::CreateBatch(grpc::CallbackServerContext*,
                                                        const v1::CreateBatchRequest* request,
                                                        v1::Batch* response) {
  if (deps_.drain_signal.draining()) return EndCall(NewUnaryCall(), DrainingError());
  const absl::Status request_id = CheckRequestId(request->request_id());
  if (!request_id.ok()) return EndCall(NewUnaryCall(), request_id);
  const WallTime now = deps_.clock.WallNow();
  absl::StatusOr<jobs::Batch> batch = FromProto(request->batch(), now);
  if (!batch.ok()) return EndCall(NewUnaryCall(), UnderField(batch.status(), "batch"));
  batch->request_id = request->request_id();
  {
    const std::lock_guard lock(mutex_);
    batch->id = BatchId::Generate(now, random_);
  }
  return StartCall(groups_.Next(), "CreateBatch", NewUnaryCall(),
                   DoCreate(*std::move(batch), response));
}

Task<absl::Status> BatchServiceImpl::DoCreate(jobs::Batch batch, v1::Batch* response) {
  absl::StatusOr<jobs::BatchOutcome> outcome = co_await deps_.store.CreateBatch(std::move(batch));
  if (!outcome.ok()) co_return outcome.status();
  co_return co_await Show(std::move(outcome->batch), response);
}

grpc::ServerUnaryReactor* BatchServiceImpl::GetBatch(grpc::CallbackServerContext*,
                                                     const v1::GetBatchRequest* request,
                                                     v1::Batch* response) {
  const absl::StatusOr<BatchId> id = ParseBatchName(request->name(), "name");
  if (!id.ok()) return EndCall(NewUnaryCall(), id.status());
  return StartCall(groups_.Next(), "GetBatch", NewUnaryCall(), DoGet(*id, response));
}

Task<absl::Status> BatchServiceImpl::DoGet(BatchId id, v1::Batch* response) {
  absl::StatusOr<jobs::Batch> batch = co_await deps_.store.GetBatch(std::move(id));
  if (!batch.ok()) co_return batch.status();
  co_return co_await Show(*std::move(batch), response);
}

Task<absl::Status> BatchServiceImpl::Show(jobs::Batch batch, v1::Batch* response) {
  const absl::StatusOr<std::vector<jobs::BatchErrors>> errors =
      co_await deps_.store.ErrorsOf(batch.id);
  if (!errors.ok()) co_return errors.status();
  *response = ToProto(batch, *errors);
  co_return absl::OkStatus();
}

grpc::ServerUnaryReactor* BatchServiceImpl::ListBatches(grpc::CallbackServerContext*,
                                                        const v1::ListBatchesRequest* request,
                                                        v1::ListBatchesResponse* response) {
  const absl::StatusOr<int> page_size = ReadPageSize(request->page_size());
  if (!page_size.ok()) return EndCall(NewUnaryCall(), page_size.status());
  return StartCall(groups_.Next(), "ListBatches", NewUnaryCall(),
                   DoList(*page_size, request->page_token(), response));
}

Task<absl::Status> BatchServiceImpl::DoList(int page_size, std::string page_token,
                                            v1::ListBatchesResponse* response) {
  const absl::StatusOr<jobs::BatchPage> page =
      co_await deps_.store.ListBatches("", page_size, std::move(page_token));
  if (!page.ok()) co_return page.status();
  for (const jobs::Batch& batch : page->batches) *response->add_batches() = ToProto(batch);
  response->set_next_page_token(page->next_page_token);
  co_return absl::OkStatus();
}

grpc::ServerUnaryReactor* BatchServiceImpl::Change(const char* call, const std::string& name,
                                                   jobs::BatchRequest request,
                                                   v1::Batch* response) {
  const absl::StatusOr<BatchId> id = ParseBatchName(name, "name");
  if (!id.ok()) return EndCall(NewUnaryCall(), id.status());
  return StartCall(groups_.Next(), call, NewUnaryCall(), DoChange(*id, request, response));
}

Task<absl::Status> BatchServiceImpl::DoChange(BatchId id, jobs::BatchRequest request,
                                              v1::Batch* response) {
  absl::StatusOr<jobs::Batch> batch = co_await deps_.store.ChangeBatch(std::move(id), request);
  if (!batch.ok()) co_return batch.status();
  if (batch->action != jobs::BatchAction::kNone) deps_.engine.WakeBatches();
  if (response == nullptr) co_return absl::OkStatus();
  co_return co_await Show(*std::move(batch), response);
}

grpc::ServerUnaryReactor* BatchServiceImpl::SealBatch(grpc::CallbackServerContext*,
                                                      const v1::SealBatchRequest* request,
                                                      v1::Batch* response) {
  return Change("SealBatch", request->name(), jobs::BatchRequest::kSeal, response);
}

grpc::ServerUnaryReactor* BatchServiceImpl::CancelBatch(grpc::CallbackServerContext*,
                                                        const v1::CancelBatchRequest* request,
                                                        v1::Batch* response) {
  return Change("CancelBatch", request->name(), jobs::BatchRequest::kCancel, response);
}

grpc::ServerUnaryReactor* BatchServiceImpl::RetryBatch(grpc::CallbackServerContext*,
                                                       const v1::RetryBatchRequest* request,
                                                       v1::Batch* response) {
  if (deps_.drain_signal.draining()) return EndCall(NewUnaryCall(), DrainingError());
  return Change(
      "RetryBatch", request->name(),
      request->cancelled_too() ? jobs::BatchRequest::kRetryAll : jobs::BatchRequest::kRetry,
      response);
}

grpc::ServerUnaryReactor* BatchServiceImpl::DeleteBatch(grpc::CallbackServerContext*,
                                                        const v1::DeleteBatchRequest* request,
                                                        google::protobuf::Empty*) {
  return Change("DeleteBatch", request->name(), jobs::BatchRequest::kDelete, nullptr);
}

grpc::ServerUnaryReactor* BatchServiceImpl::ListBatchEntries(
    grpc::CallbackServerContext*, const v1::ListBatchEntriesRequest* request,
    v1::ListBatchEntriesResponse* response) {
  const absl::StatusOr<BatchId> id = ParseBatchName(request->name(), "name");
  if (!id.ok()) return EndCall(NewUnaryCall(), id.status());
  const absl::StatusOr<int> page_size = ReadPageSize(request->page_size());
  if (!page_size.ok()) return EndCall(NewUnaryCall(), page_size.status());
  return StartCall(groups_.Next(), "ListBatchEntries", NewUnaryCall(),
                   DoListEntries(*id, *page_size, request->page_token(), response));
}

Task<absl::Status> BatchServiceImpl::DoListEntries(BatchId id, int page_size,
                                                   std::string page_token,
                                                   v1::ListBatchEntriesResponse* response) {
  const absl::StatusOr<jobs::BatchEntryPage> page =
      co_await deps_.store.EntriesOf(std::move(id), page_size, std::move(page_token));
  if (!page.ok()) co_return page.status();
  for (const jobs::BatchEntry& entry : page->entries) *response->add_entries() = ToProto(entry);
  response->set_next_page_token(page->next_page_token);
  co_return absl::OkStatus();
}

grpc::ServerWriteReactor<v1::WatchBatchesResponse>* BatchServiceImpl::WatchBatches(
    grpc::CallbackServerContext*, const v1::WatchBatchesRequest* request) {
  const auto call = std::make_shared<WriteCall<v1::WatchBatchesResponse>>();
  absl::StatusOr<BatchWatchSpec> spec = FromProto(*request);
  if (!spec.ok()) return EndCall(call, spec.status());
  return StartCall(groups_.Next(), "WatchBatches", call,
                   RunWatch(deps_, hub_, *std::move(spec), call));
}

}  // namespace fetchd::rpc
