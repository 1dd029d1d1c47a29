#include "sink/buffer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace fetchd::sink {
namespace {

// 16 KiB for bodies known to be small, 256 KiB for the rest, 1 MiB for one gRPC message.
constexpr std::array<std::size_t, 3> kSizes = {std::size_t{16} << 10, std::size_t{256} << 10,
                                               std::size_t{1} << 20};

// The smallest size that holds `wanted`, but never more than the whole budget could give.
std::size_t SizeFor(std::size_t wanted, std::uint64_t budget_bytes) {
  std::size_t chosen = std::min<std::size_t>(kSizes[0], budget_bytes);
  for (const std::size_t size : kSizes) {
    if (size > budget_bytes) break;
    chosen = size;
    if (size >= wanted) break;
  }
  return chosen;
}

}  // namespace

struct BufferPool::FreeLists {
  explicit FreeLists(std::size_t keep) : keep_bytes(keep) {}

  std::vector<std::unique_ptr<std::byte[]>>* ListFor(std::size_t capacity) {
    const auto* size = std::find(kSizes.begin(), kSizes.end(), capacity);
    return size == kSizes.end() ? nullptr : &lists[static_cast<std::size_t>(size - kSizes.begin())];
  }

  const std::size_t keep_bytes;
  std::mutex mutex;  ///< Guards all below.
  std::size_t kept_bytes = 0;
  std::array<std::vector<std::unique_ptr<std::byte[]>>, kSizes.size()> lists;
};

Buffer::Buffer(Buffer&& other) noexcept { *this = std::move(other); }

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  if (pool_ != nullptr) pool_->GiveBack(std::move(block_), capacity_);
  pool_ = std::exchange(other.pool_, nullptr);
  block_ = std::move(other.block_);
  capacity_ = std::exchange(other.capacity_, 0);
  size_ = std::exchange(other.size_, 0);
  long_permits_ = std::move(other.long_permits_);
  permit_ = std::move(other.permit_);
  return *this;
}

Buffer::~Buffer() {
  if (pool_ != nullptr) pool_->GiveBack(std::move(block_), capacity_);
}

BufferPool::BufferPool(std::size_t budget_bytes, std::size_t keep_bytes)
    : budget_(budget_bytes),
      streams_(std::max<std::size_t>(1, budget_bytes / 2)),
      parts_(std::max<std::size_t>(1, budget_bytes / 2)),
      long_(std::max<std::size_t>(1, budget_bytes / 4 * 3)),
      free_(std::make_unique<FreeLists>(keep_bytes)) {}

BufferPool::~BufferPool() = default;

Task<absl::StatusOr<Buffer>> BufferPool::Acquire(std::size_t wanted, Clock& clock,
                                                 Deadline deadline, BufferUse use) {
  const bool stream = use == BufferUse::kStream;
  const std::size_t capacity = SizeFor(wanted, stream ? streams_.capacity() : budget_.capacity());
  LongPermits long_permits;
  if (stream) {
    CO_ASSIGN_OR_RETURN(
        long_permits, co_await AcquireLong(streams_, capacity, clock, deadline, "stream buffers"));
  }
  CO_ASSIGN_OR_RETURN(Permit permit,
                      co_await budget_.Acquire(capacity, clock, deadline, "buffer budget"));
  Buffer buffer = TakeBlock(capacity);
  buffer.permit_ = std::move(permit);
  buffer.long_permits_ = std::move(long_permits);
  co_return buffer;
}

Task<absl::StatusOr<PartBuffer>> BufferPool::AcquirePart(std::size_t bytes, Clock& clock,
                                                         Deadline deadline) {
  if (bytes > parts_.capacity()) {
    co_return absl::ResourceExhaustedError(
        Concat("a part of ", bytes, " bytes is more than half of limits.buffer_bytes (",
               budget_.capacity(), "): raise it"));
  }
  PartBuffer part;
  CO_ASSIGN_OR_RETURN(part.long_permits_,
                      co_await AcquireLong(parts_, bytes, clock, deadline, "part buffers"));
  CO_ASSIGN_OR_RETURN(part.permit_,
                      co_await budget_.Acquire(bytes, clock, deadline, "buffer budget"));
  part.pool_ = this;
  part.capacity_ = bytes;
  co_return part;
}

std::optional<PartBuffer> BufferPool::TryAcquirePart(std::size_t bytes) {
  PartBuffer part;
  part.long_permits_.of_kind = parts_.TryAcquire(bytes);
  if (!part.long_permits_.of_kind) return std::nullopt;
  part.long_permits_.of_long = long_.TryAcquire(bytes);
  if (!part.long_permits_.of_long) return std::nullopt;
  part.permit_ = budget_.TryAcquire(bytes);
  if (!part.permit_) return std::nullopt;
  part.pool_ = this;
  part.capacity_ = bytes;
  return part;
}

// In this order everywhere: who waits for the second holds nothing that others of his kind wait
// for in the other order.
Task<absl::StatusOr<LongPermits>> BufferPool::AcquireLong(Semaphore& kind, std::uint64_t bytes,
                                                          Clock& clock, Deadline deadline,
                                                          const char* what) {
  LongPermits permits;
  CO_ASSIGN_OR_RETURN(permits.of_kind, co_await kind.Acquire(bytes, clock, deadline, what));
  CO_ASSIGN_OR_RETURN(permits.of_long, co_await long_.Acquire(bytes, clock, deadline, what));
  co_return permits;
}

// Without its share of the budget.
Buffer BufferPool::TakeBlock(std::size_t capacity) {
  Buffer buffer;
  {
    const std::lock_guard lock(free_->mutex);
    auto* list = free_->ListFor(capacity);
    if (list != nullptr && !list->empty()) {
      buffer.block_ = std::move(list->back());
      list->pop_back();
      free_->kept_bytes -= capacity;
    }
  }
  if (buffer.block_ == nullptr)
    buffer.block_ = std::make_unique_for_overwrite<std::byte[]>(capacity);
  buffer.pool_ = this;
  buffer.capacity_ = capacity;
  return buffer;
}

PartBuffer& PartBuffer::operator=(PartBuffer&& other) noexcept {
  if (this == &other) return *this;
  blocks_.clear();
  pool_ = std::exchange(other.pool_, nullptr);
  capacity_ = std::exchange(other.capacity_, 0);
  size_ = std::exchange(other.size_, 0);
  long_permits_ = std::move(other.long_permits_);
  permit_ = std::move(other.permit_);
  blocks_ = std::exchange(other.blocks_, {});
  return *this;
}

std::size_t PartBuffer::Append(std::span<const std::byte> bytes) {
  const std::span<const std::byte> taken = bytes.first(std::min(bytes.size(), capacity_ - size_));
  for (std::span<const std::byte> rest = taken; !rest.empty();) {
    if (blocks_.empty() || blocks_.back().full()) {
      blocks_.push_back(pool_->TakeBlock(SizeFor(capacity_ - size_, capacity_)));
    }
    const std::span<std::byte> room = blocks_.back().free_space();
    const std::size_t size = std::min(room.size(), rest.size());
    std::memcpy(room.data(), rest.data(), size);
    blocks_.back().Grow(size);
    size_ += size;
    rest = rest.subspan(size);
  }
  return taken.size();
}

std::vector<std::span<const std::byte>> PartBuffer::blocks() const {
  std::vector<std::span<const std::byte>> all;
  for (const Buffer& block : blocks_) all.push_back(block.bytes());
  return all;
}

std::span<const std::byte> PartBuffer::From(std::size_t offset) const {
  for (const Buffer& block : blocks_) {
    if (offset < block.size()) return block.bytes().subspan(offset);
    offset -= block.size();
  }
  return {};
}

void PartBuffer::Shrink(std::size_t size) {
  size_ = std::min(size_, size);
  std::size_t first = 0;
  for (Buffer& block : blocks_) {
    block.Shrink(std::min(block.size(), size_ - std::min(first, size_)));
    first += block.capacity();
  }
  std::erase_if(blocks_, [](const Buffer& block) { return block.size() == 0; });
}

void BufferPool::GiveBack(std::unique_ptr<std::byte[]> block, std::size_t capacity) noexcept {
  const std::lock_guard lock(free_->mutex);
  auto* list = free_->ListFor(capacity);
  if (list == nullptr || free_->kept_bytes + capacity > free_->keep_bytes) return;
  try {
    list->push_back(std::move(block));
    free_->kept_bytes += capacity;
  } catch (const std::bad_alloc&) {
    // The block goes back to the system instead.
  }
}

}  // namespace fetchd::sink
