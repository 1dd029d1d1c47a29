// How the bytes of a body get into buffers: under the byte budget, no faster than they may.
#pragma once

#include "fetch/attempt.h"
#include "fetch/attempt_clock.h"
#include "http/client.h"

namespace fetchd::fetch {

/// Is some limit on bytes a second in force for all bodies, for those of this origin or of the
/// tenant?
bool IsRateLimited(const TransferDeps& deps, const Origin& origin);

/// May what failed so, before a head came, succeed later?
bool IsPassing(const absl::Status& status);

/// For all bodies of one attempt; several tasks of its shard may use it at once. References outlive
/// it.
class BodyReader {
 public:
  struct Deps {
    const TransferDeps& transfer;
    const jobs::FetchSpec& spec;
    AttemptFacts& facts;
    AttemptClock& time;
    std::size_t buffer_bytes;
    sink::BufferUse use;
  };
  explicit BodyReader(Deps deps) : deps_(deps) {}

  /// For what is left of a body. Waits for budget; not charged to the attempt.
  Task<absl::StatusOr<sink::Buffer>> Acquire(std::optional<std::uint64_t> left_bytes,
                                             Deadline deadline);
  /// Takes what is there, `left_bytes` at most, and never waits for more: a slow origin's bytes are
  /// passed on as they come, a fast one's fill the buffer. What came before an error is in it.
  Task<absl::Status> Fill(http::Body& body, std::optional<std::uint64_t> left_bytes,
                          sink::Buffer& buffer, bool& ended);
  /// Until whoever read `bytes` may read on. Without a buffer in hand: who waits does not read, so
  /// the origin waits too.
  Task<absl::Status> WaitForRates(std::uint64_t bytes, Deadline deadline);
  /// Without waiting. When whoever read them may read on.
  SteadyTime TakeFromRates(std::uint64_t bytes, SteadyTime now);
  /// Reads the end itself, without a buffer: it is what gives the connection back.
  Task<absl::Status> ExpectEnd(http::Body& body);

 private:
  std::size_t BufferBytes() const;

  const Deps deps_;
  ByteRate rate_;  ///< Of this attempt, by spec.max_bytes_per_sec.
};

}  // namespace fetchd::fetch
