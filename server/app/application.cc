#include "app/application.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "admin/listen_address.h"
#include "admin/server.h"
#include "app/drain_controller.h"
#include "app/metrics.h"
#include "app/module_configs.h"
#include "app/named_secret_files.h"
#include "app/object_stores.h"
#include "app/own_addresses.h"
#include "app/sealing_keys.h"
#include "app/store_policy.h"
#include "base/check.h"
#include "base/following_clock.h"
#include "base/strings.h"
#include "egress/tenant_policies.h"
#include "fetch/egress_log.h"
#include "fetch/shared_limits.h"
#include "rpc/json_gateway.h"
#include "rpc/server.h"
#include "rpc/server_metrics.h"
#include "runtime/loop_lag.h"

namespace fetchd::app {
namespace {

/// Only this user reads what is made here: jobs may carry credentials, files may be anything. A
/// directory that is there keeps its mode: others may have business in it.
absl::Status MakeDataDirectory(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return absl::OkStatus();
  std::filesystem::create_directories(path, error);
  if (error) {
    return absl::FailedPreconditionError(Concat("data_dir: ", path,
                                                " cannot be made: ", error.message(),
                                                "; choose a directory that this user can write"));
  }
  if (chmod(path.c_str(), S_IRWXU) != 0) {
    return absl::FailedPreconditionError(
        Concat("data_dir: ", path, " cannot be made private: ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

/// After the grace: for the last words of streams to reach their clients.
constexpr Duration kFarewell = std::chrono::seconds(1);

}  // namespace

/// In the order of construction; destroyed in the reverse one.
struct Application::Parts {
  Parts(Config effective, std::string build_version)
      : config(std::move(effective)),
        version(std::move(build_version)),
        log(config.log),
        drain(clock, config.shutdown_grace, drain_signal),
        runtime(config.runtime),
        buffers(std::make_unique<sink::BufferPool>(config.buffer_bytes)) {}

  absl::Status OpenStorage(const StopAsked& stop_asked);
  absl::Status StartEngine();
  absl::Status ServeObjects();
  absl::Status StartServer();
  absl::Status StartAdmin();
  void LogServing();
  void Stop(SteadyTime deadline);

  const Config config;
  const std::string version;
  telemetry::Logger log;
  RealClock clock;
  FollowingClock job_clock;  ///< What jobs are told of, and wait for.
  fetch::EgressLog decisions{log, clock};
  runtime::DrainSignal drain_signal;
  DrainController drain;
  runtime::Runtime runtime;
  std::uint64_t file_limit = 0;
  store::CommitMeter commits;
  std::unique_ptr<jobs::Store> store;
  std::unique_ptr<sink::BufferPool> buffers;
  std::unique_ptr<sink::Destinations> destinations;
  std::optional<egress::TenantPolicies> policies;
  std::shared_ptr<net::TlsContexts> tls;
  std::unique_ptr<fetch::SharedLimits> shared_limits;  ///< Null: the store is this process's own.
  std::unique_ptr<http::SharedClient> client;
  std::unique_ptr<ObjectStores> object_stores;
  telemetry::Metrics metrics{clock};
  std::unique_ptr<runtime::LoopLagMonitor> loop_lag;
  std::unique_ptr<NamedSecretFiles> named_secrets;
  std::unique_ptr<fetch::Engine> engine;
  std::unique_ptr<Callers> callers;  ///< Null: nobody is asked who calls.
  std::unique_ptr<rpc::Server> server;
  std::unique_ptr<rpc::JsonGateway> gateway;  ///< Null without admin.api. Asked to the end.
  std::unique_ptr<admin::Server> admin;       ///< Null when it is off.
  bool engine_started = false;
  bool stopped = false;
};

absl::Status Application::Parts::OpenStorage(const StopAsked& stop_asked) {
  ASSIGN_OR_RETURN(file_limit, FileLimitFor(config));
  RETURN_IF_ERROR(MakeDataDirectory(config.data_dir));
  ASSIGN_OR_RETURN(
      store, OpenStore(config, {job_clock, log, commits, runtime.blocking(), version, stop_asked}));
  auto opened_files = sink::Destinations::Open(config.FilesRoot(), clock, runtime.blocking(),
                                               runtime.shard(0).executor());
  if (!opened_files.ok()) return WithPrefix(opened_files.status(), "files.root");
  destinations = *std::move(opened_files);
  return absl::OkStatus();
}

absl::Status Application::Parts::StartEngine() {
  egress::PolicyConfig of_callers = config.egress;
  ASSIGN_OR_RETURN(of_callers.own_addresses, OwnAddresses());
  const egress::TenantEgressRules of_tenants = TenantEgressOf(config);
  ASSIGN_OR_RETURN(policies, egress::TenantPolicies::Create(of_callers, of_tenants));
  ASSIGN_OR_RETURN(auto store_policies, egress::TenantPolicies::Create(StorePolicyOf(config),
                                                                       StoreEgressOf(of_tenants)));
  ASSIGN_OR_RETURN(tls, net::TlsContexts::Create(AllProfiles(config)));
  ASSIGN_OR_RETURN(http::ClientConfig client_config, ClientConfigOf(config));
  ASSIGN_OR_RETURN(named_secrets,
                   NamedSecretFiles::Start(config.secrets, config.grpc_tls.reload_interval,
                                           {runtime, clock, log}));
  fetch::EngineConfig engine_config = EngineConfigOf(config, client_config.origin_rules);
  engine_config.secrets = named_secrets->secrets();
  if (jobs::AllotmentStore* const allotments = store->allotments()) {
    shared_limits =
        std::make_unique<fetch::SharedLimits>(runtime, clock, *allotments, config.engine.url);
    client_config.allotments = &shared_limits->for_client();
  }
  client = std::make_unique<http::SharedClient>(
      runtime, clock, std::move(client_config),
      http::SharedClient::Policies(policies->service(), store_policies.service()), tls);
  RETURN_IF_ERROR(ServeObjects());
  loop_lag = std::make_unique<runtime::LoopLagMonitor>(runtime, clock);
  engine = std::make_unique<fetch::Engine>(
      fetch::EngineDeps{runtime, job_clock, *store, *client, *destinations, *buffers, *policies,
                        log, &decisions, std::move(store_policies), shared_limits.get()},
      std::move(engine_config));
  AddMetricSources(metrics, {job_clock, version, *client, *engine, *store, *buffers, *loop_lag,
                             decisions, commits, object_stores->meters(), drain_signal});
  if (shared_limits) shared_limits->Start(client->budget());
  RETURN_IF_ERROR(engine->Start());
  engine_started = true;
  return absl::OkStatus();
}

absl::Status Application::Parts::ServeObjects() {
  ASSIGN_OR_RETURN(object_stores, ObjectStores::Create(config.stores, {runtime, clock, *client}));
  std::vector<asio::any_io_executor> shards;
  for (std::size_t i = 0; i < runtime.size(); ++i) shards.push_back(runtime.shard(i).executor());
  destinations->ServeObjects(object_stores->MakePlaces(), *buffers, shards);
  return absl::OkStatus();
}

absl::Status Application::Parts::StartServer() {
  rpc::ServerDeps deps{
      .runtime = runtime,
      .clock = job_clock,
      .store = *store,
      .engine = *engine,
      .destinations = *destinations,
      .buffers = *buffers,
      .client = *client,
      .loop_lag = *loop_lag,
      .drain_signal = drain_signal,
      .log = log,
      .policies = *policies,
      .decisions = &decisions,
      .has_tls_profile = [tls = tls](std::string_view name) { return tls->Has(name); },
      .check_proxy = [this](std::string_view proxy,
                            const Origin& origin) { return client->CheckProxy(proxy, origin); },
      .drain = [this](std::optional<Duration> grace) { return drain.Begin(grace); }};
  const rpc::ServerConfig server_config{
      .listen = config.grpc_listen,
      .insecure = config.grpc_insecure,
      .tls = config.grpc_tls,
      .calls_per_sec = config.callers.calls_per_sec,
      .version = version,
      .url = config.engine.url,
      .tenants = config.engine.tenants,
      .secrets = named_secrets->secrets(),
      .max_connections = AllConnections(config),
      .caller_connections = CallerConnectionsOf(config, file_limit),
      .max_watches = config.grpc_max_watches,
      .call_memory_bytes = config.grpc_call_memory_bytes,
      .caller_idle = config.caller_idle};
  RETURN_IF_ERROR(CheckServerTls(config.grpc_tls));
  if (config.callers.enabled()) {
    ASSIGN_OR_RETURN(callers, Callers::Start(config.callers, config.grpc_tls.reload_interval,
                                             {runtime, clock, log, *client,
                                              !config.grpc_tls.client_ca_file.empty()}));
    deps.authenticator = &callers->authenticator();
  }
  ASSIGN_OR_RETURN(server, rpc::Server::Start(std::move(deps), server_config));
  metrics.Add(rpc::ServerMetrics(server->connections()));
  return absl::OkStatus();
}

absl::Status Application::Parts::StartAdmin() {
  if (config.admin_listen == admin::kOff) return absl::OkStatus();
  admin::ServerTls admin_tls = config.admin_tls;
  admin_tls.reload_interval = config.grpc_tls.reload_interval;
  if (config.admin_api) {
    gateway = std::make_unique<rpc::JsonGateway>(
        rpc::JsonGateway::Deps{runtime, clock, server->Local(),
                               callers ? &callers->authenticator() : nullptr, log, version},
        rpc::JsonGatewayConfig());
  }
  ASSIGN_OR_RETURN(admin,
                   admin::Server::Start({runtime, clock, drain_signal, log, metrics, gateway.get()},
                                        {.listen = config.admin_listen,
                                         .tls = std::move(admin_tls),
                                         .api_asks_callers = callers != nullptr}));
  return absl::OkStatus();
}

void Application::Parts::LogServing() {
  std::string allow;
  for (const std::string& rule : config.egress.allow) allow += (allow.empty() ? "" : ",") + rule;
  log.Info("serving", {{"version", version},
                       {"address", server->address()},
                       {"tls", config.grpc_tls.enabled()},
                       {"authentication", config.callers.enabled()},
                       {"admin", admin ? admin->address() : std::string(admin::kOff)},
                       {"admin_api", gateway != nullptr},
                       {"data_dir", config.data_dir},
                       {"database", config.DatabaseName()},
                       {"files_root", config.FilesRoot().string()},
                       {"egress_allow", allow},
                       {"proxy_default", config.proxy.default_name},
                       {"caller_connections", server->connections()->limit()},
                       {"connections", AllConnections(config)},
                       {"per_host", config.client.max_per_host},
                       {"transfers", config.engine.max_transfers},
                       {"buffer_bytes", config.buffer_bytes},
                       {"file_limit", file_limit},
                       {"shards", runtime.size()},
                       {"shutdown_grace_ms", config.shutdown_grace}});
}

void Application::Parts::Stop(SteadyTime deadline) {
  if (std::exchange(stopped, true)) return;
  if (server) server->BeginDrain();
  if (engine_started) engine->Drain(deadline);
  if (server) {
    server->EndWatches();
    if (!server->Stop(std::max(deadline, clock.Now() + kFarewell))) {
      log.Warning("gRPC still holds body bytes");
      static_cast<void>(buffers.release());  // They point into the pool: it stays to the end.
    }
  }
  if (gateway) gateway->Close();
  server.reset();
  callers.reset();
  named_secrets.reset();
  const absl::Status closed = runtime::RunBlocking(runtime.shard(0).executor(), metrics.Close());
  FETCHD_CHECK(closed.ok());
  if (shared_limits) shared_limits->Stop();
  engine.reset();
  // These end their own tasks on the shards, which have to be there still.
  if (destinations) destinations->CloseObjects();
  object_stores.reset();
  client.reset();
  shared_limits.reset();
  loop_lag.reset();
  destinations.reset();
  store.reset();
  admin.reset();
  gateway.reset();
  runtime.Stop();
}

absl::StatusOr<std::unique_ptr<Application>> Application::Start(Config config, std::string version,
                                                                const StopAsked& stop_asked) {
  std::unique_ptr<Application> application(
      new Application(std::make_unique<Parts>(std::move(config), std::move(version))));
  Parts& parts = *application->parts_;
  RETURN_IF_ERROR(parts.OpenStorage(stop_asked));
  RETURN_IF_ERROR(parts.StartEngine());
  RETURN_IF_ERROR(parts.StartServer());
  RETURN_IF_ERROR(parts.StartAdmin());
  parts.LogServing();
  return application;
}

Application::Application(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Application::~Application() { parts_->Stop(parts_->clock.Now()); }

const std::string& Application::address() const { return parts_->server->address(); }

std::string Application::admin_address() const {
  return parts_->admin ? parts_->admin->address() : std::string();
}

void Application::RequestStop() { parts_->drain.Begin(std::nullopt); }

void Application::Run() {
  const SteadyTime deadline = parts_->drain.Wait();
  parts_->log.Info("draining", {{"grace_ms", Duration(deadline - parts_->clock.Now())}});
  parts_->Stop(deadline);
  parts_->log.Info("stopped");
}

}  // namespace fetchd::app
