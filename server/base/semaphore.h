// Counted permits with first-come-first-served waiters.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "base/status.h"
#include "base/task.h"
#include "base/time.h"

namespace fetchd {

class Semaphore;

/// `count` units of a Semaphore; returned on destruction. Move-only. Must not outlive its
/// semaphore.
class Permit {
 public:
  Permit() = default;
  Permit(Permit&& other) noexcept { *this = std::move(other); }
  Permit& operator=(Permit&& other) noexcept {
    if (this != &other) {
      Release();
      semaphore_ = std::exchange(other.semaphore_, nullptr);
      count_ = std::exchange(other.count_, 0);
    }
    return *this;
  }
  ~Permit() { Release(); }
  void Release() noexcept;
  std::uint64_t count() const { return count_; }
  explicit operator bool() const { return semaphore_ != nullptr; }

 private:
  friend class Semaphore;
  Permit(Semaphore* semaphore, std::uint64_t count) : semaphore_(semaphore), count_(count) {}
  Semaphore* semaphore_ = nullptr;
  std::uint64_t count_ = 0;
};

/// Thread-safe. FIFO: a large request at the head is not overtaken by small ones. A waiter that is
/// cancelled or times out leaves the queue, and a permit granted at that very moment passes to the
/// next.
class Semaphore {
 public:
  explicit Semaphore(std::uint64_t capacity);
  ~Semaphore();  ///< CHECKs that every permit came back and nobody waits.
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  /// Resumes on the caller's executor. INVALID_ARGUMENT when count > capacity;
  /// DEADLINE_EXCEEDED("<what>").
  Task<absl::StatusOr<Permit>> Acquire(std::uint64_t count, Clock& clock, Deadline deadline,
                                       const char* what);
  /// Without waiting; an empty permit when none is free or others wait.
  Permit TryAcquire(std::uint64_t count);

  std::uint64_t capacity() const;
  std::uint64_t in_use() const;
  std::uint64_t peak() const;
  std::uint64_t waiting() const;

 private:
  friend class Permit;
  struct Core;
  std::shared_ptr<Core> core_;
};

}  // namespace fetchd
