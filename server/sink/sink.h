// Where bytes go.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/time.h"
#include "sink/buffer.h"

namespace fetchd::sink {

struct BodyFacts {
  std::optional<std::uint64_t> total_bytes;
  std::string content_type;  ///< As the origin says; empty = it does not.
};

struct Receipt {
  std::string destination;  ///< Absolute: "file:///srv/files/a/b", "discard:".
  std::uint64_t size_bytes = 0;
  bool unchanged = false;  ///< The destination held these bytes already, and was left alone.
};

///   Open -> [Restart | ReadBack*] -> [Describe] -> Write* -> Commit
///                                                        the object appears, whole and durable
///   Write may be mixed with WriteAhead* -> [Held | ReadBack]* -> Advance, where CanWriteAhead()
///   Open -> ... -> (destruction)    nothing appears; what was written is kept for a later Open
///   Open -> ... -> Abort            nothing appears, nothing is kept
///
/// One task at a time. No method is called after an error, except Abort. The wait in Write is the
/// only backpressure. Errors: RESOURCE_EXHAUSTED (disk full, quota), ALREADY_EXISTS (overwrite
/// policy), PERMISSION_DENIED, UNAVAILABLE (try again), FAILED_PRECONDITION (the destination cannot
/// be written: a link, a directory).
class Sink {
 public:
  virtual ~Sink() = default;
  /// Goes on with the first `resume_bytes` of an earlier attempt when they are still there; returns
  /// how many are (0 or resume_bytes). Anything beyond them is dropped. Overwrite policy "never" is
  /// checked here and again in Commit.
  virtual Task<absl::StatusOr<std::uint64_t>> Open(std::uint64_t resume_bytes) = 0;
  /// Drops what was kept: the body begins anew at 0.
  virtual Task<absl::Status> Restart() = 0;
  /// What is known of the body before its first byte is written.
  virtual void Describe(const BodyFacts&) {}
  /// Else digests can go on only where their state was kept, and ReadBack is UNIMPLEMENTED.
  virtual bool CanReadBack() const { return true; }
  /// Reads what was kept, or was written ahead without a gap behind what was written, so that
  /// digests can be computed. Fills `out` from `offset`; returns bytes read, 0 at the end. What is
  /// Held() is not read back.
  virtual Task<absl::StatusOr<std::size_t>> ReadBack(std::uint64_t offset,
                                                     std::span<std::byte> out) = 0;
  /// Behind what was written before.
  virtual Task<absl::Status> Write(std::span<const std::byte> bytes) = 0;

  /// May bytes be written before those in front of them are here? Else WriteAhead and Advance are
  /// UNIMPLEMENTED. Once the body is described.
  virtual bool CanWriteAhead() const { return false; }
  /// Takes the memory that it needs to write ahead up to `end`, all of it or none, and never waits
  /// for it. True where none is needed.
  virtual bool TryMakeRoom(std::uint64_t /*end*/) { return true; }
  /// At `offset`, which is not in front of what was written, where there is room: else UNAVAILABLE.
  /// What lies there is no part of the object, of its size or of a checkpoint until Advance() or
  /// Write() has passed it, and is gone when the sink is. May be written over by Write(). Between
  /// two marks (NextMark) in order.
  virtual Task<absl::Status> WriteAhead(std::uint64_t offset, std::span<const std::byte> bytes);
  /// What was written ahead at `offset`, as far as it is in memory in one stretch, until the next
  /// call of another method; empty where it is read back.
  virtual std::span<const std::byte> Held(std::uint64_t /*offset*/) const { return {}; }
  /// The next `bytes` behind what was written were written ahead, and count as written now.
  /// INTERNAL when one of them was not.
  virtual Task<absl::Status> Advance(std::uint64_t bytes);

  /// Where a checkpoint may end: the first such size above `size_bytes`; 0 = anywhere.
  virtual std::uint64_t NextMark(std::uint64_t /*size_bytes*/) const { return 0; }
  /// Makes what was written so far durable for a later Open; returns its size, which is all of it,
  /// or ends at a mark. What was written ahead is not counted: a later Open drops it.
  virtual Task<absl::StatusOr<std::uint64_t>> Checkpoint() = 0;
  /// INTERNAL, and nothing appears, while something that was written ahead is not reached: between
  /// the two a part is missing.
  virtual Task<absl::StatusOr<Receipt>> Commit() = 0;
  virtual Task<absl::Status> Abort() = 0;
};

/// Reads a finished object back.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual std::uint64_t size_bytes() const = 0;
  /// Fills the buffer's free space; 0 bytes read = end.
  virtual Task<absl::StatusOr<std::size_t>> Read(Buffer& into) = 0;
};

}  // namespace fetchd::sink
