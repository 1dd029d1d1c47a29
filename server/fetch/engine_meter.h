// What the engine counts for its metrics. Any thread adds: no lock, and no text is made.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "jobs/job.h"
#include "sink/destinations.h"
#include "telemetry/duration_histogram.h"

namespace fetchd::fetch {

/// Where the bytes of a body go.
enum class BodyPlace {
  kFile,
  kObject,
  kDiscard,
  kStream,   ///< The caller of Fetch.
  kSeveral,  ///< Several destinations at once: read once, written to each.
};
inline constexpr std::array kBodyPlaces = {BodyPlace::kFile, BodyPlace::kObject,
                                           BodyPlace::kDiscard, BodyPlace::kStream,
                                           BodyPlace::kSeveral};
const char* BodyPlaceName(BodyPlace place);  ///< "file"
BodyPlace PlaceOf(const sink::Destination& destination);

/// What the time of an attempt goes into.
enum class AttemptPhase {
  kQueued,  ///< From when the job was ready, or Fetch was called, until the attempt began.
  kPoolWait,
  kDns,
  kConnect,
  kProxy,
  kTls,
  kFirstByte,
  kBody,
};
inline constexpr std::array kAttemptPhases = {AttemptPhase::kQueued,    AttemptPhase::kPoolWait,
                                              AttemptPhase::kDns,       AttemptPhase::kConnect,
                                              AttemptPhase::kProxy,     AttemptPhase::kTls,
                                              AttemptPhase::kFirstByte, AttemptPhase::kBody};
const char* AttemptPhaseName(AttemptPhase phase);  ///< "first_byte"

/// Where in the table of reasons an error counts: by its reason where that is one of ours, else by
/// its code. A closed set: no origin and no caller adds to it.
std::size_t ReasonIndex(const absl::Status& error);
std::size_t ReasonCount();
std::string_view ReasonName(std::size_t index);  ///< "" for none.

class EngineMeter {
 public:
  /// Of an attempt that has ended: its outcome, and the phases that it had. `queued` and `body` are
  /// not in the record.
  void AttemptEnded(const jobs::AttemptRecord& record, Duration queued, Duration body);
  /// Of a job that is over now.
  void JobEnded(const jobs::Job& job) { JobEnded(job.state, job.error); }
  void JobEnded(jobs::State state, const absl::Status& error);
  void Received(BodyPlace place, std::uint64_t bytes) { Add(received_[Index(place)], bytes); }
  void Delivered(BodyPlace place, std::uint64_t bytes) { Add(delivered_[Index(place)], bytes); }

  telemetry::DurationHistogram::Snapshot Took(AttemptPhase phase) const {
    return took_[static_cast<std::size_t>(phase)].Read();
  }
  std::uint64_t attempts(jobs::AttemptOutcome outcome) const {
    return Read(attempts_[static_cast<std::size_t>(outcome)]);
  }
  /// SUCCEEDED, FAILED and CANCELLED alone end.
  std::uint64_t jobs(jobs::State state, std::size_t reason) const {
    return Read(jobs_[JobIndex(state)][reason]);
  }
  std::uint64_t received(BodyPlace place) const { return Read(received_[Index(place)]); }
  std::uint64_t delivered(BodyPlace place) const { return Read(delivered_[Index(place)]); }
  std::uint64_t received() const;  ///< All.

  static constexpr std::size_t kMaxReasons = 96;

 private:
  using Counter = std::atomic<std::uint64_t>;
  static void Add(Counter& counter, std::uint64_t by) {
    counter.fetch_add(by, std::memory_order_relaxed);
  }
  static std::uint64_t Read(const Counter& counter) {
    return counter.load(std::memory_order_relaxed);
  }
  static std::size_t Index(BodyPlace place) { return static_cast<std::size_t>(place); }
  static std::size_t JobIndex(jobs::State state);
  void Observe(AttemptPhase phase, Duration took) {
    took_[static_cast<std::size_t>(phase)].Observe(took);
  }

  std::array<telemetry::DurationHistogram, kAttemptPhases.size()> took_;
  std::array<Counter, 5> attempts_{};                       ///< By jobs::AttemptOutcome.
  std::array<std::array<Counter, kMaxReasons>, 3> jobs_{};  ///< By state and reason.
  std::array<Counter, kBodyPlaces.size()> received_{}, delivered_{};
};

}  // namespace fetchd::fetch
