#include "store/census.h"

#include <utility>

namespace fetchd::store {
namespace {

void Apply(std::unordered_map<std::string, jobs::LiveJobs>& tenants, const std::string& tenant,
           const MaybeState& from, const MaybeState& to) {
  const auto entry = tenants.try_emplace(tenant).first;
  Add(entry->second, from, -1);
  if (!Add(entry->second, to, 1)) tenants.erase(entry);
}

}  // namespace

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
  Apply(tenants_, move.tenant, move.from, move.to);
  moves_.push_back(std::move(move));
}

std::uint64_t Census::Live(const std::string& tenant) const {
  const auto entry = tenants_.find(tenant);
  return entry == tenants_.end() ? 0 : entry->second.all();
}

void Census::Undo(std::size_t kept) {
  while (moves_.size() > kept) {
    const Move& last = moves_.back();
    Apply(tenants_, last.tenant, last.to, last.from);
    moves_.pop_back();
  }
}

}  // namespace fetchd::store
