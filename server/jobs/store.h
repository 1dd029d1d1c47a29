// Where jobs live. Each method is a transaction.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/task.h"
#include "jobs/batch_store.h"
#include "jobs/job.h"
#include "jobs/sink_note_store.h"
#include "jobs/state_machine.h"

namespace fetchd::jobs {

class AllotmentStore;

/// A worker's right to a RUNNING job. The store refuses changes with an older fence, so a worker
/// that slept cannot overwrite its heir.
struct Claim {
  Job job;
  std::int64_t fence = 0;
};

/// Which claim: of whom, and under which fence.
struct ClaimId {
  JobId job;
  std::int64_t fence = 0;
  friend bool operator==(const ClaimId&, const ClaimId&) = default;
};

/// How many jobs an origin may be given now.
struct Room {
  int jobs = 0;
  int retries = 0;  ///< Of these: jobs that have had an attempt.
};
/// By the origin that a job's next attempt asks (OriginOfNext), "https://host:port"; empty for URLs
/// that nobody can read. Called inside the store's transaction, from any thread: it must not block.
/// Null = no limit.
using RoomOf = std::function<Room(const std::string& origin)>;

/// How many jobs a tenant may be given now, and how often its turn comes beside those of others.
struct Share {
  int jobs = 0;
  double weight = 1;  ///< Above 0: one with 2 is given two jobs where one with 1 is given one.
};
/// As RoomOf, by tenant. Null = no limit, and equal weights.
using ShareOf = std::function<Share(const std::string& tenant)>;

struct Rooms {
  RoomOf of_origin = nullptr;
  ShareOf of_tenant = nullptr;
};

/// Which of its urls a waiting job should ask next; nullopt: as it is. Called as RoomOf is.
using UrlChoice = std::function<std::optional<std::size_t>(const Job&)>;

/// How far ChooseUrls() came.
struct UrlsChosen {
  int looked_at = 0, changed = 0;
  std::string last;  ///< The id of the last job that was looked at; empty: all have been.
};

/// What a tenant may have; a further job is refused.
struct TenantBounds {
  std::uint64_t live_jobs = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t stored_bytes = std::numeric_limits<std::uint64_t>::max();
  friend bool operator==(const TenantBounds&, const TenantBounds&) = default;
};

struct CreateOutcome {
  Job job;
  bool created = false;  ///< false: an earlier job with this request_id and the same content.
};

struct JobFilter {
  std::vector<JobId> ids;                     ///< Empty = all.
  std::vector<State> states;                  ///< Empty = all.
  std::map<std::string, std::string> labels;  ///< All must match.
  std::string origin;                         ///< "https://host:port" of urls[0]; empty = all.
  std::string tenant;                         ///< Empty = all.
  std::optional<WallTime> created_after, created_before;
  BatchId batch;  ///< Empty = all.
};

struct JobPage {
  std::vector<Job> jobs;        ///< Newest first.
  std::string next_page_token;  ///< Empty = the last page. Pages are stable while jobs are created
                                ///< and change.
};

/// A state change, in commit order. `sequence` is the resume token's number; it never repeats and
/// only grows.
struct JobEvent {
  std::int64_t sequence = 0;
  WallTime at{};
  State state = State::kQueued;
  bool deleted = false;
  Job job;  ///< As it is now, which may be later than `state`. Only the id when deleted.
};

/// Jobs of a tenant that have not ended.
struct LiveJobs {
  std::uint64_t waiting = 0;  ///< QUEUED, WAITING, INTERRUPTED.
  std::uint64_t running = 0, paused = 0;
  std::uint64_t all() const { return waiting + running + paused; }
  friend bool operator==(const LiveJobs&, const LiveJobs&) = default;
};

struct StoreStats {
  std::map<State, std::uint64_t> jobs;
  std::map<std::string, LiveJobs> tenants;            ///< Those that have any.
  std::map<std::string, std::uint64_t> stored_bytes;  ///< By tenant: see StoredBytes().
  std::uint64_t commits = 0, changes = 0;  ///< changes / commits = how many share one fsync.
};

/// A process that works on the jobs of a store.
struct Replica {
  std::string id;  ///< Another one at each start, and after the others gave it up.
  std::string host, version;
  WallTime started_at{};
  Duration lease_left{};      ///< Until others may take what it runs. 0: it has passed.
  std::uint64_t running = 0;  ///< Jobs.
  bool is_self = false;
};

/// How far the transfer of a job is that runs.
struct RunningProgress {
  JobId job;
  std::uint64_t received_bytes = 0;
  std::optional<std::uint64_t> total_bytes;
  std::uint64_t bytes_per_sec = 0;
  friend bool operator==(const RunningProgress&, const RunningProgress&) = default;
};

/// SQLite on one node, PostgreSQL for a fleet; both pass tests/support/store_conformance.h.
/// Thread-safe: call from any shard; completes there. A change is durable when its call completes.
/// Errors: NOT_FOUND; ABORTED (lost claim: stop working on it); FAILED_PRECONDITION (the state does
/// not admit it); ALREADY_EXISTS (a request_id of the tenant with other content);
/// RESOURCE_EXHAUSTED (disk full, or a tenant's bound); UNAVAILABLE (same call again); DATA_LOSS
/// (the file is damaged). A job of which the stored data are damaged fails when it would be
/// claimed, expired or recovered (DATA_LOSS, reason JOB_DAMAGED), and no other job is held up by
/// it; it is shown with what is left of it, and can be deleted.
class Store : public BatchStore, public SinkNoteStore {
 public:
  Task<absl::StatusOr<CreateOutcome>> Create(Job job) { return CreateWithin(std::move(job), {}); }
  /// RESOURCE_EXHAUSTED when its tenant has as many jobs that have not ended as it may
  /// (TENANT_QUEUE_FULL), or as many bytes (TENANT_STORAGE_FULL, unless the job discards its body);
  /// an earlier job with its request_id is returned all the same.
  virtual Task<absl::StatusOr<CreateOutcome>> CreateWithin(Job job, TenantBounds bounds) = 0;
  /// Bytes of the bodies that a tenant's jobs brought to files and objects. A destination counts
  /// once, with the last body that a job brought there, for the tenant of that job, until that job
  /// is deleted: what others do to a destination is not seen from here.
  virtual Task<absl::StatusOr<std::uint64_t>> StoredBytes(std::string tenant) = 0;
  virtual Task<absl::StatusOr<Job>> Get(JobId id) = 0;
  /// The first kFirstAttemptRecords and the latest ones, kMaxAttemptRecords in all.
  virtual Task<absl::StatusOr<std::vector<AttemptRecord>>> Attempts(JobId id) = 0;
  virtual Task<absl::StatusOr<JobPage>> List(JobFilter filter, int page_size,
                                             std::string page_token) = 0;
  /// Applies Claimed to up to `limit` jobs that are ready (ready_at <= now) and whose origin and
  /// tenant have room. Tenants take turns by their weights (FairTurns); the jobs of one go by
  /// ready_at, where a point of priority counts as 6 seconds, so that nothing waits for ever. Where
  /// very many tenants or origins have jobs, not all are looked at in each call, but all in turn.
  virtual Task<absl::StatusOr<std::vector<Claim>>> ClaimReady(int limit, Rooms rooms) = 0;
  /// When the next job becomes ready whose origin and tenant have room, or another one before that;
  /// now or earlier when one is ready; nullopt when there is none.
  virtual Task<absl::StatusOr<std::optional<WallTime>>> NextReadyAt(Rooms rooms) = 0;
  /// Since when the job is ready that is so for longest of those that wait to run, whether or not
  /// there is room for it; nullopt when none is ready. Costs the same however many wait.
  virtual Task<absl::StatusOr<std::optional<WallTime>>> OldestReadyAt() = 0;
  /// Looks at up to `limit` jobs with several urls that wait to ask `origin`, by id, behind `after`
  /// (empty = from the first), and applies UrlChosen where `choice` says so. Costs by job looked
  /// at, however many wait.
  virtual Task<absl::StatusOr<UrlsChosen>> ChooseUrls(std::string origin, std::string after,
                                                      int limit, UrlChoice choice) = 0;
  /// Applies Expired to up to `limit` jobs that wait and whose deadline has passed, the earliest
  /// first; returns them.
  virtual Task<absl::StatusOr<std::vector<Job>>> Expire(int limit) = 0;
  /// The earliest deadline of the jobs that wait; nullopt when none does.
  virtual Task<absl::StatusOr<std::optional<WallTime>>> NextDeadlineAt() = 0;
  /// A worker's change.
  virtual Task<absl::StatusOr<Job>> Update(JobId id, std::int64_t fence, Change change) = 0;
  /// A caller's change.
  virtual Task<absl::StatusOr<Job>> Update(JobId id, Change change) = 0;
  /// Of these, the claims of jobs that no longer run under them: who has one may not publish.
  virtual Task<absl::StatusOr<std::vector<ClaimId>>> LostClaims(std::vector<ClaimId> claims) = 0;
  /// Ended jobs only (FAILED_PRECONDITION else). Their request_id is free again.
  virtual Task<absl::Status> Delete(JobId id) = 0;
  /// At start, before anything is claimed: applies Recovered to every RUNNING job that no other
  /// process runs. Returns how many.
  virtual Task<absl::StatusOr<std::uint64_t>> Recover() = 0;

  /// Events with sequence > after that match the filter, oldest first. OUT_OF_RANGE when `after` is
  /// beyond the newest.
  virtual Task<absl::StatusOr<std::vector<JobEvent>>> EventsAfter(std::int64_t after,
                                                                  JobFilter filter, int limit) = 0;
  virtual std::int64_t LastSequence() const = 0;
  /// Calls back after each commit that made events, on a thread of the store; it must not block.
  /// Returns an id.
  virtual std::uint64_t OnEvents(std::function<void()> callback) = 0;
  virtual void RemoveListener(
      std::uint64_t id) = 0;  ///< The callback is not running, nor called again, once this returns.
  virtual Task<absl::StatusOr<StoreStats>> Stats() = 0;
  /// Other processes work on the same jobs: they claim them, and cancel what runs here.
  virtual bool IsShared() const { return false; }
  /// Tells the other processes of all that runs here, instead of what they were told before. Not
  /// durable.
  virtual Task<absl::Status> TellProgress(std::vector<RunningProgress> /*here*/) {
    co_return absl::OkStatus();
  }
  /// What all were told within the last seconds.
  virtual Task<absl::StatusOr<std::vector<RunningProgress>>> ToldProgress() {
    co_return std::vector<RunningProgress>();
  }
  /// Those processes, by host and start; none when it is not shared.
  virtual Task<absl::StatusOr<std::vector<Replica>>> Replicas() {
    co_return std::vector<Replica>();
  }
  /// Where they divide the limits that they keep together; null when there are no others.
  virtual AllotmentStore* allotments() { return nullptr; }
};

}  // namespace fetchd::jobs
