#include "store/census.h"

#include <utility>

namespace fetchd::store {

bool Add(jobs::LiveJobs& live, const MaybeState& state, std::int64_t by) {
  const auto added = static_cast<std::uint64_t>(by);  // Wraps around: -1 takes one away.
  if (state == jobs::State::kRunning) {
    live.running += added;
  } else if (state == jobs::State::kPaused) {
    live.paused += added;
  } else if (state && !jobs::IsTerminal(*state)) {
    live.waiting += added;
  }
  return live.all() > 0;
}

void Census::Count(Move move) {
  ApplyTo(tenants_, stored_bytes_, move);
  moves_.push_back(std::move(move));
}

std::uint64_t Census::Live(const std::string& tenant) const {
  const auto entry = tenants_.find(tenant);
  const auto loaded = loaded_.find(tenant);
  return (entry == tenants_.end() ? 0 : entry->second.all()) +
         (loaded == loaded_.end() ? 0 : loaded->second.live_jobs);
}

std::uint64_t Census::StoredBytes(const std::string& tenant) const {
  const auto entry = stored_bytes_.find(tenant);
  const auto loaded = loaded_.find(tenant);
  return (entry == stored_bytes_.end() ? 0 : entry->second) +
         (loaded == loaded_.end() ? 0 : loaded->second.stored_bytes);
}

void Census::Undo(std::size_t kept) {
  while (moves_.size() > kept) {
    const Move& last = moves_.back();
    ApplyTo(tenants_, stored_bytes_, {last.tenant, last.to, last.from, -last.stored_bytes});
    moves_.pop_back();
  }
}

}  // namespace fetchd::store
