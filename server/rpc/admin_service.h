// fetchd.v1.AdminService.
#pragma once

#include "fetchd/v1/admin_service.grpc.pb.h"
#include "rpc/auth_gate.h"
#include "rpc/bridge.h"
#include "rpc/call_groups.h"
#include "rpc/context.h"

namespace fetchd::rpc {

/// As FetchServiceImpl: handlers run on gRPC's threads and never block.
class AdminServiceImpl final : public v1::AdminService::WithCallbackMethod_GetStatus<
                                   v1::AdminService::WithCallbackMethod_Drain<
                                       v1::AdminService::WithCallbackMethod_ListOrigins<
                                           v1::AdminService::WithCallbackMethod_SetOriginLimits<
                                               v1::AdminService::WithCallbackMethod_SetLogLevel<
                                                   v1::AdminService::Service>>>>> {
 public:
  AdminServiceImpl(const ServerDeps& deps, const ServerConfig& config, const Gate& gate,
                   CallGroups& groups);

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::Status* response) override;
  grpc::ServerUnaryReactor* Drain(grpc::CallbackServerContext* context,
                                  const v1::DrainRequest* request,
                                  v1::DrainResponse* response) override;
  grpc::ServerUnaryReactor* ListOrigins(grpc::CallbackServerContext* context,
                                        const v1::ListOriginsRequest* request,
                                        v1::ListOriginsResponse* response) override;
  grpc::ServerUnaryReactor* SetOriginLimits(grpc::CallbackServerContext* context,
                                            const v1::SetOriginLimitsRequest* request,
                                            v1::OriginState* response) override;
  grpc::ServerUnaryReactor* SetLogLevel(grpc::CallbackServerContext* context,
                                        const v1::SetLogLevelRequest* request,
                                        v1::SetLogLevelResponse* response) override;

 private:
  Task<absl::Status> DoGetStatus(v1::Status* response);
  void WriteTenants(const jobs::StoreStats& store, v1::Status& out) const;
  void WriteEngine(v1::Status& out) const;
  void WriteClient(v1::Status& out) const;
  void WriteShards(v1::Status& out) const;

  const ServerDeps& deps_;
  const ServerConfig& config_;
  const Gate& gate_;
  CallGroups& groups_;
  const WallTime started_at_;
};

}  // namespace fetchd::rpc
