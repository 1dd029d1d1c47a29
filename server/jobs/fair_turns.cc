#include "jobs/fair_turns.h"

#include <algorithm>

namespace fetchd::jobs {

double FairTurns::TagOf(const std::string& tenant) const {
  const auto entry = next_.find(tenant);
  return entry == next_.end() ? now_ : std::max(now_, entry->second);
}

void FairTurns::Take(const std::string& tenant, double weight) {
  now_ = TagOf(tenant);
  next_[tenant] = now_ + 1 / weight;
}

void FairTurns::Tidy() {
  std::erase_if(next_, [this](const auto& entry) { return entry.second <= now_; });
}

}  // namespace fetchd::jobs
