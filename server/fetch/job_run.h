// One claimed job on its shard: supervise an attempt, then record how it ended.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "fetch/attempt_report.h"
#include "fetch/deliveries.h"
#include "fetch/engine_meter.h"
#include "fetch/mirrors.h"
#include "fetch/origin_pacer.h"
#include "fetch/store_health.h"
#include "fetch/supervised.h"
#include "fetch/transfer.h"
#include "jobs/store.h"
#include "sink/destinations.h"

namespace fetchd::fetch {

/// Counters of the engine; atomics, so any shard may add.
struct EngineCounters {
  std::atomic<std::uint64_t> attempts{0}, retries{0}, succeeded{0}, failed{0}, interrupted{0},
      put_off{0};
  EngineMeter meter;
};

/// References outlive every run.
struct JobRunDeps {
  TransferDeps transfer;
  std::size_t shard;
  asio::any_io_executor executor;  ///< Of the shard.
  jobs::Store& store;
  StoreHealth& store_health;
  telemetry::Logger& log;
  sink::Destinations& destinations;
  EngineCounters& counters;
  const std::atomic<bool>& draining;
  std::function<double()> uniform;  ///< In [0, 1).
};

enum class StopReason { kNone, kInterrupt, kPause, kLost, kCancel };

/// Run() is the supervisor and is never cancelled itself; what Stop() cancels is the attempt inside
/// it, and the commit of an object. The order of the end is what makes publication happen once:
/// Sink::Commit (durable) -> Store::Update(Succeeded). A crash between the two leads to another
/// attempt, which publishes the same destination again.
class JobRun final : private Target {
 public:
  JobRun(JobRunDeps deps, jobs::Claim claim, Permit permit, OriginPacer::Turn turn,
         Duration permit_wait);

  Task<absl::Status> Run();
  /// Thread-safe; of several reasons the last in StopReason's order counts.
  void Stop(StopReason reason);

  /// After Run(): removes the temporary file when a cancellation came too late for Run() to see it.
  Task<absl::Status> CleanUpAfterCancel();

  const JobId& id() const { return id_; }
  const std::string& tenant() const { return job_.tenant; }
  std::int64_t fence() const { return fence_; }
  std::size_t shard() const { return deps_.shard; }
  bool cancelled() const { return stop_reason() == StopReason::kCancel; }
  Progress progress() const { return progress_.Read(deps_.transfer.clock.Now()); }

 private:
  struct Done {};

  // Target
  Task<absl::Status> Restart() override;
  Task<absl::Status> Begin(const http::Response& response, std::uint64_t offset,
                           std::optional<std::uint64_t> total_bytes,
                           const Validator& validator) override;
  Task<absl::Status> Write(std::uint64_t offset, sink::Buffer bytes) override;
  void KeepRest(sink::Buffer bytes) override { rest_ = std::move(bytes); }
  bool CanWriteAhead() const override { return sink_ != nullptr && sink_->CanWriteAhead(); }
  std::uint64_t NextMark(std::uint64_t size_bytes) const override {
    return sink_->NextMark(size_bytes);
  }
  bool TryMakeRoom(std::uint64_t end) override { return sink_->TryMakeRoom(end); }
  Task<absl::Status> WriteAhead(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Task<absl::StatusOr<std::size_t>> ReadBack(std::uint64_t offset,
                                             std::span<std::byte> out) override;
  std::span<const std::byte> Held(std::uint64_t offset) const override {
    return sink_->Held(offset);
  }
  Task<absl::Status> Advance(std::uint64_t bytes) override;

  absl::Status Prepare();
  Task<absl::Status> MakeSink();
  Task<absl::Status> Attempt();
  std::optional<std::string> ShareScope() const;
  Task<absl::StatusOr<std::optional<StorageRoom>>> RoomForBody();
  Task<absl::StatusOr<Asked>> OpenSink();
  Task<Continuation> HowToGoOn();
  Task<absl::Status> HashKept(std::uint64_t bytes);
  void NoteKept(std::uint64_t bytes);
  Task<absl::Status> CheckpointIfDue();
  Task<absl::Status> CheckpointNow();
  Task<absl::Status> ForgetCheckpoint();
  Task<jobs::Checkpoint> KeepWhatIsHere();
  Task<absl::StatusOr<Done>> WriteRest(sink::Buffer rest);

  Task<absl::Status> Conclude(absl::Status outcome);
  Task<absl::Status> End(absl::Status outcome);
  Task<absl::Status> CheckClaim();
  Task<bool> IsOverForAll();
  Task<absl::Status> EndCancelled();
  Task<absl::Status> Publish();
  Task<absl::StatusOr<sink::Receipt>> Commit();
  Task<absl::Status> CommitInto(std::optional<absl::StatusOr<sink::Receipt>>& receipt);
  Task<absl::Status> SucceedUntouched();
  void NoteDeliveries(sink::Receipt receipt);
  Task<absl::Status> Succeed();
  Task<absl::Status> EndStopped();
  Task<absl::Status> FailOrRetry(absl::Status status);
  Task<void> LearnOfUrl(Failure& failure);
  std::optional<Duration> PauseInsteadOfRetry(Failure failure) const;
  bool GoesElsewhere() const { return job_.urls.next != url_index_; }
  std::string NextUrlSentence() const;
  Task<absl::Status> PutOff(Failure failure, Duration pause);
  Task<absl::Status> Retry(Failure failure, Duration delay);
  Task<absl::Status> GiveUp(Failure failure);
  Task<bool> MismatchedBefore();
  Task<absl::Status> Record(jobs::Change change, Deadline until);
  Task<absl::Status> RecordEnd(jobs::Change change);
  Task<bool> AwaitStore(absl::Status status, Duration& backoff, Deadline until);
  Task<void> AbortSink();
  Task<absl::StatusOr<Done>> AbortAll();
  void CountReceived(std::uint64_t bytes) { deps_.counters.meter.Received(place_, bytes); }
  void CountDelivered();
  void NoteChange(const jobs::Job& job, const jobs::Change& change);
  jobs::AttemptRecord MakeRecord(jobs::AttemptOutcome outcome, absl::Status status) const;
  absl::Status Fail(Phase phase, bool retryable, absl::Status status);
  absl::Status OfDeadline(absl::Status status);
  StopReason stop_reason() const { return stop_.load(std::memory_order_acquire); }

  JobRunDeps deps_;
  const JobId id_;
  jobs::Job job_;
  const std::int64_t fence_;
  Permit permit_;
  OriginPacer::Turn turn_;
  const Duration permit_wait_;
  const WallTime started_at_;
  const Duration queued_;  ///< Since it was ready.
  const SteadyTime began_;
  Deadline deadline_;  ///< Of the job.
  RetryConfig retry_;

  std::size_t url_index_ = 0;  ///< Of spec.urls: the one that this attempt asks.
  std::optional<Url> url_;     ///< That one.
  std::optional<Deliveries> deliveries_;
  BodyPlace place_ = BodyPlace::kDiscard;
  std::optional<SinkNotes> notes_;    ///< When a destination is an object.
  std::unique_ptr<sink::Sink> sink_;  ///< Null for HEAD.
  bool opened_ = false;
  Verifier verifier_;
  ProgressMeter progress_;
  AttemptFacts facts_;
  jobs::Result result_;
  bool partly_done_ = false;  ///< Some of several destinations have the body, for good.

  jobs::Checkpoint current_;       ///< What a checkpoint taken now would say, but for its bytes.
  jobs::Checkpoint persisted_;     ///< As the store has it.
  bool may_be_persisted_ = false;  ///< Another one, of which the store could not say so.
  SteadyTime checkpointed_at_;
  std::uint64_t unsaved_bytes_ = 0;
  sink::Buffer rest_;  ///< Of an attempt that was stopped.

  std::atomic<StopReason> stop_{StopReason::kNone};
  Supervised attempt_;
  Supervised commit_;  ///< Of objects: it may take as long as a store likes.
};

}  // namespace fetchd::fetch
