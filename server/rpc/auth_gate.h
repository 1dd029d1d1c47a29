// Where calls come in: who is it, may he, and the line of the log that says so.
#pragma once

#include <grpcpp/server_context.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/time.h"
#include "rpc/auth.h"
#include "rpc/auth_methods.h"
#include "rpc/bridge.h"
#include "rpc/call_rates.h"
#include "rpc/call_trace.h"
#include "rpc/caller_connections.h"
#include "telemetry/line_rate.h"
#include "telemetry/log.h"

namespace fetchd::rpc {

/// A call that has come in. `call` is there in any case, to be ended.
template <typename CallType>
struct Admitted {
  std::shared_ptr<CallType> call;
  absl::StatusOr<Principal> caller;
};

/// Names what a call is about, at its end: then what it made has a name.
using Resource = std::function<std::string()>;

/// Every handler asks it first. Thread-safe. Owner: Server.
class Gate {
 public:
  /// What it works with; outlives it.
  struct Deps {
    const Authenticator* authenticator;  ///< Null: nobody is asked who calls, and no rate is kept.
    CallRates& rates;
    telemetry::Logger& log;
    const Clock& clock;
    std::string local_key = {};  ///< LocalAccess::key; empty: no call is from this process.
    CallerConnections* connections = nullptr;  ///< Is told on which somebody known calls.
  };
  explicit Gate(Deps deps) : deps_(std::move(deps)) {}

  /// UNAUTHENTICATED; RESOURCE_EXHAUSTED (CallRates); PERMISSION_DENIED, reason ROLE_MISSING.
  absl::StatusOr<Principal> Admit(Method method, const grpc::ServerContextBase& context) const;

  /// That, for a new call of `CallType`, which knows its trace; where the method is audited, its
  /// end is logged.
  template <typename CallType = UnaryCall>
  Admitted<CallType> Open(Method method, grpc::ServerContextBase& context,
                          Resource resource = nullptr) const {
    Admitted<CallType> admitted{std::make_shared<CallType>(), Admit(method, context)};
    admitted.call->Traced(TraceOf(context));
    if (method.rule().audited) {
      admitted.call->OnEnd([this, method, caller = NameOf(admitted.caller), peer = PeerOf(context),
                            trace = admitted.call->trace(),
                            resource = std::move(resource)](const absl::Status& outcome) {
        Audit(method, {caller, peer, resource ? resource() : std::string(), trace}, outcome);
      });
    }
    return admitted;
  }

  static constexpr int kLinesOfStrangers = 10;

  /// Who did what, for the log. Holds no secret.
  struct Deed {
    Principal caller;  ///< Without a name when he is unknown.
    std::string peer;  ///< "ipv4:127.0.0.1:33914"
    std::string resource;
    TraceContext trace = {};
  };
  /// One line; of strangers (UNAUTHENTICATED, KEYS_MISSING) kLinesOfStrangers a second, the next of
  /// which counts those left out. Waits while another thread writes its line.
  void Audit(Method method, const Deed& deed, const absl::Status& outcome) const;

  /// "ipv4:127.0.0.1:33914"; of a call from a listener of this process, of whom that has it from.
  std::string PeerOf(const grpc::ServerContextBase& context) const;

  static Principal NameOf(const absl::StatusOr<Principal>& caller) {
    return caller.ok() ? *caller : Principal();
  }

 private:
  absl::StatusOr<Principal> Recognize(const grpc::ServerContextBase& context) const;

  const Deps deps_;
  /// They are refused as fast as they call, and must not fill the log.
  mutable telemetry::LineRate strangers_{kLinesOfStrangers};
};

}  // namespace fetchd::rpc
