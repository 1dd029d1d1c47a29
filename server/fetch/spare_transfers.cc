#include "fetch/spare_transfers.h"

#include <utility>

namespace fetchd::fetch {

SpareTransfers::Spare::Spare(SpareTransfers& owner, Permit permit, OriginPacer::Turn turn)
    : owner_(&owner), permit_(std::move(permit)), turn_(std::move(turn)) {}

SpareTransfers::Spare::Spare(Spare&& other) noexcept
    : owner_(std::exchange(other.owner_, nullptr)),
      permit_(std::move(other.permit_)),
      turn_(std::move(other.turn_)) {}

SpareTransfers::Spare::~Spare() {
  if (owner_ == nullptr) return;
  const Origin origin = turn_.origin();
  turn_.End({});
  permit_.Release();
  owner_->Return(origin);
}

std::optional<SpareTransfers::Spare> SpareTransfers::TryTake(const Origin& origin) {
  Permit permit = transfers_.TryAcquire(1);
  if (!permit) return std::nullopt;
  const auto free = static_cast<std::size_t>(transfers_.capacity() - transfers_.in_use()) + 1;
  if (pacer_.RoomFor(origin, free).transfers == 0) return std::nullopt;
  OriginPacer::Turn turn = pacer_.Begin(origin, false);
  in_use_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  lent_[origin].count += 1;
  return Spare(*this, std::move(permit), std::move(turn));
}

bool SpareTransfers::IsWanted(const Origin& origin) {
  if (transfers_.waiting() > 0 || IsOnHold(pacer_.StateOf(origin).hold)) return true;
  if (crowded_ && crowded_(origin)) return true;
  const std::lock_guard lock(mutex_);
  const auto lent = lent_.find(origin);
  return lent != lent_.end() && lent->second.missed;
}

void SpareTransfers::NoteRefusal(const Origin& origin) {
  const std::lock_guard lock(mutex_);
  if (const auto lent = lent_.find(origin); lent != lent_.end()) lent->second.missed = true;
}

void SpareTransfers::Return(const Origin& origin) {
  in_use_.fetch_sub(1, std::memory_order_relaxed);
  bool missed = false;
  {
    const std::lock_guard lock(mutex_);
    const auto lent = lent_.find(origin);
    missed = std::exchange(lent->second.missed, false);
    if (--lent->second.count == 0) lent_.erase(lent);
  }
  if (missed && freed_) freed_();
}

}  // namespace fetchd::fetch
