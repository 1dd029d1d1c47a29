#include "fetch/promised_slots.h"

#include <algorithm>

namespace fetchd::fetch {

void PromisedSlots::NoteClaiming(bool now) {
  const std::lock_guard lock(mutex_);
  claiming_ = now;
  promised_.clear();
}

std::size_t PromisedSlots::Of(const std::string& key, std::size_t limit) {
  // Asked under the lock: who looks for uses after less was allotted sees this, or it sees that.
  const std::lock_guard lock(mutex_);
  const std::size_t slots = allotments_.Of(key, limit);
  if (!claiming_ || slots == 0) return slots;
  SharedUse& use = promised_.try_emplace(key, SharedUse{key, limit}).first->second;
  use.used = std::max(use.used, std::min(slots, limit));
  return slots;
}

void PromisedSlots::AddUses(std::vector<SharedUse>& uses) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, use] : promised_) uses.push_back(use);
}

}  // namespace fetchd::fetch
