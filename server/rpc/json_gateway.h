// The same API over HTTP/JSON: a request becomes a call of our own gRPC server, and is asked who it
// is, counted, limited, logged and refused there as every other call.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_handler.h"
#include "base/semaphore.h"
#include "base/time.h"
#include "rpc/auth.h"
#include "rpc/auth_gate.h"
#include "rpc/call_rates.h"
#include "rpc/json_routes.h"
#include "rpc/local_access.h"
#include "rpc/watch_slots.h"
#include "runtime/runtime.h"
#include "telemetry/log.h"

namespace grpc {
class Channel;
}

namespace fetchd::rpc {

class LocalCalls;

struct JsonGatewayConfig {
  /// Streams at the same time, each with a connection: less than the listener has of these. Where
  /// callers are asked, those of one tenant have half of them.
  std::size_t max_streams = 32;
  /// Of a call that is no stream, and of the beginning of one.
  Duration call_timeout = std::chrono::seconds(30);
  /// A stream that has nothing to say says so this often.
  Duration keep_alive = std::chrono::seconds(15);
};

/// Thread-safe. Owner: app. Outlives the listener that asks it, and the server that it calls may
/// stop before.
class JsonGateway final : public HttpHandler {
 public:
  struct Deps {
    runtime::Runtime& runtime;  ///< Its blocking pool reads bodies.
    Clock& clock;
    LocalAccess server;
    const Authenticator* authenticator = nullptr;  ///< Null: nobody is asked. Until Close().
    telemetry::Logger& log;
    std::string version;  ///< For the OpenAPI document.
  };
  JsonGateway(Deps deps, JsonGatewayConfig config);
  ~JsonGateway() override;

  /// Errors are those of the method, as {"error": …}. A watch is text/event-stream.
  Task<HttpReply> Handle(HttpRequest request) override;
  /// A path that there is not, a body of another type, and callers whom the server does not know.
  std::optional<HttpReply> Judge(const HttpRequest& head) override;
  HttpReply Refuse(int status, const std::string& message) const override;
  /// Calls from now on are UNAVAILABLE. The server has ended all that there were.
  void Close();

 private:
  struct Begun;
  absl::StatusOr<Principal> Recognize(const JsonRoute& route, const HttpRequest& request) const;
  absl::StatusOr<Principal> Authenticate(const std::vector<std::string_view>& authorization) const;
  Task<absl::StatusOr<std::string>> Serialize(const JsonRoute& route, std::string name,
                                              HttpRequest request);
  Task<HttpReply> Call(const JsonRoute& route, std::string name, HttpRequest request);
  Task<absl::StatusOr<Begun>> Begin(const JsonRoute& route, std::string name, HttpRequest request);
  Task<HttpReply> AnswerHistory(HttpRequest request);
  Task<HttpReply> AnswerOnce(Begun begun);
  Task<HttpReply> AnswerStream(Begun begun);
  std::shared_ptr<grpc::Channel> Channel() const;

  const Deps deps_;
  const JsonGatewayConfig config_;
  const std::string document_;  ///< /openapi.json
  const std::unique_ptr<LocalCalls> calls_;
  CallRates no_rates_;  ///< The server keeps them.
  const Gate gate_;     ///< For the audit lines of what the server is not asked.
  WatchSlots streams_;
  Semaphore parsing_;  ///< Bodies that are read at the same time: the pool is the store's, too.
  mutable std::mutex mutex_;
  std::shared_ptr<grpc::Channel> channel_;  ///< Guarded by mutex_; null once closed.
};

}  // namespace fetchd::rpc
