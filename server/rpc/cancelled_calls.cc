#include "rpc/cancelled_calls.h"

#include <grpcpp/server_context.h>

#include <chrono>
#include <string>

#include "telemetry/line_rate.h"

namespace fetchd::rpc {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerRpcInfo;
using Time = std::chrono::system_clock::time_point;

/// Of all calls. Thread-safe.
class CancelledCalls {
 public:
  CancelledCalls(CallerConnections& connections, telemetry::Logger& log, const Clock& clock)
      : connections_(connections), log_(log), clock_(clock) {}

  void Note(const std::string& peer) {
    if (!connections_.NoteCancel(peer)) return;
    if (const auto left_out = lines_.Take(clock_.Now())) {
      log_.Warning("connection ended: too many of its calls were cancelled",
                   {{"peer", peer}, {"left_out", *left_out}});
    }
  }

 private:
  CallerConnections& connections_;
  telemetry::Logger& log_;
  const Clock& clock_;
  telemetry::LineRate lines_{1};
};

class EndOfCall final : public Interceptor {
 public:
  EndOfCall(CancelledCalls& cancelled, ServerRpcInfo& call) : cancelled_(cancelled), call_(call) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_CLOSE) &&
        call_.server_context()->IsCancelled() && !HasRunOutOfTime()) {
      cancelled_.Note(call_.server_context()->peer());
    }
    methods->Proceed();
  }

 private:
  /// As calls of honest callers do when we are slow. Whoever gives them no time resets them.
  bool HasRunOutOfTime() const {
    constexpr auto kSomeTime = std::chrono::milliseconds(100);
    const Time deadline = call_.server_context()->deadline();
    return deadline >= begun_ + kSomeTime && deadline <= std::chrono::system_clock::now();
  }

  CancelledCalls& cancelled_;
  ServerRpcInfo& call_;
  const Time begun_ = std::chrono::system_clock::now();
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  Factory(CallerConnections& connections, telemetry::Logger& log, const Clock& clock)
      : cancelled_(connections, log, clock) {}

  // gRPC deletes it.
  Interceptor* CreateServerInterceptor(ServerRpcInfo* call) override {
    return new EndOfCall(cancelled_, *call);
  }

 private:
  CancelledCalls cancelled_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NoteCancelledCalls(
    CallerConnections& connections, telemetry::Logger& log, const Clock& clock) {
  return std::make_unique<Factory>(connections, log, clock);
}

}  // namespace fetchd::rpc
