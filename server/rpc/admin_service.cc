#include "rpc/admin_service.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "rpc/convert_pacing.h"
#include "rpc/convert_time.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

constexpr std::size_t kMaxTenants = 100;
constexpr Duration kMaxGrace = std::chrono::hours(24);

v1::Status::Dials DialsToProto(const http::Dials& dials) {
  v1::Status::Dials out;
  out.set_connection_reuse_ratio(dials.reuse_ratio());
  *out.mutable_pool_wait_mean() = ToProto(dials.pool_wait.mean());
  if (const auto p99 = dials.pool_wait.Quantile(0.99)) *out.mutable_pool_wait_p99() = ToProto(*p99);
  out.set_retry_ratio(dials.retry_ratio());
  out.set_requests(dials.requests);
  out.set_connections_opened(dials.opened);
  out.set_retries(dials.retries);
  out.set_in_flight(dials.in_flight);
  out.set_peak_in_flight(dials.peak_in_flight);
  out.set_limit(dials.limit);
  return out;
}

v1::Status::Origin OriginToProto(const http::ClientStats::PerOrigin& origin) {
  v1::Status::Origin out;
  out.set_open(origin.open);
  out.set_idle(origin.idle);
  out.set_in_flight(origin.dials.in_flight);
  out.set_waiting(origin.waiting);
  *out.mutable_dials() = DialsToProto(origin.dials);
  return out;
}

v1::Status::Replica ReplicaToProto(const jobs::Replica& replica) {
  v1::Status::Replica out;
  out.set_id(replica.id);
  out.set_host(replica.host);
  out.set_version(replica.version);
  *out.mutable_start_time() = ToProto(replica.started_at);
  *out.mutable_lease_left() = ToProto(replica.lease_left);
  out.set_running_jobs(replica.running);
  out.set_is_self(replica.is_self);
  return out;
}

}  // namespace

AdminServiceImpl::AdminServiceImpl(const ServerDeps& deps, const ServerConfig& config,
                                   const Gate& gate, CallGroups& groups)
    : deps_(deps),
      config_(config),
      gate_(gate),
      groups_(groups),
      started_at_(deps.clock.WallNow()) {}

grpc::ServerUnaryReactor* AdminServiceImpl::GetStatus(grpc::CallbackServerContext* context,
                                                      const v1::GetStatusRequest*,
                                                      v1::Status* response) {
  const auto [call, caller] = gate_.Open("GetStatus", *context);
  if (!caller.ok()) return EndCall(call, caller.status());
  return StartCall(groups_.Next(), "GetStatus", call, DoGetStatus(response));
}

Task<absl::Status> AdminServiceImpl::DoGetStatus(v1::Status* response) {
  const absl::StatusOr<jobs::StoreStats> store = co_await deps_.store.Stats();
  if (!store.ok()) co_return store.status();
  response->set_log_level(telemetry::LogLevelName(deps_.log.level()));
  response->set_version(config_.version);
  *response->mutable_start_time() = ToProto(started_at_);
  response->set_draining(deps_.drain_signal.draining());
  for (const auto& [state, count] : store->jobs) {
    (*response->mutable_jobs_by_state())[jobs::StateName(state)] = count;
  }
  response->set_store_commits(store->commits);
  response->set_store_changes(store->changes);
  const auto replicas = co_await deps_.store.Replicas();
  if (!replicas.ok()) co_return replicas.status();
  for (const jobs::Replica& replica : *replicas) {
    *response->add_replicas() = ReplicaToProto(replica);
  }
  WriteTenants(*store, *response);
  WriteEngine(*response);
  WriteClient(*response);
  WriteShards(*response);
  co_return absl::OkStatus();
}

void AdminServiceImpl::WriteTenants(const jobs::StoreStats& store, v1::Status& out) const {
  std::map<std::string, jobs::LiveJobs> tenants = store.tenants;
  for (const auto& [tenant, bytes] : store.stored_bytes) tenants.try_emplace(tenant);
  std::vector<std::pair<std::uint64_t, const std::string*>> most;
  for (const auto& [tenant, live] : tenants) most.emplace_back(live.all(), &tenant);
  const std::size_t shown = std::min(most.size(), kMaxTenants);
  std::partial_sort(most.begin(), most.begin() + static_cast<std::ptrdiff_t>(shown), most.end(),
                    std::greater<>());
  for (std::size_t i = 0; i < shown; ++i) {
    const std::string& tenant = *most[i].second;
    const jobs::LiveJobs& live = tenants.at(tenant);
    const fetch::TenantLimits limits = fetch::LimitsOf(config_.tenants, tenant);
    v1::Status::Tenant& entry = *out.add_tenants();
    entry.set_tenant(tenant);
    entry.set_waiting(live.waiting);
    entry.set_running(live.running);
    entry.set_paused(live.paused);
    entry.set_max_jobs(limits.max_jobs);
    entry.set_weight(limits.weight);
    if (limits.max_transfers) entry.set_max_transfers(*limits.max_transfers);
    if (const auto bytes = store.stored_bytes.find(tenant); bytes != store.stored_bytes.end()) {
      entry.set_stored_bytes(bytes->second);
    }
    if (limits.max_stored_bytes) entry.set_max_stored_bytes(*limits.max_stored_bytes);
  }
  out.set_other_tenants(most.size() - shown);
}

void AdminServiceImpl::WriteEngine(v1::Status& out) const {
  const fetch::EngineStats engine = deps_.engine.Stats();
  v1::Status::Limit& transfers = *out.mutable_transfers();
  transfers.set_in_use(engine.transfers_in_use);
  transfers.set_peak(engine.transfers_peak);
  transfers.set_limit(engine.transfers_limit);
  transfers.set_waiting(engine.transfers_waiting);
  const Semaphore& budget = deps_.buffers.budget();
  v1::Status::Limit& bytes = *out.mutable_buffer_bytes();
  bytes.set_in_use(budget.in_use());
  bytes.set_peak(budget.peak());
  bytes.set_limit(budget.capacity());
  bytes.set_waiting(budget.waiting());
  out.set_received_bytes(engine.received_bytes);
}

void AdminServiceImpl::WriteClient(v1::Status& out) const {
  const http::ClientStats client = deps_.client.Stats();
  v1::Status::Limit& connections = *out.mutable_connections();
  connections.set_in_use(client.open);
  connections.set_peak(client.open_peak);
  connections.set_limit(config_.max_connections);
  connections.set_waiting(client.waiting);
  *out.mutable_dials() = DialsToProto(client.dials);
  *out.mutable_dials()->mutable_pool_wait_max() = ToProto(client.pool_wait_max);
  for (const auto& origin : client.origins) {
    v1::Status::Origin& entry = *out.add_origins();
    entry = OriginToProto(origin);
    entry.set_origin(origin.origin.ToString());
  }
  *out.mutable_other_origins() = OriginToProto(client.others);
}

void AdminServiceImpl::WriteShards(v1::Status& out) const {
  Duration worst{};
  int index = 0;
  for (const runtime::LoopLagMonitor::Lag& lag : deps_.loop_lag.Read()) {
    v1::Status::Shard& shard = *out.add_shards();
    shard.set_index(index++);
    *shard.mutable_loop_lag() = ToProto(lag.last);
    *shard.mutable_loop_lag_peak() = ToProto(lag.peak);
    worst = std::max(worst, lag.last);
  }
  *out.mutable_dials()->mutable_loop_lag() = ToProto(worst);
}

grpc::ServerUnaryReactor* AdminServiceImpl::Drain(grpc::CallbackServerContext* context,
                                                  const v1::DrainRequest* request,
                                                  v1::DrainResponse* response) {
  const auto [call, caller] = gate_.Open("Drain", *context);
  if (!caller.ok()) return EndCall(call, caller.status());
  std::optional<Duration> grace;
  if (request->has_grace()) {
    const absl::StatusOr<Duration> asked = FromProto(request->grace(), "grace");
    if (!asked.ok()) return EndCall(call, asked.status());
    if (*asked > kMaxGrace) {
      return EndCall(call, InvalidField("grace", "at most 24 h"));
    }
    grace = *asked;
  }
  const SteadyTime deadline = deps_.drain(grace);
  const Duration left = deadline - deps_.clock.Now();
  *response->mutable_deadline() = ToProto(deps_.clock.WallNow() + left);
  return EndCall(call, absl::OkStatus());
}

grpc::ServerUnaryReactor* AdminServiceImpl::ListOrigins(grpc::CallbackServerContext* context,
                                                        const v1::ListOriginsRequest*,
                                                        v1::ListOriginsResponse* response) {
  const auto [call, caller] = gate_.Open("ListOrigins", *context);
  if (!caller.ok()) return EndCall(call, caller.status());
  for (const auto& state : deps_.engine.Origins()) *response->add_origins() = ToProto(state);
  return EndCall(call, absl::OkStatus());
}

grpc::ServerUnaryReactor* AdminServiceImpl::SetOriginLimits(
    grpc::CallbackServerContext* context, const v1::SetOriginLimitsRequest* request,
    v1::OriginState* response) {
  const auto [call, caller] =
      gate_.Open("SetOriginLimits", *context, [response] { return response->origin(); });
  if (!caller.ok()) return EndCall(call, caller.status());
  const absl::StatusOr<Origin> origin = ParseOrigin(request->origin(), config_.url);
  if (!origin.ok()) return EndCall(call, origin.status());
  const absl::StatusOr<fetch::OriginLimits> limits = FromProto(request->limits());
  if (!limits.ok()) return EndCall(call, limits.status());
  *response = ToProto(deps_.engine.SetOriginLimits(*origin, *limits));
  return EndCall(call, absl::OkStatus());
}

grpc::ServerUnaryReactor* AdminServiceImpl::SetLogLevel(grpc::CallbackServerContext* context,
                                                        const v1::SetLogLevelRequest* request,
                                                        v1::SetLogLevelResponse* response) {
  const auto [call, caller] =
      gate_.Open("SetLogLevel", *context, [response] { return response->level(); });
  if (!caller.ok()) return EndCall(call, caller.status());
  const std::optional<telemetry::LogLevel> level = telemetry::ParseLogLevel(request->level());
  if (!level) return EndCall(call, InvalidField("level", "debug, info, warning or error"));
  response->set_previous(telemetry::LogLevelName(deps_.log.SetLevel(*level)));
  response->set_level(telemetry::LogLevelName(*level));
  return EndCall(call, absl::OkStatus());
}

}  // namespace fetchd::rpc
