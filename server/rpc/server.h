// The gRPC server.
#pragma once

#include <memory>

#include "base/status.h"
#include "rpc/caller_connections.h"
#include "rpc/context.h"
#include "rpc/local_access.h"

namespace fetchd::rpc {

/// FetchService, BatchService, AdminService and health on one port; reflection where nobody is
/// asked who calls. Owner: app, which calls BeginDrain(), EndWatches() and Stop() in this order;
/// the destructor does what was left out, without grace.
class Server {
 public:
  /// Serves from here on. FAILED_PRECONDITION as CheckListenAddress says; UNAVAILABLE when it
  /// cannot be bound; INVALID_ARGUMENT when it is no address.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerDeps deps, ServerConfig config);
  ~Server();

  const std::string& address() const;  ///< "127.0.0.1:7070": the port that was bound.

  /// For the listeners of this process. Of no use once Stop() was called.
  LocalAccess Local();

  /// As many as there are, and were refused.
  const std::shared_ptr<CallerConnections>& connections() const;

  /// Health NOT_SERVING; new work is refused, reads are answered. The drain signal has begun.
  /// Thread-safe; does not block.
  void BeginDrain();
  /// Once nothing runs any more: watches send what happened and end.
  void EndWatches();
  /// Calls get until `deadline` to end, then are cancelled. Blocking. False when gRPC still holds
  /// body bytes: the buffer pool must then not be destroyed.
  bool Stop(SteadyTime deadline);

 private:
  struct Core;
  explicit Server(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

/// What stands between a listener and who reaches it.
struct Protection {
  bool tls = false;
  bool authentication = false;
  bool waived = false;  ///< The operator said so in words: grpc.insecure.
};

/// INVALID_ARGUMENT when `listen` is not HOST:PORT; FAILED_PRECONDITION when others reach it and
/// there are not both TLS and authentication, unless that is waived. localhost, 127.0.0.0/8 and ::1
/// are not reached by others.
absl::Status CheckListenAddress(const std::string& listen, Protection protection);

}  // namespace fetchd::rpc
