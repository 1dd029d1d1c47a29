// The engine: claim -> request -> pump -> commit.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/retry_policy.h"
#include "base/semaphore.h"
#include "egress/subject.h"
#include "egress/tenant_policies.h"
#include "fetch/engine_meter.h"
#include "fetch/job_wait.h"
#include "fetch/named_secrets.h"
#include "fetch/origin_pacer.h"
#include "fetch/segment_controller.h"
#include "fetch/tenant_rules.h"
#include "http/redirecting_client.h"
#include "http/shared_client.h"
#include "jobs/store.h"
#include "runtime/runtime.h"
#include "sink/destinations.h"
#include "telemetry/log.h"

namespace fetchd::fetch {

class SharedLimits;

/// Which origins are told the trace that an attempt belongs to (traceparent, tracestate).
enum class TraceTo {
  kNobody,
  kOrigin,     ///< That of the URL; a redirect to another drops them.
  kRedirects,  ///< And whom redirects lead to.
};

struct EngineConfig {
  std::size_t max_transfers = 256;  ///< Jobs and Fetch streams together.
  http::Timeouts timeouts;
  RetryConfig retry;
  http::RedirectConfig redirects;
  std::uint64_t max_body_bytes = std::uint64_t{1} << 40;
  /// Bodies that are not what their origin declares (Repr-Digest, Content-MD5, ...) are refused.
  bool verify_declared = true;
  http::DecodeLimits decode;  ///< But for max_bytes, which is the transfer's own limit.
  Duration checkpoint_interval = std::chrono::seconds(5);
  std::uint64_t checkpoint_bytes = std::uint64_t{64} << 20;
  UrlOptions url;
  PacerConfig pacer;
  BandwidthSchedule bandwidth;  ///< Of all transfers together.
  TenantRules tenants;
  SegmentConfig segments;
  TraceTo trace_to = TraceTo::kNobody;
  std::shared_ptr<const NamedSecrets> secrets = std::make_shared<const NamedSecrets>();
};

/// References to services that outlive the engine.
struct EngineDeps {
  runtime::Runtime& runtime;
  Clock& clock;
  jobs::Store& store;
  http::SharedClient& client;
  sink::Destinations& destinations;
  sink::BufferPool& buffers;
  egress::TenantPolicies policies;
  telemetry::Logger& log;
  egress::DecisionLog* decisions = nullptr;  ///< Null: nobody is told.
  /// For stores that are sources; absent: tenants have no rules of their own there.
  std::optional<egress::TenantPolicies> store_policies = std::nullopt;
  /// Null: no other process keeps limits with this one.
  SharedLimits* shared_limits = nullptr;
};

struct Progress {
  std::uint64_t received_bytes = 0;  ///< In the sink, resumed bytes included.
  std::optional<std::uint64_t> total_bytes;
  double rate_bytes_per_sec = 0;  ///< Smoothed.
  std::optional<Duration> eta;
};

struct EngineStats {
  std::uint64_t transfers_in_use = 0, transfers_peak = 0, transfers_limit = 0,
                transfers_waiting = 0;
  std::uint64_t attempts = 0, retries = 0, succeeded = 0, failed = 0, interrupted = 0;
  std::uint64_t put_off = 0;
  std::uint64_t received_bytes = 0;     ///< Body bytes of all transfers, as they come.
  std::uint64_t shared_reads = 0;       ///< Requests that others could join.
  std::uint64_t joined_reads = 0;       ///< Requests saved: they joined another's.
  std::uint64_t left_reads = 0;         ///< Readers that fell behind, and read on by themselves.
  std::uint64_t extra_connections = 0;  ///< Now, of bodies that are read over several.
  std::uint64_t pieces = 0;             ///< Of such bodies.
  OriginPacer::Totals pacing;
  std::map<std::string, std::size_t>
      transfers_by_tenant;  ///< Jobs at work, of those that have any.
};

/// Response head as a Fetch caller sees it: URL and headers without credentials (fetch/shown.h).
struct StreamHead {
  std::string final_url;
  int http_status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<std::uint64_t> total_bytes;
  std::uint64_t offset = 0;
};
struct StreamEnd {
  std::uint64_t size_bytes = 0;
  std::vector<Digest> digests;
  std::vector<jobs::AttemptRecord> attempts;
};
/// The caller of Fetch. Each wait is backpressure up to the origin's socket; it holds a permit, a
/// connection and a buffer, so the receiver limits it: DEADLINE_EXCEEDED ends the stream.
class StreamReceiver {
 public:
  virtual ~StreamReceiver() = default;
  virtual Task<absl::Status> OnHead(StreamHead head) = 0;
  virtual Task<absl::Status> OnBytes(std::uint64_t offset, sink::Buffer bytes) = 0;
};

/// Owner: app. Start() recovers what an earlier process left and begins to claim, and to fail jobs
/// whose deadline passes while they wait; Drain() ends it.
class Engine {
 public:
  Engine(EngineDeps deps, EngineConfig config);
  ~Engine();

  /// Blocking; before serving. Recovers RUNNING jobs, starts the dispatcher, and sweeps orphaned
  /// temporary files beside it.
  absl::Status Start();
  /// Stops claiming; transfers in flight go on until `deadline`, then are checkpointed as
  /// INTERRUPTED (streams end with UNAVAILABLE, reason INTERRUPTED and metadata "offset").
  /// Completes when nothing runs. Blocking; not from a shard.
  void Drain(SteadyTime deadline);

  /// After a job was created or retried: it may be due, or have the next deadline. Thread-safe,
  /// cheap.
  void Wake();
  /// After something was asked of a batch: its jobs are changed in the background. Thread-safe.
  void WakeBatches();
  /// Cancels in the store, then stops the transfer if it runs here and removes its temporary file.
  Task<absl::StatusOr<jobs::Job>> Cancel(JobId id);

  /// Pauses in the store; a transfer that runs here stops first and keeps what it has.
  Task<absl::StatusOr<jobs::Job>> Pause(JobId id);

  /// Fetches without a job, in the name of `tenant`, into `receiver`, from `offset`. Retries and
  /// resumes within `deadline`.
  /// Call on any shard. Errors: those of http::Client; FAILED_PRECONDITION HTTP_STATUS with
  /// metadata "status" for an HTTP error; DATA_LOSS DIGEST_MISMATCH / SIZE_MISMATCH; ABORTED
  /// BODY_CHANGED when a resume met another version of the body.
  Task<absl::StatusOr<StreamEnd>> Stream(jobs::FetchSpec spec, std::uint64_t offset,
                                         Deadline deadline, StreamReceiver& receiver,
                                         std::string tenant);

  /// Dry run of the tenant's egress policy; names are resolved when they can be.
  Task<absl::StatusOr<egress::Judgement>> Check(Url url, std::string tenant);

  /// Thread-safe; nullopt when it does not run. Of one that runs in another process: as of a second
  /// or two ago, and nullopt for the first who asks.
  std::optional<Progress> ProgressOf(const JobId& id) const;
  std::vector<std::pair<JobId, Progress>> AllProgress() const;
  EngineStats Stats() const;
  const EngineMeter& meter() const;  ///< Lives as long as the engine.

  /// Why a job does not run now; nullopt for one that runs or has ended. Thread-safe.
  std::optional<JobWait> WaitOf(const jobs::Job& job);
  /// What is known of how each origin may be asked. Thread-safe.
  std::vector<OriginPacer::OriginState> Origins();
  /// See OriginPacer::SetLimits. Thread-safe.
  OriginPacer::OriginState SetOriginLimits(const Origin& origin, OriginLimits limits);

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace fetchd::fetch
