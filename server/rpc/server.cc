#include "rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <mutex>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "base/big_endian.h"
#include "base/strings.h"
#include "rpc/admin_service.h"
#include "rpc/auth_gate.h"
#include "rpc/batch_service.h"
#include "rpc/call_groups.h"
#include "rpc/cancelled_calls.h"
#include "rpc/fetch_service.h"
#include "rpc/history.h"
#include "rpc/listener.h"
#include "rpc/server_tls.h"

namespace fetchd::rpc {
namespace {

constexpr int kMaxReceiveBytes = 4 << 20;
constexpr int kMaxMetadataBytes = 16 << 10;
constexpr int kMaxConcurrentStreams = 1000;
/// For TLS and the first bytes of HTTP/2; then a connection on which nothing was said ends.
constexpr int kHandshakeTimeoutMs = 10'000;
/// Without a call. Clients connect again with their next one.
constexpr int kConnectionIdleMs = 600'000;
/// Clients may ping every 10 s; a little less, so that jitter on the way makes no strike.
constexpr int kMinPingIntervalMs = 9'000;
/// For the calls of a connection that has lived long enough.
constexpr Duration kAgeGrace = std::chrono::minutes(5);
constexpr Duration kBufferReturnTimeout = std::chrono::seconds(5);
/// For the last messages of calls that were told to end.
constexpr Duration kFlushTime = std::chrono::seconds(1);

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

absl::StatusOr<HostPort> SplitListen(const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  const auto port = colon == std::string::npos
                        ? std::nullopt
                        : ParseDecimal<std::uint16_t>(std::string_view(listen).substr(colon + 1));
  std::string host = port ? listen.substr(0, colon) : "";
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && host.find(':') != std::string::npos)) {
    return absl::InvalidArgumentError(Concat(
        "grpc.listen: \"", listen, "\" is not HOST:PORT; write 127.0.0.1:7070 or [::1]:7070"));
  }
  return HostPort{std::move(host), *port};
}

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  boost::system::error_code error;
  const auto ip = boost::asio::ip::make_address(host, error);
  return !error && ip.is_loopback();
}

void LogTaskEnd(telemetry::Logger& log, const std::string& name, const absl::Status& status) {
  // Other errors are the caller's news; INTERNAL is ours.
  if (absl::IsInternal(status))
    log.Error("call failed", {{"call", name}, {"error", MessageOf(status)}});
}

int Milliseconds(Duration duration) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

void Configure(const ServerConfig& config, grpc::ServerBuilder& builder) {
  const ServerTls& tls = config.tls;
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  // Besides the bytes of bodies, which are ours.
  builder.SetResourceQuota(grpc::ResourceQuota("fetchd").Resize(config.call_memory_bytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxConcurrentStreams);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kConnectionIdleMs);
  // A dead client is noticed after a minute and a half, and its streams stop reading from their
  // origins.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  if (!tls.client_ca_file.empty()) {
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, Milliseconds(tls.connection_age));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, Milliseconds(kAgeGrace));
  }
}

/// 128 random bits.
std::string MakeLocalKey() {
  std::random_device random;
  std::string bytes;
  for (int i = 0; i < 4; ++i) PutBigEndian(random(), bytes);
  return HexEncode(bytes);
}

void InstallPlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

/// For one server: its plugin is there for every one of the process.
class HideReflection final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>* plugins) override {
    std::erase_if(*plugins, [](const auto& plugin) {
      return dynamic_cast<grpc::reflection::ProtoServerReflectionPlugin*>(plugin.get()) != nullptr;
    });
  }
};

}  // namespace

struct Server::Core {
  Core(ServerDeps server_deps, ServerConfig server_config)
      : deps(std::move(server_deps)),
        config(std::move(server_config)),
        groups(deps.runtime,
               [&log = deps.log](const std::string& name, const absl::Status& status) {
                 LogTaskEnd(log, name, status);
               }),
        rates(config.calls_per_sec, deps.clock),
        watches(config.max_watches),
        connections(std::make_shared<CallerConnections>(config.caller_connections, deps.clock)),
        local_key(MakeLocalKey()),
        gate({deps.authenticator, rates, deps.log, deps.clock, local_key, connections.get()}),
        fetch(deps, config, gate, groups, watches),
        admin(deps, config, gate, groups),
        batch(deps, config, gate, groups, watches),
        listener({deps.runtime.shard(0).executor(), deps.clock, deps.log, *connections}) {}

  const ServerDeps deps;
  const ServerConfig config;
  CallGroups groups;
  CallRates rates;
  WatchSlots watches;
  const std::shared_ptr<CallerConnections> connections;
  const std::string local_key;
  const Gate gate;
  const std::shared_ptr<History> history = std::make_shared<History>();
  FetchServiceImpl fetch;
  AdminServiceImpl admin;
  BatchServiceImpl batch;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor;
  Listener listener;
  std::string address;
  bool stopped = false;
};

absl::Status CheckListenAddress(const std::string& listen, Protection protection) {
  ASSIGN_OR_RETURN(const HostPort address, SplitListen(listen));
  const bool whole = protection.tls && protection.authentication;
  if (whole || protection.waived || IsLoopback(address.host)) return absl::OkStatus();
  std::string missing;
  if (!protection.tls) missing = "no TLS (grpc.tls.certificate_file)";
  if (!protection.authentication) {
    missing += Concat(missing.empty() ? "" : " and ", "no authentication (callers.file)");
  }
  return absl::FailedPreconditionError(
      Concat("grpc.listen: ", listen, " is reachable from other machines, and there is ", missing,
             ": configure it, listen on 127.0.0.1, or set grpc.insecure: true when the network "
             "itself is trusted"));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerDeps deps, ServerConfig config) {
  ASSIGN_OR_RETURN(const HostPort listen, SplitListen(config.listen));
  RETURN_IF_ERROR(CheckListenAddress(
      config.listen, {config.tls.enabled(), deps.authenticator != nullptr, config.insecure}));
  InstallPlugins();
  auto core = std::make_unique<Core>(std::move(deps), std::move(config));
  grpc::ServerBuilder builder;
  Configure(core->config, builder);
  // Its methods are not ours, and would ask nobody for a role.
  if (core->deps.authenticator != nullptr) builder.SetOption(std::make_unique<HideReflection>());
  RETURN_IF_ERROR(core->listener.Listen(core->config.listen, listen.host, listen.port));
  core->acceptor = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      MakeServerCredentials(core->config.tls));
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(NoteCancelledCalls(*core->connections, core->deps.log, core->deps.clock));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  builder.RegisterService(&core->fetch);
  builder.RegisterService(&core->admin);
  builder.RegisterService(&core->batch);
  core->server = builder.BuildAndStart();
  if (core->server == nullptr) return absl::InternalError("gRPC does not start; its log says why");
  core->groups.Next().Spawn("history", KeepHistory(core->deps, *core->history));
  core->listener.Start([&acceptor = *core->acceptor](int listener_fd, int fd) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.listener_fd = listener_fd;
    connection.fd = fd;
    acceptor.HandleNewConnection(&connection);
  });
  const std::uint16_t port = core->listener.port();
  const bool ipv6 = listen.host.find(':') != std::string::npos;
  core->address = ipv6 ? Concat('[', listen.host, "]:", port) : Concat(listen.host, ':', port);
  return std::unique_ptr<Server>(new Server(std::move(core)));
}

Server::Server(std::unique_ptr<Core> core) : core_(std::move(core)) {}

Server::~Server() { Stop(core_->deps.clock.Now()); }

const std::shared_ptr<CallerConnections>& Server::connections() const { return core_->connections; }

LocalAccess Server::Local() {
  grpc::ChannelArguments arguments;
  // What is answered is ours: a page of jobs may be as long as it likes.
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  return {core_->server->InProcessChannel(arguments), core_->local_key, core_->history};
}

const std::string& Server::address() const { return core_->address; }

void Server::BeginDrain() {
  core_->server->GetHealthCheckService()->SetServingStatus(false);
  core_->fetch.BeginDrain();
}

void Server::EndWatches() {
  core_->fetch.EndWatches();
  core_->batch.EndWatches();
}

bool Server::Stop(SteadyTime deadline) {
  if (std::exchange(core_->stopped, true)) return true;
  core_->listener.Stop();
  EndWatches();
  const Duration left = std::max(kFlushTime, Duration(deadline - core_->deps.clock.Now()));
  core_->server->Shutdown(std::chrono::system_clock::now() + left);
  core_->server->Wait();
  core_->groups.Stop();
  core_->server.reset();
  return core_->fetch.WaitForBuffers(kBufferReturnTimeout);
}

}  // namespace fetchd::rpc
