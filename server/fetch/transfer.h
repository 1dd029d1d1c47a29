// One attempt: request -> head -> body, the same for jobs and for Fetch.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fetch/attempt.h"
#include "fetch/attempt_clock.h"
#include "fetch/body_reader.h"
#include "fetch/progress_meter.h"
#include "fetch/segment_controller.h"
#include "fetch/segmented_read.h"
#include "fetch/verifier.h"
#include "http/redirecting_client.h"

namespace fetchd::fetch {

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
    /// What may still be stored for the tenant; absent: no limit of its own, or nothing is stored.
    std::optional<StorageRoom> room;
    /// A large body may be read over several connections: see SegmentController.
    bool segments = false;
  };
  Transfer(TransferDeps deps, const jobs::FetchSpec& spec, Url url, Target& target,
           Verifier& verifier, ProgressMeter& progress, AttemptFacts& facts, Options options);
  /// Leaves what had come when it was stopped to Target::KeepRest.
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// OK when the whole body is in the target; it is not verified yet, but for its size where that
  /// is announced. `verifier` has seen the first asked.offset bytes already. Every wait ends at
  /// `deadline`; the specification's total timeout limits the time with the origins alone.
  Task<absl::Status> Run(Asked asked, Deadline deadline);

 private:
  struct Done {};
  Task<absl::StatusOr<Done>> Fetch(Asked asked);
  Task<absl::Status> FetchAll(Asked asked);
  Task<absl::StatusOr<bool>> FetchRest(Asked& asked);
  Task<absl::Status> Prepare(Asked& asked);
  Task<absl::StatusOr<http::Response>> Send(const Asked& asked);
  absl::Status MayAsk(const Origin& origin);
  Task<absl::StatusOr<http::Response>> SendUntilUsable(Asked& asked, Judged& judged);
  Task<absl::Status> StartOver();
  void Declare(int status, const http::Headers& headers);
  absl::Status CheckAnnounced(std::optional<std::uint64_t> total_bytes);
  Task<absl::Status> ReadBody(http::Response response, Asked& asked,
                              std::optional<std::uint64_t> total, const Validator& validator);
  Task<absl::Status> Pump(http::Body& body, std::uint64_t& offset,
                          std::optional<std::uint64_t> total);
  Task<absl::Status> Deliver(std::uint64_t& offset);
  bool MaySegment(std::uint64_t offset, std::optional<std::uint64_t> total,
                  const Validator& validator) const;
  bool WantsSegments(std::uint64_t got);
  Task<absl::Status> ReadSegments(http::Response response, WholeBody whole, std::uint64_t& offset);
  absl::Status Fail(Phase phase, bool retryable, absl::Status status);
  absl::Status FailBody(absl::Status status);
  absl::Status FailSink(absl::Status status);
  std::uint64_t limit_bytes() const;
  absl::Status CheckFits(std::uint64_t size_bytes);

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
  BodyReader bodies_;
  sink::Buffer unwritten_;
  std::optional<SegmentController> segments_;  ///< Of a body that may be read in pieces.
  bool segmented_ = false;                     ///< One was.
  std::optional<absl::Status> ended_;          ///< How, once it has ended by itself.
};

/// May reads for this specification be shared? Not where its timing is its own.
bool MayShare(const jobs::FetchSpec& spec, bool is_stream);

/// The failed phase of the last hop, when http said one.
Phase PhaseOf(const std::vector<http::ExchangeRecord>& hops);
/// Where the attempt is, or where it was cut short.
Phase PhaseOf(const AttemptFacts& facts);

}  // namespace fetchd::fetch
