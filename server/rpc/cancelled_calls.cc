#include "rpc/cancelled_calls.h"

#include <grpcpp/server_context.h>

namespace fetchd::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;

class EndOfCall final : public Interceptor {
 public:
  EndOfCall(CallerConnections& connections, ServerRpcInfo& call)
      : connections_(connections), call_(call) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_CLOSE) &&
        call_.server_context()->IsCancelled()) {
      connections_.NoteCancel(call_.server_context()->peer());
    }
    methods->Proceed();
  }

 private:
  CallerConnections& connections_;
  ServerRpcInfo& call_;
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(CallerConnections& connections) : connections_(connections) {}

  // gRPC deletes it.
  Interceptor* CreateServerInterceptor(ServerRpcInfo* call) override {
    return new EndOfCall(connections_, *call);
  }

 private:
  CallerConnections& connections_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NoteCancelledCalls(
    CallerConnections& connections) {
  return std::make_unique<Factory>(connections);
}

}  // namespace fetchd::rpc
