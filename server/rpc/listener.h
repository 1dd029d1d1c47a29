// Accepts callers' connections, no more than there may be, and hands them to gRPC.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/task.h"
#include "rpc/caller_connections.h"
#include "runtime/task_group.h"
#include "telemetry/line_rate.h"
#include "telemetry/log.h"

namespace fetchd::rpc {

/// gRPC's own listener takes every connection, and gives up its port for good when it runs out of
/// descriptors. Lives on one shard; owner: Server.
class Listener {
 public:
  struct Deps {
    asio::any_io_executor executor;  ///< Of the shard.
    Clock& clock;
    telemetry::Logger& log;
    CallerConnections& connections;
  };
  /// Owns `fd` from then on. Called on the shard.
  using Take = std::function<void(int listener_fd, int fd)>;

  explicit Listener(const Deps& deps);
  ~Listener() { Stop(); }

  /// On every address that `host` is; port 0: a free one, the same for all. Callers may connect
  /// from here on. UNAVAILABLE naming grpc.listen and `listen`, which is how it was written.
  absl::Status Listen(const std::string& listen, const std::string& host, std::uint16_t port);
  std::uint16_t port() const { return port_; }
  /// Hands over what has connected and what will.
  void Start(Take take);
  /// No further connection. Blocking; not from a shard. Idempotent.
  void Stop();

 private:
  using Acceptor = asio::ip::tcp::acceptor;

  boost::system::error_code Open(asio::ip::tcp::endpoint endpoint);
  Task<absl::Status> Accept(Acceptor& acceptor);
  void TakeOrRefuse(Acceptor& acceptor, asio::ip::tcp::socket socket);

  const Deps deps_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_;
  std::uint16_t port_ = 0;
  Take take_;
  telemetry::LineRate refusals_{1};
  runtime::TaskGroup tasks_;
  bool stopped_ = false;
};

}  // namespace fetchd::rpc
