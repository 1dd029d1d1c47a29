// Pooled buffers under the process's byte budget.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/semaphore.h"

namespace fetchd::sink {

class BufferPool;

/// Who asks for a buffer. A stream's comes back when its caller has taken the bytes, whenever that
/// is, so streams together may hold half of the budget: callers that stall hold up one another, and
/// never the jobs.
enum class BufferUse { kJob, kStream };

/// Memory that may be held for long, because its holder waits for somebody else: of streams and of
/// parts each half of the budget at most, and of both together three quarters. The rest is always
/// there for those who only pass bytes on.
struct LongPermits {
  Permit of_kind, of_long;
};

/// A block of memory on loan, with its share of the budget. Move-only; thread-safe to destroy
/// anywhere.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  std::span<std::byte> free_space() { return {block_.get() + size_, capacity_ - size_}; }
  void Grow(std::size_t bytes) { size_ += bytes; }  ///< After writing into free_space().
  void Clear() { size_ = 0; }                       ///< All of it is free again.
  void Shrink(std::size_t size) { size_ = size; }   ///< What is behind it is free again.
  std::span<const std::byte> bytes() const { return {block_.get(), size_}; }
  std::size_t size() const { return size_; }
  std::size_t capacity() const { return capacity_; }
  bool full() const { return size_ == capacity_; }

 private:
  friend class BufferPool;
  BufferPool* pool_ = nullptr;
  std::unique_ptr<std::byte[]> block_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  LongPermits long_permits_;  ///< Empty for a job's.
  Permit permit_;
};

/// Memory for one part of an object: its share of the budget is taken at once, so that nobody waits
/// for more while he holds some; its blocks as it fills. Move-only; thread-safe to destroy
/// anywhere.
class PartBuffer {
 public:
  PartBuffer() = default;
  PartBuffer(PartBuffer&& other) noexcept { *this = std::move(other); }
  PartBuffer& operator=(PartBuffer&&) noexcept;
  ~PartBuffer() = default;

  /// Takes as much of `bytes` as there is room for; returns how much.
  std::size_t Append(std::span<const std::byte> bytes);
  /// In order.
  std::vector<std::span<const std::byte>> blocks() const;
  /// What lies at `offset`, to the end of its block; empty where nothing does.
  std::span<const std::byte> From(std::size_t offset) const;
  /// Keeps the first `size` bytes.
  void Shrink(std::size_t size);
  std::size_t size() const { return size_; }
  bool full() const { return size_ == capacity_; }

 private:
  friend class BufferPool;
  BufferPool* pool_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  LongPermits long_permits_;
  Permit permit_;  ///< Of all blocks.
  std::vector<Buffer> blocks_;
};

/// Thread-safe; outlives its buffers. Sizes are 16 KiB, 256 KiB and 1 MiB; freed blocks are kept
/// for reuse up to `keep_bytes`, beyond that they go back to the system.
class BufferPool {
 public:
  explicit BufferPool(std::size_t budget_bytes, std::size_t keep_bytes = std::size_t{8} << 20);
  ~BufferPool();
  /// The smallest size that holds `wanted` bytes, or 1 MiB. Waits for budget, first come first
  /// served.
  Task<absl::StatusOr<Buffer>> Acquire(std::size_t wanted, Clock& clock, Deadline deadline,
                                       BufferUse use = BufferUse::kJob);
  /// For 1 to `bytes` bytes. RESOURCE_EXHAUSTED when that is more than parts may hold together.
  Task<absl::StatusOr<PartBuffer>> AcquirePart(std::size_t bytes, Clock& clock, Deadline deadline);
  /// Without waiting; empty when there is no room for it, or others wait for some.
  std::optional<PartBuffer> TryAcquirePart(std::size_t bytes);
  const Semaphore& budget() const { return budget_; }
  const Semaphore& streams_budget() const { return streams_; }

 private:
  friend class Buffer;
  friend class PartBuffer;
  struct FreeLists;
  Task<absl::StatusOr<LongPermits>> AcquireLong(Semaphore& kind, std::uint64_t bytes, Clock& clock,
                                                Deadline deadline, const char* what);
  Buffer TakeBlock(std::size_t capacity);
  void GiveBack(std::unique_ptr<std::byte[]> block, std::size_t capacity) noexcept;
  Semaphore budget_;
  Semaphore streams_;  ///< What streams may hold of it, ...
  Semaphore parts_;    ///< ... parts, ...
  Semaphore long_;     ///< ... and both together.
  std::unique_ptr<FreeLists> free_;
};

}  // namespace fetchd::sink
