#include "rpc/batch_service.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/strings.h"
#include "rpc/auth_scope.h"
#include "rpc/batch_watch.h"
#include "rpc/convert_batch.h"
#include "rpc/convert_job.h"
#include "rpc/job_creator.h"
#include "rpc/patient_writer.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

/// `call` keeps the writer alive while the watch writes to it. The slot is its place among all.
Task<absl::Status> RunWatch(const ServerDeps& deps, WakerHub& hub, BatchWatchSpec spec,
                            Duration caller_idle, WatchSlot,
                            std::shared_ptr<WriteCall<v1::WatchBatchesResponse>> call) {
  PatientWriter writer(*call, deps.clock, caller_idle, "watch again");
  BatchWatch watch(deps, hub, std::move(spec), writer);
  call->SendHeaders();
  co_return co_await watch.Run();
}

/// Its jobs are the tenant's by default, and so is the batch.
absl::Status BelongTo(const Principal& caller, jobs::Batch& batch) {
  absl::StatusOr<std::string> tenant = caller.Act(batch.defaults.tenant);
  if (!tenant.ok()) return tenant.status();
  if (*tenant != jobs::kDefaultTenant) batch.defaults.tenant = *std::move(tenant);
  return absl::OkStatus();
}

}  // namespace

BatchServiceImpl::BatchServiceImpl(const ServerDeps& deps, const ServerConfig& config,
                                   const Gate& gate, CallGroups& groups, WatchSlots& watches)
    : deps_(deps),
      config_(config),
      gate_(gate),
      groups_(groups),
      watches_(watches),
      hub_(deps.store),
      random_(SeededRandom()) {}

grpc::ServerUnaryReactor* BatchServiceImpl::CreateBatch(grpc::CallbackServerContext* context,
                                                        const v1::CreateBatchRequest* request,
                                                        v1::Batch* response) {
  const auto [call, caller] =
      gate_.Open("CreateBatch", *context, [response] { return response->name(); });
  if (!caller.ok()) return EndCall(call, caller.status());
  if (deps_.drain_signal.draining()) return EndCall(call, DrainingError());
  const absl::Status request_id = CheckRequestId(request->request_id());
  if (!request_id.ok()) return EndCall(call, request_id);
  const WallTime now = deps_.clock.WallNow();
  absl::StatusOr<jobs::Batch> batch = FromProto(request->batch(), now);
  if (!batch.ok()) return EndCall(call, UnderField(batch.status(), "batch"));
  const absl::Status owned = BelongTo(*caller, *batch);
  if (!owned.ok()) return EndCall(call, owned);
  batch->request_id = request->request_id();
  {
    const std::lock_guard lock(mutex_);
    batch->id = BatchId::Generate(now, random_);
  }
  return StartCall(groups_.Next(), "CreateBatch", call, DoCreate(*std::move(batch), response));
}

Task<absl::Status> BatchServiceImpl::DoCreate(jobs::Batch batch, v1::Batch* response) {
  response->set_name(batch.id.name());  // For the audit line: who cancels now may have made it.
  absl::StatusOr<jobs::BatchOutcome> outcome = co_await deps_.store.CreateBatch(std::move(batch));
  if (!outcome.ok()) co_return outcome.status();
  co_return co_await Show(std::move(outcome->batch), response);
}

grpc::ServerUnaryReactor* BatchServiceImpl::GetBatch(grpc::CallbackServerContext* context,
                                                     const v1::GetBatchRequest* request,
                                                     v1::Batch* response) {
  const auto [call, caller] = gate_.Open("GetBatch", *context);
  if (!caller.ok()) return EndCall(call, caller.status());
  const absl::StatusOr<BatchId> id = ParseBatchName(request->name(), "name");
  if (!id.ok()) return EndCall(call, id.status());
  return StartCall(groups_.Next(), "GetBatch", call, DoGet(*caller, *id, response));
}

Task<absl::Status> BatchServiceImpl::DoGet(Principal caller, BatchId id, v1::Batch* response) {
  absl::StatusOr<jobs::Batch> batch =
      co_await GetOwn(deps_.store, std::move(caller), std::move(id));
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

grpc::ServerUnaryReactor* BatchServiceImpl::ListBatches(grpc::CallbackServerContext* context,
                                                        const v1::ListBatchesRequest* request,
                                                        v1::ListBatchesResponse* response) {
  const auto [call, caller] = gate_.Open("ListBatches", *context);
  if (!caller.ok()) return EndCall(call, caller.status());
  const absl::StatusOr<int> page_size = ReadPageSize(request->page_size());
  if (!page_size.ok()) return EndCall(call, page_size.status());
  return StartCall(groups_.Next(), "ListBatches", call,
                   DoList(caller->scope(), *page_size, request->page_token(), response));
}

Task<absl::Status> BatchServiceImpl::DoList(std::string tenant, int page_size,
                                            std::string page_token,
                                            v1::ListBatchesResponse* response) {
  const absl::StatusOr<jobs::BatchPage> page =
      co_await deps_.store.ListBatches(std::move(tenant), page_size, std::move(page_token));
  if (!page.ok()) co_return page.status();
  for (const jobs::Batch& batch : page->batches) *response->add_batches() = ToProto(batch);
  response->set_next_page_token(page->next_page_token);
  co_return absl::OkStatus();
}

grpc::ServerUnaryReactor* BatchServiceImpl::Change(Method method,
                                                   grpc::CallbackServerContext& context,
                                                   const std::string& name,
                                                   jobs::BatchRequest request,
                                                   v1::Batch* response) {
  const auto [call, caller] = gate_.Open(method, context, [&name] { return name; });
  if (!caller.ok()) return EndCall(call, caller.status());
  const absl::StatusOr<BatchId> id = ParseBatchName(name, "name");
  if (!id.ok()) return EndCall(call, id.status());
  return StartCall(groups_.Next(), std::string(method.rule().method), call,
                   DoChange(*caller, *id, request, response));
}

Task<absl::Status> BatchServiceImpl::DoChange(Principal caller, BatchId id,
                                              jobs::BatchRequest request, v1::Batch* response) {
  if (request == jobs::BatchRequest::kRetry || request == jobs::BatchRequest::kRetryAll) {
    if (deps_.drain_signal.draining()) co_return DrainingError();
  }
  CO_RETURN_IF_ERROR(co_await CheckOwn(deps_.store, std::move(caller), id));
  absl::StatusOr<jobs::Batch> batch = co_await deps_.store.ChangeBatch(std::move(id), request);
  if (!batch.ok()) co_return batch.status();
  if (batch->action != jobs::BatchAction::kNone) deps_.engine.WakeBatches();
  if (response == nullptr) co_return absl::OkStatus();
  co_return co_await Show(*std::move(batch), response);
}

grpc::ServerUnaryReactor* BatchServiceImpl::SealBatch(grpc::CallbackServerContext* context,
                                                      const v1::SealBatchRequest* request,
                                                      v1::Batch* response) {
  return Change("SealBatch", *context, request->name(), jobs::BatchRequest::kSeal, response);
}

grpc::ServerUnaryReactor* BatchServiceImpl::CancelBatch(grpc::CallbackServerContext* context,
                                                        const v1::CancelBatchRequest* request,
                                                        v1::Batch* response) {
  return Change("CancelBatch", *context, request->name(), jobs::BatchRequest::kCancel, response);
}

grpc::ServerUnaryReactor* BatchServiceImpl::RetryBatch(grpc::CallbackServerContext* context,
                                                       const v1::RetryBatchRequest* request,
                                                       v1::Batch* response) {
  return Change(
      "RetryBatch", *context, request->name(),
      request->cancelled_too() ? jobs::BatchRequest::kRetryAll : jobs::BatchRequest::kRetry,
      response);
}

grpc::ServerUnaryReactor* BatchServiceImpl::DeleteBatch(grpc::CallbackServerContext* context,
                                                        const v1::DeleteBatchRequest* request,
                                                        google::protobuf::Empty*) {
  return Change("DeleteBatch", *context, request->name(), jobs::BatchRequest::kDelete, nullptr);
}

grpc::ServerUnaryReactor* BatchServiceImpl::ListBatchEntries(
    grpc::CallbackServerContext* context, const v1::ListBatchEntriesRequest* request,
    v1::ListBatchEntriesResponse* response) {
  const auto [call, caller] = gate_.Open("ListBatchEntries", *context);
  if (!caller.ok()) return EndCall(call, caller.status());
  const absl::StatusOr<BatchId> id = ParseBatchName(request->name(), "name");
  if (!id.ok()) return EndCall(call, id.status());
  const absl::StatusOr<int> page_size = ReadPageSize(request->page_size());
  if (!page_size.ok()) return EndCall(call, page_size.status());
  return StartCall(groups_.Next(), "ListBatchEntries", call,
                   DoListEntries(*caller, *id, *page_size, request->page_token(), response));
}

Task<absl::Status> BatchServiceImpl::DoListEntries(Principal caller, BatchId id, int page_size,
                                                   std::string page_token,
                                                   v1::ListBatchEntriesResponse* response) {
  CO_RETURN_IF_ERROR(co_await CheckOwn(deps_.store, std::move(caller), id));
  const absl::StatusOr<jobs::BatchEntryPage> page =
      co_await deps_.store.EntriesOf(std::move(id), page_size, std::move(page_token));
  if (!page.ok()) co_return page.status();
  for (const jobs::BatchEntry& entry : page->entries) *response->add_entries() = ToProto(entry);
  response->set_next_page_token(page->next_page_token);
  co_return absl::OkStatus();
}

grpc::ServerWriteReactor<v1::WatchBatchesResponse>* BatchServiceImpl::WatchBatches(
    grpc::CallbackServerContext* context, const v1::WatchBatchesRequest* request) {
  const auto [call, caller] =
      gate_.Open<WriteCall<v1::WatchBatchesResponse>>("WatchBatches", *context);
  if (!caller.ok()) return EndCall(call, caller.status());
  absl::StatusOr<BatchWatchSpec> spec = FromProto(*request, *caller);
  if (!spec.ok()) return EndCall(call, spec.status());
  absl::StatusOr<WatchSlot> slot = watches_.Take(*caller);
  if (!slot.ok()) return EndCall(call, slot.status());
  call->Of(context);
  return StartCall(
      groups_.Next(), "WatchBatches", call,
      RunWatch(deps_, hub_, *std::move(spec), config_.caller_idle, *std::move(slot), call));
}

}  // namespace fetchd::rpc
