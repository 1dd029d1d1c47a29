#include "sink/buffer.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>
#include <vector>

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
  stream_permit_ = std::move(other.stream_permit_);
  permit_ = std::move(other.permit_);
  return *this;
}

Buffer::~Buffer() {
  if (pool_ != nullptr) pool_->GiveBack(std::move(block_), capacity_);
}

BufferPool::BufferPool(std::size_t budget_bytes, std::size_t keep_bytes)
    : budget_(budget_bytes),
      streams_(std::max<std::size_t>(1, budget_bytes / 2)),
      free_(std::make_unique<FreeLists>(keep_bytes)) {}

BufferPool::~BufferPool() = default;

Task<absl::StatusOr<Buffer>> BufferPool::Acquire(std::size_t wanted, Clock& clock,
                                                 Deadline deadline, BufferUse use) {
  const bool stream = use == BufferUse::kStream;
  const std::size_t capacity = SizeFor(wanted, stream ? streams_.capacity() : budget_.capacity());
  Buffer buffer;
  if (stream) {
    CO_ASSIGN_OR_RETURN(buffer.stream_permit_,
                        co_await streams_.Acquire(capacity, clock, deadline, "stream buffers"));
  }
  CO_ASSIGN_OR_RETURN(Permit permit,
                      co_await budget_.Acquire(capacity, clock, deadline, "buffer budget"));
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
  buffer.permit_ = std::move(permit);
  co_return buffer;
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
