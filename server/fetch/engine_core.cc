#include "fetch/engine_core.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/strings.h"
#include "fetch/mirrors.h"

namespace fetchd::fetch {
namespace {

/// A process that is gone may have left a batch half done.
constexpr Duration kOthersBatches = std::chrono::seconds(30);

double Uniform() {
  thread_local std::mt19937_64 random(std::random_device{}());
  return std::uniform_real_distribution<double>(0, 1)(random);
}

CoreDeps Completed(CoreDeps deps) {
  if (!deps.uniform) deps.uniform = Uniform;
  return deps;
}

/// An eighth of what the transfers have, and enough for a few reads in any case.
std::size_t SharedBudget(const sink::BufferPool& buffers) {
  return std::max(static_cast<std::size_t>(buffers.budget().capacity()) / 8,
                  std::size_t{4} * SharedReads::kHeld);
}

PacerConfig PacerConfigOf(const EngineConfig& config, SharedLimits* shared) {
  PacerConfig pacer = config.pacer;
  if (shared != nullptr) pacer.shares = &shared->origins();
  return pacer;
}

}  // namespace

/// Registers a stream for shutdown while it runs.
class EngineCore::StreamEntry {
 public:
  StreamEntry(EngineCore& core, StreamRun& run) : core_(core), run_(run) {
    const std::lock_guard lock(core_.mutex_);
    core_.streams_.insert(&run_);
  }
  ~StreamEntry() {
    // Under the lock: once Idle() says so, the core may be destroyed.
    const std::lock_guard lock(core_.mutex_);
    core_.peak_in_use_ = std::max(core_.peak_in_use_, core_.InUse());
    core_.streams_.erase(&run_);
    core_.dispatcher_.Wake();  // Its origin may have room again.
    core_.NoteEnd();
  }
  StreamEntry(const StreamEntry&) = delete;
  StreamEntry& operator=(const StreamEntry&) = delete;

 private:
  EngineCore& core_;
  StreamRun& run_;
};

EngineCore::EngineCore(CoreDeps deps, EngineConfig config)
    : deps_(Completed(std::move(deps))),
      config_(config),
      transfers_(config_.max_transfers),
      pacer_(deps_.clock, PacerConfigOf(config_, deps_.shared_limits)),
      spares_(
          transfers_, pacer_, [this] { dispatcher_.Wake(); },
          [this](const Origin& origin) {
            return deps_.shared_limits != nullptr && deps_.shared_limits->hosts().IsCrowded(origin);
          }),
      store_health_(deps_.log, deps_.clock),
      shared_buffers_(SharedBudget(deps_.buffers)),
      control_(deps_.runtime.shard(0).executor()),
      housekeeping_(deps_.runtime.shard(0).executor()),
      dispatcher_(
          deps_.runtime.shard(0).executor(), deps_.clock, deps_.store, store_health_, transfers_,
          pacer_, Rooms(),
          [this](const jobs::Job& job) { return UrlOffHold(job, pacer_, config_.url); },
          [this](jobs::Claim claim, Permit permit, Duration permit_wait) {
            Launch(std::move(claim), std::move(permit), permit_wait);
          },
          [this](bool now) { NoteClaiming(now); }),
      expirer_(deps_.runtime.shard(0).executor(), deps_.clock, deps_.store, store_health_,
               [this](jobs::Job job) { return OnExpired(std::move(job)); }),
      batch_runner_(
          deps_.runtime.shard(0).executor(), deps_.clock, deps_.store, store_health_,
          [this](std::vector<jobs::Job> changed) { return OnBatchStep(std::move(changed)); },
          deps_.store.IsShared() ? std::optional(kOthersBatches) : std::nullopt),
      idle_(deps_.runtime.shard(0).executor()) {
  for (std::size_t i = 0; i < deps_.runtime.size(); ++i) {
    const asio::any_io_executor executor = deps_.runtime.shard(i).executor();
    groups_.push_back(std::make_unique<runtime::TaskGroup>(executor));
    sources_.push_back(
        std::make_unique<ObjectSources>(deps_.clients.ForShard(i), deps_.destinations, i));
    shared_reads_.push_back(std::make_unique<SharedReads>(
        SharedReads::Deps{executor, deps_.clock, *sources_[i], shared_buffers_, sharing_}));
  }
  if (deps_.store.IsShared()) {
    const asio::any_io_executor control = deps_.runtime.shard(0).executor();
    claim_watch_.emplace(
        control, deps_.clock, deps_.store, store_health_, [this] { return Held(); },
        [this](const jobs::ClaimId& claim) { StopLost(claim); });
    exchange_ = std::make_unique<ProgressExchange>(control, deps_.clock, deps_.store,
                                                   [this] { return AllProgress(); });
  }
  if (deps_.shared_limits == nullptr) return;
  deps_.shared_limits->Serve(pacer_, [this] { return TenantUses(); });
}

EngineCore::~EngineCore() {
  if (!drained_) Drain(deps_.clock.Now());
  // A cancellation that came late may have left work there.
  runtime::RunBlocking(deps_.runtime.shard(0).executor(), housekeeping_.Join());
}

absl::Status EngineCore::Start() {
  const auto recovered =
      runtime::RunBlocking(deps_.runtime.shard(0).executor(), deps_.store.Recover());
  RETURN_IF_ERROR(recovered.status());
  // Jobs come from others, too, and theirs end: then an origin or a tenant has room.
  if (claim_watch_) {
    listener_ = deps_.store.OnEvents([this] {
      Wake();
      claim_watch_->Wake();
    });
    control_.Spawn("claims", claim_watch_->Run());
    control_.Spawn("progress", exchange_->Run());
  }
  if (deps_.shared_limits != nullptr) {
    deps_.shared_limits->OnChange([this] { dispatcher_.Wake(); });
  }
  housekeeping_.Spawn("sweep temporaries", Sweep());
  housekeeping_.Spawn("sweep uploads", SweepNoted());
  control_.Spawn("dispatcher", dispatcher_.Run());
  control_.Spawn("expirer", expirer_.Run());
  control_.Spawn("batches", batch_runner_.Run());
  return absl::OkStatus();
}

void EngineCore::Wake() {
  dispatcher_.Wake();
  expirer_.Wake();
}

// Beside the running service: a job that is not ended keeps its file, whenever it was created.
Task<absl::Status> EngineCore::Sweep() {
  const auto removed = co_await deps_.destinations.SweepTemporaries(
      [this](const JobId& id) { return MayBeLive(id); });
  co_return removed.status();
}

// On a thread of the blocking pool.
bool EngineCore::MayBeLive(const JobId& id) {
  const absl::StatusOr<jobs::Job> job =
      runtime::RunBlocking(deps_.runtime.shard(0).executor(), deps_.store.Get(id));
  return job.ok() ? !jobs::IsTerminal(job->state) : !absl::IsNotFound(job.status());
}

egress::SubjectPtr EngineCore::SubjectOf(std::string tenant, std::string job) const {
  auto subject = std::make_shared<egress::Subject>(deps_.policies.For(tenant));
  if (deps_.store_policies) subject->store_policy = deps_.store_policies->For(tenant);
  subject->tenant = std::move(tenant);
  subject->job = std::move(job);
  subject->decisions = deps_.decisions;
  return subject;
}

TransferDeps EngineCore::TransferOn(std::size_t shard, egress::SubjectPtr subject) {
  const auto bytes_per_sec = LimitsOf(config_.tenants, subject->tenant).bytes_per_sec;
  std::shared_ptr<ByteRate> tenant_rate;
  std::function<double()> part;
  if (bytes_per_sec) tenant_rate = tenant_rates_.For(subject->tenant, deps_.clock.Now());
  if (bytes_per_sec && deps_.shared_limits != nullptr) {
    part = [this, tenant = subject->tenant] {
      return deps_.shared_limits->tenants().RateOf(tenant);
    };
  }
  return {deps_.clock,
          *sources_[shard],
          std::move(subject),
          deps_.buffers,
          config_,
          pacer_,
          bandwidth_,
          [this](const Origin& origin) { deps_.clients.CountRetry(origin); },
          shared_reads_[shard].get(),
          &spares_,
          std::move(tenant_rate),
          bytes_per_sec.value_or(0),
          std::move(part)};
}

std::size_t EngineCore::ShardOf(const std::string& origin) const {
  const absl::StatusOr<Origin> parsed = Origin::Parse(origin, config_.url);
  return parsed.ok() ? deps_.clients.ShardFor(*parsed) : 0;
}

// On a thread of the store.
jobs::Room EngineCore::RoomFor(const std::string& origin) {
  const auto capacity = static_cast<std::size_t>(transfers_.capacity());
  const absl::StatusOr<Origin> parsed = Origin::Parse(origin, config_.url);
  // Nobody can be asked too much by a job that fails at once.
  if (!parsed.ok()) return {static_cast<int>(capacity), static_cast<int>(capacity)};
  // Those that the dispatcher holds for what it may find are free.
  const auto busy = static_cast<std::size_t>(transfers_.in_use());
  const std::size_t free = capacity - busy + std::min(dispatcher_.held(), busy);
  OriginPacer::Room room = pacer_.RoomFor(*parsed, free);
  if (deps_.shared_limits != nullptr) {
    room.transfers = deps_.shared_limits->hosts().JobsFor(*parsed, room.transfers);
    room.retries = std::min(room.retries, room.transfers);
  }
  if (room.transfers == 0) spares_.NoteRefusal(*parsed);
  return {static_cast<int>(room.transfers), static_cast<int>(room.retries)};
}

// On a thread of the store.
jobs::Share EngineCore::ShareFor(const std::string& tenant) {
  const TenantLimits limits = LimitsOf(config_.tenants, tenant);
  const std::lock_guard lock(mutex_);
  if (tenants_met_.size() < 2) tenants_met_.insert(tenant);
  const bool has_others = tenants_met_.size() > 1 || NamesTenants(config_.tenants);
  std::size_t most =
      MostTransfers(limits, static_cast<std::size_t>(transfers_.capacity()), has_others);
  const auto at_work = at_work_.find(tenant);
  const std::size_t used = at_work == at_work_.end() ? 0 : at_work->second;
  if (deps_.shared_limits != nullptr && limits.max_transfers) {
    SharedTenants& tenants = deps_.shared_limits->tenants();
    most = std::min(most, tenants.TransfersOf(tenant, *limits.max_transfers, used));
  }
  return {static_cast<int>(most - std::min(used, most)), limits.weight};
}

std::vector<TenantUse> EngineCore::TenantUses() const {
  std::vector<TenantUse> uses;
  const std::lock_guard lock(mutex_);
  for (const auto& [tenant, transfers] : at_work_) {
    const TenantLimits limits = LimitsOf(config_.tenants, tenant);
    uses.push_back(
        {tenant, transfers, limits.max_transfers.value_or(0), limits.bytes_per_sec.has_value()});
  }
  return uses;
}

jobs::Rooms EngineCore::Rooms() {
  return {[this](const std::string& origin) { return RoomFor(origin); },
          [this](const std::string& tenant) { return ShareFor(tenant); }};
}

std::optional<JobWait> EngineCore::WaitOf(const jobs::Job& job) {
  Surroundings around;
  around.now = deps_.clock.WallNow();
  around.max_transfers = transfers_.capacity();
  around.draining = draining_.load(std::memory_order_acquire);
  {
    const std::lock_guard lock(mutex_);
    around.transfers = InUse();
  }
  const std::string origin = jobs::OriginOfNext(job);
  around.origin_has_room = RoomFor(origin).jobs > 0;
  around.tenant_has_room = ShareFor(job.tenant).jobs > 0;
  const std::optional<std::size_t> own = LimitsOf(config_.tenants, job.tenant).max_transfers;
  if (own <= MostTransfers({}, around.max_transfers, true)) around.tenant_limit = own;
  if (const absl::StatusOr<Origin> parsed = Origin::Parse(origin, config_.url); parsed.ok()) {
    around.origin = pacer_.StateOf(*parsed);
    around.host_has_room =
        deps_.shared_limits == nullptr || deps_.shared_limits->hosts().JobsFor(*parsed, 1) > 0;
  }
  return fetch::WaitOf(job, around);
}

void EngineCore::Launch(jobs::Claim claim, Permit permit, Duration permit_wait) {
  const std::string origin = jobs::OriginOfNext(claim.job);
  const std::size_t shard = ShardOf(origin);
  egress::SubjectPtr subject = SubjectOf(claim.job.tenant, claim.job.id.name());
  JobRunDeps deps{TransferOn(shard, std::move(subject)),
                  shard,
                  deps_.runtime.shard(shard).executor(),
                  deps_.store,
                  store_health_,
                  deps_.log,
                  deps_.destinations,
                  counters_,
                  draining_,
                  deps_.uniform};
  OriginPacer::Turn turn;
  if (const absl::StatusOr<Origin> parsed = Origin::Parse(origin, config_.url); parsed.ok()) {
    turn = pacer_.Begin(*parsed, claim.job.attempt > 1);
  }
  auto run = std::make_shared<JobRun>(std::move(deps), std::move(claim), std::move(permit),
                                      std::move(turn), permit_wait);
  const std::lock_guard lock(mutex_);
  const auto cancelled = cancelled_.find(run->id());
  if (cancelled != cancelled_.end() && run->fence() <= cancelled->second) {
    run->Stop(StopReason::kCancel);
  }
  // Claimed anew while its earlier run goes on: that has lost it.
  if (const auto earlier = running_.find(run->id());
      earlier != running_.end() && claim_watch_ && earlier->second->fence() < run->fence()) {
    earlier->second->Stop(StopReason::kLost);
  }
  if (running_.contains(run->id()) || removing_.contains(run->id())) {
    next_[run->id()] = std::move(run);
  } else {
    Begin(run);
  }
}

void EngineCore::NoteClaiming(bool now) {
  if (deps_.shared_limits != nullptr) deps_.shared_limits->NoteClaiming(now);
  const std::lock_guard lock(mutex_);
  claiming_ = now;
  if (!now) cancelled_.clear();
}

// Under the lock.
void EngineCore::Begin(const std::shared_ptr<JobRun>& run) {
  running_[run->id()] = run;
  ++at_work_[run->tenant()];
  peak_in_use_ = std::max(peak_in_use_, InUse());
  groups_[run->shard()]->Spawn(run->id().name(), RunJob(run));
}

Task<absl::Status> EngineCore::RunJob(std::shared_ptr<JobRun> run) {
  absl::Status status = co_await run->Run();
  for (bool clean = false; !Leave(run, clean); clean = true) {
    status.Update(co_await run->CleanUpAfterCancel());
  }
  run.reset();
  NoteEnd();
  Wake();
  co_return status;
}

// False when the run was cancelled and has not cleaned up since: a cancellation that comes later
// does not find it any more.
bool EngineCore::Leave(const std::shared_ptr<JobRun>& run, bool clean) {
  const std::lock_guard lock(mutex_);
  if (run->cancelled() && !clean) return false;
  running_.erase(run->id());
  const auto at_work = at_work_.find(run->tenant());
  if (--at_work->second == 0) at_work_.erase(at_work);
  BeginNext(run->id());
  return true;
}

// Under the lock.
void EngineCore::BeginNext(const JobId& id) {
  if (const auto next = next_.extract(id)) Begin(next.mapped());
}

void EngineCore::NoteEnd() {
  if (draining_.load(std::memory_order_acquire)) idle_.Set();
}

bool EngineCore::Idle() const {
  const std::lock_guard lock(mutex_);
  return running_.empty() && next_.empty() && streams_.empty();
}

Task<absl::StatusOr<StreamEnd>> EngineCore::Stream(jobs::FetchSpec spec, std::uint64_t offset,
                                                   Deadline deadline, StreamReceiver& receiver,
                                                   std::string tenant) {
  if (draining_.load(std::memory_order_acquire)) {
    co_return WithReason(absl::UnavailableError("shutting down"),
                         {"INTERRUPTED", {{"offset", Concat(offset)}}});
  }
  const std::size_t shard = ShardOf(jobs::OriginOfUrl(spec, 0));
  asio::any_io_executor executor = deps_.runtime.shard(shard).executor();
  co_return co_await runtime::OnShard(
      std::move(executor),
      StreamOn(shard, std::move(spec), offset, deadline, receiver, std::move(tenant)));
}

Task<absl::StatusOr<StreamEnd>> EngineCore::StreamOn(std::size_t shard, jobs::FetchSpec spec,
                                                     std::uint64_t offset, Deadline deadline,
                                                     StreamReceiver& receiver, std::string tenant) {
  StreamRunDeps deps{TransferOn(shard, SubjectOf(std::move(tenant), "")),
                     deps_.runtime.shard(shard).executor(),
                     transfers_,
                     counters_,
                     deps_.log,
                     deps_.uniform};
  StreamRun run(std::move(deps), std::move(spec), offset, deadline, receiver);
  const StreamEntry entry(*this, run);
  // Drain() may have looked for streams just before this one was entered.
  if (draining_.load(std::memory_order_acquire)) run.Interrupt();
  co_return co_await run.Run();
}

void EngineCore::Drain(SteadyTime deadline) {
  drained_ = true;
  draining_.store(true, std::memory_order_release);
  if (listener_) deps_.store.RemoveListener(*listener_);
  if (deps_.shared_limits != nullptr) deps_.shared_limits->OnChange(nullptr);
  dispatcher_.Stop();
  expirer_.Stop();
  batch_runner_.Stop();
  if (claim_watch_) claim_watch_->Stop();
  if (exchange_) exchange_->Stop();
  housekeeping_.Cancel();
  const asio::any_io_executor control = deps_.runtime.shard(0).executor();
  runtime::RunBlocking(control, control_.Join());
  runtime::RunBlocking(control, housekeeping_.Join());
  runtime::RunBlocking(control, WaitUntilIdle(deadline));
  InterruptAll();
  // First: until nothing runs, a run that ends may make another begin.
  runtime::RunBlocking(control, WaitUntilIdle(SteadyTime::max()));
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    runtime::RunBlocking(groups_[i]->executor(), groups_[i]->Join());
    runtime::RunBlocking(groups_[i]->executor(), shared_reads_[i]->Close());
  }
}

Task<void> EngineCore::WaitUntilIdle(SteadyTime deadline) {
  while (!Idle() && deps_.clock.Now() < deadline) {
    if (deadline == SteadyTime::max()) {
      co_await idle_.Wait();
    } else {
      co_await FirstOf(idle_.Wait(), deps_.clock.SleepUntil(deadline));
    }
  }
}

void EngineCore::InterruptAll() {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, run] : running_) run->Stop(StopReason::kInterrupt);
  for (const auto& [id, run] : next_) run->Stop(StopReason::kInterrupt);
  // Under the lock: an entry in the set is alive.
  for (StreamRun* stream : streams_) stream->Interrupt();
}

std::optional<Progress> EngineCore::ProgressOf(const JobId& id) const {
  {
    const std::lock_guard lock(mutex_);
    const auto entry = running_.find(id);
    if (entry != running_.end()) return entry->second->progress();
  }
  return exchange_ ? exchange_->Of(id) : std::nullopt;
}

std::vector<std::pair<JobId, Progress>> EngineCore::AllProgress() const {
  std::vector<std::pair<JobId, Progress>> all;
  const std::lock_guard lock(mutex_);
  all.reserve(running_.size());
  for (const auto& [id, run] : running_) all.emplace_back(id, run->progress());
  return all;
}

// Not the semaphore's count: the dispatcher holds permits while it asks for jobs that may not be
// there.
std::uint64_t EngineCore::InUse() const {
  return std::min<std::uint64_t>(running_.size() + streams_.size(), transfers_.in_use());
}

EngineStats EngineCore::Stats() {
  EngineStats stats;
  stats.pacing = pacer_.Read();
  stats.shared_reads = sharing_.begun.load(std::memory_order_relaxed);
  stats.joined_reads = sharing_.joined.load(std::memory_order_relaxed);
  stats.extra_connections = spares_.in_use();
  stats.pieces = spares_.pieces();
  stats.left_reads = sharing_.left.load(std::memory_order_relaxed);
  stats.put_off = counters_.put_off.load(std::memory_order_relaxed);
  {
    const std::lock_guard lock(mutex_);
    stats.transfers_in_use = InUse();
    stats.transfers_peak = peak_in_use_;
    stats.transfers_by_tenant = at_work_;
  }
  stats.transfers_limit = transfers_.capacity();
  stats.transfers_waiting = transfers_.waiting();
  stats.attempts = counters_.attempts.load(std::memory_order_relaxed);
  stats.retries = counters_.retries.load(std::memory_order_relaxed);
  stats.succeeded = counters_.succeeded.load(std::memory_order_relaxed);
  stats.failed = counters_.failed.load(std::memory_order_relaxed);
  stats.interrupted = counters_.interrupted.load(std::memory_order_relaxed);
  stats.received_bytes = counters_.meter.received();
  return stats;
}

}  // namespace fetchd::fetch
