// One attempt: request -> head -> body, the same for jobs and for Fetch.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fetch/attempt_clock.h"
#include "fetch/engine.h"
#include "fetch/progress_meter.h"
#include "fetch/resume.h"
#include "fetch/shared_reads.h"
#include "fetch/verifier.h"
#include "http/redirecting_client.h"
#include "sink/buffer.h"

namespace fetchd::fetch {

/// Where the bytes of a transfer go. One task at a time, on the transfer's shard.
class Target {
 public:
  virtual ~Target() = default;
  /// The origin does not go on with what was kept: drop it; the body begins at 0. An error ends the
  /// transfer.
  virtual Task<absl::Status> Restart() = 0;
  /// The body follows from `offset`, or none (AttemptFacts::not_modified). `validator` is what a
  /// later attempt may resume with.
  virtual Task<absl::Status> Begin(const http::Response& response, std::uint64_t offset,
                                   std::optional<std::uint64_t> total_bytes,
                                   const Validator& validator) = 0;
  virtual Task<absl::Status> Write(std::uint64_t offset, sink::Buffer bytes) = 0;
};

/// Facts of one attempt, kept up to date while it runs: they are there also when it was stopped.
struct AttemptFacts {
  std::vector<http::ExchangeRecord> hops;
  Duration buffer_wait{};
  Duration rate_wait{};  ///< For the limits on bytes a second.
  std::uint64_t resumed_from_bytes = 0;
  std::uint64_t received_bytes = 0;
  Duration body_took{};  ///< Until it ended, waits for the target included.
  bool restarted = false;
  bool not_modified = false;  ///< A condition did not hold: there is no body.
  /// Where it is, or where it failed. kPoolWait: see the last hop.
  Phase phase = Phase::kPoolWait;
  int http_status = 0;  ///< Of the last head; 0 = none.
  std::optional<Duration> retry_after;
  std::optional<Duration> wanted_pause;  ///< Of the last head: see WantedPause.
  std::optional<Origin> answered_by;     ///< Who sent the last head; empty = nobody yet.
  std::optional<Duration> held_for;      ///< Until the origin may be asked that a redirect led to.
  bool retryable = false;                ///< Of the error.
};

/// What every transfer of a shard shares. References outlive it.
struct TransferDeps {
  Clock& clock;
  http::Client& client;
  std::shared_ptr<const egress::Policy> policy;
  sink::BufferPool& buffers;
  const EngineConfig& config;
  OriginPacer& pacer;
  ByteRate& bandwidth;                             ///< Of all transfers, by config.bandwidth.
  std::function<void(const Origin&)> count_retry;  ///< Of what is tried again later.
  SharedReads* shared_reads = nullptr;             ///< Null: nothing is shared.
};

/// Lives on one shard. May be cancelled at any co_await: permits, buffers and the connection go
/// back.
class Transfer {
 public:
  struct Options {
    std::size_t buffer_bytes = std::size_t{256}
                               << 10;  ///< For bodies that are not known to be smaller.
    sink::BufferUse use = sink::BufferUse::kJob;
    /// Whose reads may be shared with this one; absent: nobody's.
    std::optional<std::string> share_scope;
  };
  Transfer(TransferDeps deps, const jobs::FetchSpec& spec, Url url, Target& target,
           Verifier& verifier, ProgressMeter& progress, AttemptFacts& facts, Options options);

  /// OK when the whole body is in the target; it is not verified yet, but for its size where that
  /// is announced. `verifier` has seen the first asked.offset bytes already. Every wait ends at
  /// `deadline`; the specification's total timeout limits the time with the origins alone.
  Task<absl::Status> Run(Asked asked, Deadline deadline);

 private:
  struct Done {};
  Task<absl::StatusOr<Done>> Fetch(Asked asked);
  Task<absl::Status> FetchAll(Asked asked);
  Task<absl::Status> Prepare(Asked& asked);
  Task<absl::StatusOr<http::Response>> Send(const Asked& asked);
  absl::Status MayAsk(const Origin& origin);
  Task<absl::StatusOr<http::Response>> SendUntilUsable(Asked& asked, Judged& judged);
  Task<absl::Status> StartOver();
  void Declare(int status, const http::Headers& headers);
  absl::Status CheckAnnounced(std::optional<std::uint64_t> total_bytes);
  Task<absl::Status> Pump(http::Body& body, std::uint64_t offset,
                          std::optional<std::uint64_t> total);
  Task<absl::StatusOr<sink::Buffer>> AcquireBuffer(std::optional<std::uint64_t> left_bytes);
  Task<absl::Status> Fill(http::Body& body, sink::Buffer& buffer, bool& ended);
  Task<absl::Status> Deliver(sink::Buffer buffer, std::uint64_t& offset);
  Task<absl::Status> WaitForRates(std::uint64_t bytes);
  std::size_t BufferBytes() const;
  Task<absl::Status> ExpectEnd(http::Body& body);
  absl::Status Fail(Phase phase, bool retryable, absl::Status status);
  absl::Status FailBody(absl::Status status);
  std::uint64_t limit_bytes() const;

  TransferDeps deps_;
  std::optional<SharingClient> sharing_;  ///< Over deps_.client.
  http::RedirectingClient client_;
  const jobs::FetchSpec& spec_;
  const Url url_;
  Target& target_;
  Verifier& verifier_;
  ProgressMeter& progress_;
  AttemptFacts& facts_;
  const Options options_;
  Deadline deadline_;
  AttemptClock time_;
  ByteRate rate_;                      ///< Of this transfer, by spec_.max_bytes_per_sec.
  std::optional<absl::Status> ended_;  ///< How, once it has ended by itself.
};

/// May reads for this specification be shared? Not where its timing is its own.
bool MayShare(const jobs::FetchSpec& spec, bool is_stream);

/// The failed phase of the last hop, when http said one.
Phase PhaseOf(const std::vector<http::ExchangeRecord>& hops);
/// Where the attempt is, or where it was cut short.
Phase PhaseOf(const AttemptFacts& facts);

}  // namespace fetchd::fetch
