#include "admin/server.h"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <utility>

#include "admin/connection.h"
#include "admin/listen_address.h"
#include "base/semaphore.h"
#include "base/strings.h"
#include "runtime/task_group.h"

namespace fetchd::admin {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

/// After a failed accept: without descriptors the next one would fail as well, at once.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);

error_code Listen(tcp::acceptor& acceptor, const tcp::endpoint& endpoint) {
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  // A restart does not wait for connections of the process before it.
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  return error;
}

absl::Status ListenError(const tcp::endpoint& endpoint, error_code error) {
  const std::string address = FormatAddress(endpoint);
  if (error == asio::error::address_in_use) {
    return absl::UnavailableError(
        Concat("admin.listen: ", address, " is in use; choose another, or off"));
  }
  return absl::UnavailableError(Concat("admin.listen: cannot listen on ", address, ": ",
                                       error.message(), "; choose another, or off"));
}

Task<absl::Status> Serve(std::unique_ptr<Connection> connection, Permit) {
  co_return co_await connection->Serve();
}

void LogTaskEnd(telemetry::Logger& log, const std::string& name, const absl::Status& status) {
  if (absl::IsInternal(status)) log.Error(name + " failed", {{"error", MessageOf(status)}});
}

}  // namespace

struct Server::Core {
  Core(ServerDeps server_deps, ServerConfig server_config)
      : deps(server_deps),
        config(std::move(server_config)),
        slots(config.max_connections),
        tasks(deps.runtime.shard(0).executor(),
              [&log = deps.log](const std::string& name, const absl::Status& status) {
                LogTaskEnd(log, name, status);
              }) {}

  Task<absl::Status> Accept(tcp::acceptor acceptor);

  const ServerDeps deps;
  const ServerConfig config;
  Semaphore slots;
  runtime::TaskGroup tasks;
  std::string address;
  bool stopped = false;
};

Task<absl::Status> Server::Core::Accept(tcp::acceptor acceptor) {
  bool failing = false;
  while (true) {
    CO_ASSIGN_OR_RETURN(
        Permit slot, co_await slots.Acquire(1, deps.clock, Deadline::Never(), "admin connections"));
    auto [error, socket] = co_await acceptor.async_accept(kTuple);
    if (error) {
      // Once for a run of failures. A cancelled task throws from the pause.
      if (!std::exchange(failing, true) && error != asio::error::operation_aborted) {
        deps.log.Warning("admin cannot accept", {{"error", error.message()}});
      }
      co_await deps.clock.SleepFor(kAcceptPause);
      continue;
    }
    failing = false;
    const Connection::Deps services{deps.clock, deps.drain_signal, deps.metrics};
    auto connection =
        std::make_unique<Connection>(std::move(socket), services, config.request_timeout);
    tasks.Spawn("admin connection", Serve(std::move(connection), std::move(slot)));
  }
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerDeps deps, ServerConfig config) {
  ASSIGN_OR_RETURN(const tcp::endpoint endpoint, ParseListenAddress(config.listen));
  tcp::acceptor acceptor(deps.runtime.shard(0).executor());
  if (const error_code error = Listen(acceptor, endpoint)) return ListenError(endpoint, error);
  error_code error;
  const tcp::endpoint bound = acceptor.local_endpoint(error);
  if (error) return ListenError(endpoint, error);
  auto core = std::make_unique<Core>(deps, std::move(config));
  core->address = FormatAddress(bound);
  core->tasks.Spawn("admin listener", core->Accept(std::move(acceptor)));
  return std::unique_ptr<Server>(new Server(std::move(core)));
}

Server::Server(std::unique_ptr<Core> core) : core_(std::move(core)) {}

Server::~Server() { Stop(); }

const std::string& Server::address() const { return core_->address; }

void Server::Stop() {
  if (std::exchange(core_->stopped, true)) return;
  core_->tasks.Cancel();
  runtime::RunBlocking(core_->deps.runtime.shard(0).executor(), core_->tasks.Join());
}

}  // namespace fetchd::admin
