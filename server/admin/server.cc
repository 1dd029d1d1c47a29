#include "admin/server.h"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <utility>

#include "admin/api_guard.h"
#include "admin/clients.h"
#include "admin/connection.h"
#include "admin/listen_address.h"
#include "base/semaphore.h"
#include "base/strings.h"
#include "runtime/task_group.h"
#include "telemetry/line_rate.h"

namespace fetchd::admin {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

/// After a failed accept: without descriptors the next one would fail as well, at once.
constexpr Duration kAcceptPause = std::chrono::milliseconds(100);
/// Lines a second about requests that may not pass: whoever sends them must not fill the log.
constexpr int kRefusalLines = 10;

ApiGuard GuardOf(const tcp::endpoint& bound, const ServerConfig& config) {
  const bool is_loopback = bound.address().is_loopback();
  const std::string host = bound.address().to_string();
  // What crosses a network in plain text shows its tokens to it.
  const bool is_private = is_loopback || config.tls.enabled();
  return {.access = config.api_asks_callers && is_private ? ApiAccess::kAsks
                    : is_loopback                         ? ApiAccess::kOpen
                                                          : ApiAccess::kClosed,
          .listen_host = bound.address().is_v6() ? Concat('[', host, ']') : host,
          .needs_certificate = config.tls.asks_for_certificates()};
}

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

void LogTaskEnd(telemetry::Logger& log, const std::string& name, const absl::Status& status) {
  if (absl::IsInternal(status)) log.Error(name + " failed", {{"error", MessageOf(status)}});
}

}  // namespace

struct Server::Core {
  Core(ServerDeps server_deps, ServerConfig server_config)
      : deps(server_deps),
        config(std::move(server_config)),
        clients(config.max_connections),
        body_bytes(config.max_bodies_bytes),
        tasks(deps.runtime.shard(0).executor(),
              [&log = deps.log](const std::string& name, const absl::Status& status) {
                LogTaskEnd(log, name, status);
              }) {}

  Task<absl::Status> Accept(tcp::acceptor acceptor);
  Task<absl::Status> ReloadTls();

  const ServerDeps deps;
  const ServerConfig config;
  Clients clients;
  Semaphore body_bytes;
  telemetry::LineRate refusals{kRefusalLines};
  runtime::TaskGroup tasks;
  TlsContext tls;  ///< Of the next connection; null: plain text.
  ApiGuard guard;
  std::string address;
  bool stopped = false;
};

Task<absl::Status> Server::Core::Accept(tcp::acceptor acceptor) {
  const ConnectionDeps services{.clock = deps.clock,
                                .drain_signal = deps.drain_signal,
                                .metrics = deps.metrics,
                                .log = deps.log,
                                .refusals = refusals,
                                .api = deps.api,
                                .guard = guard,
                                .body_bytes = body_bytes,
                                .request_timeout = config.request_timeout,
                                .metrics_need_certificate = config.tls.asks_for_certificates()};
  bool failing = false;
  while (true) {
    CO_ASSIGN_OR_RETURN(Permit place, co_await clients.NextPlace(deps.clock));
    tcp::endpoint peer;
    auto [error, socket] = co_await acceptor.async_accept(peer, kTuple);
    if (error) {
      // Once for a run of failures. A cancelled task throws from the pause.
      if (!std::exchange(failing, true) && error != asio::error::operation_aborted) {
        deps.log.Warning("admin cannot accept", {{"error", error.message()}});
      }
      co_await deps.clock.SleepFor(kAcceptPause);
      continue;
    }
    failing = false;
    // Small pieces of a stream do not wait for an acknowledgement.
    socket.set_option(tcp::no_delay(true), error);
    std::unique_ptr<ClientPlace> admitted = clients.Admit(std::move(place), peer.address());
    if (admitted == nullptr) continue;
    ClientPlace& client = *admitted;
    clients.Began(
        client, tasks.Spawn("admin connection", ServeClient(std::move(socket), peer, tls, services,
                                                            std::move(admitted))));
  }
}

Task<absl::Status> Server::Core::ReloadTls() {
  std::string told;
  while (true) {
    co_await deps.clock.SleepFor(config.tls.reload_interval);
    absl::StatusOr<TlsContext> loaded =
        co_await deps.runtime.blocking().Run([this] { return LoadTls(config.tls); });
    const std::string error = loaded.ok() ? std::string() : MessageOf(loaded.status());
    if (loaded.ok()) tls = *std::move(loaded);
    if (error != told && !error.empty()) {
      deps.log.Error("the certificate of admin stays as it was", {{"error", error}});
    }
    told = error;
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
  core->guard = GuardOf(bound, core->config);
  if (core->config.tls.enabled()) {
    ASSIGN_OR_RETURN(core->tls, LoadTls(core->config.tls));
    core->tasks.Spawn("admin certificate", core->ReloadTls());
  }
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
