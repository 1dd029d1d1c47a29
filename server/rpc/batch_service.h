// fetchd.v1.BatchService: translates, hands over, answers.
#pragma once

#include <mutex>
#include <random>
#include <string>

#include "fetchd/v1/batch_service.grpc.pb.h"
#include "rpc/auth_gate.h"
#include "rpc/bridge.h"
#include "rpc/call_groups.h"
#include "rpc/context.h"
#include "rpc/waker.h"
#include "rpc/watch_slots.h"

namespace fetchd::rpc {

using BatchServiceBase = v1::BatchService::WithCallbackMethod_CreateBatch<
    v1::BatchService::WithCallbackMethod_GetBatch<v1::BatchService::WithCallbackMethod_ListBatches<
        v1::BatchService::WithCallbackMethod_SealBatch<
            v1::BatchService::WithCallbackMethod_CancelBatch<
                v1::BatchService::WithCallbackMethod_RetryBatch<
                    v1::BatchService::WithCallbackMethod_DeleteBatch<
                        v1::BatchService::WithCallbackMethod_ListBatchEntries<
                            v1::BatchService::WithCallbackMethod_WatchBatches<
                                v1::BatchService::Service>>>>>>>>>;

/// As FetchServiceImpl: handlers run on gRPC's threads and never block.
class BatchServiceImpl final : public BatchServiceBase {
 public:
  BatchServiceImpl(const ServerDeps& deps, const ServerConfig& config, const Gate& gate,
                   CallGroups& groups, WatchSlots& watches);

  /// Ends watches, after what happened until now was sent.
  void EndWatches() { hub_.End(); }

  grpc::ServerUnaryReactor* CreateBatch(grpc::CallbackServerContext* context,
                                        const v1::CreateBatchRequest* request,
                                        v1::Batch* response) override;
  grpc::ServerUnaryReactor* GetBatch(grpc::CallbackServerContext* context,
                                     const v1::GetBatchRequest* request,
                                     v1::Batch* response) override;
  grpc::ServerUnaryReactor* ListBatches(grpc::CallbackServerContext* context,
                                        const v1::ListBatchesRequest* request,
                                        v1::ListBatchesResponse* response) override;
  grpc::ServerUnaryReactor* SealBatch(grpc::CallbackServerContext* context,
                                      const v1::SealBatchRequest* request,
                                      v1::Batch* response) override;
  grpc::ServerUnaryReactor* CancelBatch(grpc::CallbackServerContext* context,
                                        const v1::CancelBatchRequest* request,
                                        v1::Batch* response) override;
  grpc::ServerUnaryReactor* RetryBatch(grpc::CallbackServerContext* context,
                                       const v1::RetryBatchRequest* request,
                                       v1::Batch* response) override;
  grpc::ServerUnaryReactor* DeleteBatch(grpc::CallbackServerContext* context,
                                        const v1::DeleteBatchRequest* request,
                                        google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* ListBatchEntries(grpc::CallbackServerContext* context,
                                             const v1::ListBatchEntriesRequest* request,
                                             v1::ListBatchEntriesResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchBatchesResponse>* WatchBatches(
      grpc::CallbackServerContext* context, const v1::WatchBatchesRequest* request) override;

 private:
  // The tasks. `response` lives until the call has ended, which is after its task.
  Task<absl::Status> DoCreate(jobs::Batch batch, v1::Batch* response);
  Task<absl::Status> DoGet(Principal caller, BatchId id, v1::Batch* response);
  Task<absl::Status> DoList(std::string tenant, int page_size, std::string page_token,
                            v1::ListBatchesResponse* response);
  /// `response` may be null.
  Task<absl::Status> DoChange(Principal caller, BatchId id, jobs::BatchRequest request,
                              v1::Batch* response);
  Task<absl::Status> DoListEntries(Principal caller, BatchId id, int page_size,
                                   std::string page_token, v1::ListBatchEntriesResponse* response);
  Task<absl::Status> Show(jobs::Batch batch, v1::Batch* response);
  grpc::ServerUnaryReactor* Change(Method method, grpc::CallbackServerContext& context,
                                   const std::string& name, jobs::BatchRequest request,
                                   v1::Batch* response);

  const ServerDeps& deps_;
  const ServerConfig& config_;
  const Gate& gate_;
  CallGroups& groups_;
  WatchSlots& watches_;
  WakerHub hub_;
  std::mutex mutex_;
  std::mt19937_64 random_;  ///< Guarded by mutex_.
};

}  // namespace fetchd::rpc
