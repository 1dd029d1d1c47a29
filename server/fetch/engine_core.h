// The engine behind Engine, over the Clients seam.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "fetch/batch_runner.h"
#include "fetch/claim_watch.h"
#include "fetch/clients.h"
#include "fetch/dispatcher.h"
#include "fetch/engine.h"
#include "fetch/expirer.h"
#include "fetch/job_run.h"
#include "fetch/object_sources.h"
#include "fetch/origin_pacer.h"
#include "fetch/progress_exchange.h"
#include "fetch/shared_limits.h"
#include "fetch/shared_reads.h"
#include "fetch/spare_transfers.h"
#include "fetch/store_health.h"
#include "fetch/stream_run.h"

namespace fetchd::fetch {

/// References outlive the core.
struct CoreDeps {
  runtime::Runtime& runtime;
  Clock& clock;
  jobs::Store& store;
  Clients& clients;
  sink::Destinations& destinations;
  sink::BufferPool& buffers;
  egress::TenantPolicies policies;
  telemetry::Logger& log;
  std::function<double()> uniform = nullptr;  ///< In [0, 1), thread-safe; null = random.
  egress::DecisionLog* decisions = nullptr;
  std::optional<egress::TenantPolicies> store_policies = std::nullopt;
  SharedLimits* shared_limits = nullptr;
};

/// See Engine. Jobs run in one TaskGroup a shard; streams in the task of their caller. Thread-safe.
class EngineCore {
 public:
  EngineCore(CoreDeps deps, EngineConfig config);
  ~EngineCore();

  absl::Status Start();
  void Drain(SteadyTime deadline);
  void Wake();
  void WakeBatches() { batch_runner_.Wake(); }
  Task<absl::StatusOr<jobs::Job>> Cancel(JobId id);
  Task<absl::StatusOr<jobs::Job>> Pause(JobId id);
  Task<absl::StatusOr<StreamEnd>> Stream(jobs::FetchSpec spec, std::uint64_t offset,
                                         Deadline deadline, StreamReceiver& receiver,
                                         std::string tenant);
  std::optional<Progress> ProgressOf(const JobId& id) const;
  std::vector<std::pair<JobId, Progress>> AllProgress() const;
  EngineStats Stats();
  std::optional<JobWait> WaitOf(const jobs::Job& job);
  OriginPacer& pacer() { return pacer_; }
  const EngineMeter& meter() const { return counters_.meter; }

 private:
  class StreamEntry;
  class FileRemoval;

  TransferDeps TransferOn(std::size_t shard, egress::SubjectPtr subject);
  egress::SubjectPtr SubjectOf(std::string tenant, std::string job) const;
  std::size_t ShardOf(const std::string& origin) const;
  jobs::Rooms Rooms();
  jobs::Room RoomFor(const std::string& origin);
  jobs::Share ShareFor(const std::string& tenant);
  std::vector<TenantUse> TenantUses() const;
  void Launch(jobs::Claim claim, Permit permit, Duration permit_wait);
  void Begin(const std::shared_ptr<JobRun>& run);
  Task<absl::Status> RunJob(std::shared_ptr<JobRun> run);
  bool Leave(const std::shared_ptr<JobRun>& run, bool clean);
  void BeginNext(const JobId& id);
  void StopRuns(const JobId& id, std::int64_t fence);
  bool StopForPause(const JobId& id);  ///< False: it does not run here.
  std::vector<jobs::ClaimId> Held() const;
  void StopLost(const jobs::ClaimId& claim);
  Task<void> DropKept(jobs::Job job);
  Task<absl::Status> DropAll(jobs::ClaimId last, std::vector<sink::Destination> destinations,
                             FileRemoval removal);
  Task<void> OnExpired(jobs::Job job);
  Task<void> OnBatchStep(std::vector<jobs::Job> changed);
  void NoteClaiming(bool now);
  void NoteJobEnd(const jobs::Job& job);
  Task<absl::StatusOr<StreamEnd>> StreamOn(std::size_t shard, jobs::FetchSpec spec,
                                           std::uint64_t offset, Deadline deadline,
                                           StreamReceiver& receiver, std::string tenant);
  Task<absl::Status> Sweep();
  Task<absl::Status> SweepNoted();
  Task<void> SweepNote(jobs::SinkNote note);
  std::optional<FileRemoval> BeginRemoval(const JobId& id);
  bool MayBeLive(const JobId& id);
  Task<void> WaitUntilIdle(SteadyTime deadline);
  void InterruptAll();
  bool Idle() const;
  std::uint64_t InUse() const;  ///< Transfers at work. Under the lock.
  void NoteEnd();

  const CoreDeps deps_;
  const EngineConfig config_;
  Semaphore transfers_;
  OriginPacer pacer_;
  ByteRate bandwidth_;
  TenantByteRates tenant_rates_;
  SpareTransfers spares_;
  StoreHealth store_health_;
  EngineCounters counters_;
  std::atomic<bool> draining_{false};
  bool drained_ = false;
  std::optional<std::uint64_t> listener_;  ///< Of a store that others use, too.
  SharingCounters sharing_;
  sink::BufferPool shared_buffers_;
  std::vector<std::unique_ptr<ObjectSources>> sources_;      ///< One a shard.
  std::vector<std::unique_ptr<SharedReads>> shared_reads_;   ///< Likewise.
  std::vector<std::unique_ptr<runtime::TaskGroup>> groups_;  ///< One a shard.
  runtime::TaskGroup control_;       ///< On shard 0: dispatcher, expirer, batches.
  runtime::TaskGroup housekeeping_;  ///< On shard 0: sweep.
  Dispatcher dispatcher_;
  Expirer expirer_;
  BatchRunner batch_runner_;
  std::optional<ClaimWatch> claim_watch_;       ///< Of a store that others use, too.
  std::unique_ptr<ProgressExchange> exchange_;  ///< Likewise.
  WakeEvent idle_;

  mutable std::mutex mutex_;  ///< Guards all below.
  std::unordered_map<JobId, std::shared_ptr<JobRun>> running_;
  /// Claimed again while an earlier run of theirs ends, or while what that had kept is removed:
  /// they begin when the job's temporary file is theirs alone.
  std::unordered_map<JobId, std::shared_ptr<JobRun>> next_;
  std::unordered_set<JobId> removing_;  ///< Jobs that do not run here, whose file is being removed.
  std::map<std::string, std::size_t> at_work_;  ///< Of running_, by tenant.
  std::set<std::string> tenants_met_;           ///< Two at most: are there others?
  bool claiming_ = false;
  /// Cancelled while jobs were being claimed, with their fence: a claim may be on its way here.
  std::unordered_map<JobId, std::int64_t> cancelled_;
  std::set<StreamRun*> streams_;
  std::uint64_t peak_in_use_ = 0;
};

}  // namespace fetchd::fetch
