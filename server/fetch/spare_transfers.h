// Transfers that nobody else needs now, for those that could use more than one connection.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>

#include "base/semaphore.h"
#include "fetch/origin_pacer.h"

namespace fetchd::fetch {

/// Takes permits and turns that are free, and knows when somebody waits for them. Thread-safe;
/// outlives what it lends.
class SpareTransfers {
 public:
  /// `freed` is called when a job may have waited for what has come back, `crowded` says whether
  /// more connections are open to an origin than may be; null: never. References outlive it.
  SpareTransfers(Semaphore& transfers, OriginPacer& pacer, std::function<void()> freed,
                 std::function<bool(const Origin&)> crowded = nullptr)
      : transfers_(transfers),
        pacer_(pacer),
        freed_(std::move(freed)),
        crowded_(std::move(crowded)) {}

  /// A permit and a turn of one origin; given back on destruction. Move-only.
  class Spare {
   public:
    Spare(Spare&& other) noexcept;
    Spare& operator=(Spare&&) = delete;
    ~Spare();
    OriginPacer::Turn& turn() { return turn_; }

   private:
    friend class SpareTransfers;
    Spare(SpareTransfers& owner, Permit permit, OriginPacer::Turn turn);
    SpareTransfers* owner_;
    Permit permit_;
    OriginPacer::Turn turn_;
  };

  /// Without waiting; empty when others wait, or the origin has no room for one more.
  std::optional<Spare> TryTake(const Origin& origin);
  /// Somebody waits for a transfer, for a turn of this origin, or for a connection to it, also in
  /// another process; or it is on hold.
  bool IsWanted(const Origin& origin);
  /// A job of this origin was left in the queue, for the origin has no room.
  void NoteRefusal(const Origin& origin);

  /// A piece of a body that is read over several connections was answered.
  void CountPiece() { pieces_.fetch_add(1, std::memory_order_relaxed); }

  std::uint64_t in_use() const { return in_use_.load(std::memory_order_relaxed); }
  std::uint64_t pieces() const { return pieces_.load(std::memory_order_relaxed); }

 private:
  struct Lent {
    std::size_t count = 0;
    bool missed = false;  ///< A job could have begun with one of them.
  };
  void Return(const Origin& origin);

  Semaphore& transfers_;
  OriginPacer& pacer_;
  const std::function<void()> freed_;
  const std::function<bool(const Origin&)> crowded_;
  std::atomic<std::uint64_t> in_use_{0};
  std::atomic<std::uint64_t> pieces_{0};  ///< Since the start.
  std::mutex mutex_;                      ///< Guards all below.
  std::map<Origin, Lent> lent_;           ///< Origins with some.
};

}  // namespace fetchd::fetch
