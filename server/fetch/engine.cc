#include "fetch/engine.h"

#include <utility>

#include "fetch/engine_core.h"

namespace fetchd::fetch {

struct Engine::Core {
  Core(EngineDeps deps, EngineConfig config)
      : client(deps.client),
        clock(deps.clock),
        policies(deps.policies),
        clients(deps.client),
        engine({deps.runtime, deps.clock, deps.store, clients, deps.destinations, deps.buffers,
                std::move(deps.policies), deps.log, nullptr, deps.decisions,
                std::move(deps.store_policies), deps.shared_limits},
               config) {}
  http::SharedClient& client;
  Clock& clock;
  const egress::TenantPolicies policies;
  SharedClients clients;
  EngineCore engine;
};

Engine::Engine(EngineDeps deps, EngineConfig config)
    : core_(std::make_unique<Core>(std::move(deps), config)) {}
Engine::~Engine() = default;

absl::Status Engine::Start() { return core_->engine.Start(); }

void Engine::Drain(SteadyTime deadline) { core_->engine.Drain(deadline); }

void Engine::Wake() { core_->engine.Wake(); }

void Engine::WakeBatches() { core_->engine.WakeBatches(); }

Task<absl::StatusOr<jobs::Job>> Engine::Cancel(JobId id) {
  co_return co_await core_->engine.Cancel(std::move(id));
}

Task<absl::StatusOr<jobs::Job>> Engine::Pause(JobId id) {
  co_return co_await core_->engine.Pause(std::move(id));
}

Task<absl::StatusOr<StreamEnd>> Engine::Stream(jobs::FetchSpec spec, std::uint64_t offset,
                                               Deadline deadline, StreamReceiver& receiver,
                                               std::string tenant) {
  co_return co_await core_->engine.Stream(std::move(spec), offset, deadline, receiver,
                                          std::move(tenant));
}

Task<absl::StatusOr<egress::Judgement>> Engine::Check(Url url, std::string tenant) {
  constexpr Duration kResolveTimeout = std::chrono::seconds(5);
  const Deadline deadline = Deadline::After(core_->clock, kResolveTimeout);
  co_return co_await core_->client.Judge(std::move(url), core_->policies.For(tenant), deadline);
}

std::optional<Progress> Engine::ProgressOf(const JobId& id) const {
  return core_->engine.ProgressOf(id);
}

std::vector<std::pair<JobId, Progress>> Engine::AllProgress() const {
  return core_->engine.AllProgress();
}

std::optional<JobWait> Engine::WaitOf(const jobs::Job& job) { return core_->engine.WaitOf(job); }

std::vector<OriginPacer::OriginState> Engine::Origins() { return core_->engine.pacer().List(); }

OriginPacer::OriginState Engine::SetOriginLimits(const Origin& origin, OriginLimits limits) {
  core_->engine.pacer().SetLimits(origin, limits);
  Wake();
  return core_->engine.pacer().StateOf(origin);
}

EngineStats Engine::Stats() const { return core_->engine.Stats(); }

const EngineMeter& Engine::meter() const { return core_->engine.meter(); }

}  // namespace fetchd::fetch
