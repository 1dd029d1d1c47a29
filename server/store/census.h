// How many jobs there are in each state, and of each tenant, and what each tenant has stored, as
// the open transaction has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "jobs/store.h"

namespace fetchd::store {

/// nullopt: the job is not there, before it is created or after it is deleted.
using MaybeState = std::optional<jobs::State>;

/// Follows a transaction move by move, and goes back with it. Memory is that of the tenants that
/// have jobs which have not ended, or something stored. One thread at a time.
class Census {
 public:
  struct Move {
    std::string tenant;
    MaybeState from, to;
    std::int64_t stored_bytes = 0;  ///< So many more; fewer, below 0.
  };

  /// `stats` is what the database holds.
  explicit Census(const jobs::StoreStats& stats)
      : tenants_(stats.tenants.begin(), stats.tenants.end()),
        stored_bytes_(stats.stored_bytes.begin(), stats.stored_bytes.end()) {}

  /// Where others write too and nothing is known before it is asked for: what the database holds of
  /// a tenant, without the moves so far.
  struct Loaded {
    std::uint64_t live_jobs = 0, stored_bytes = 0;
  };
  void Load(const std::string& tenant, Loaded loaded) { loaded_[tenant] = loaded; }
  bool HasLoaded(const std::string& tenant) const { return loaded_.contains(tenant); }

  void Count(Move move);
  /// Jobs of a tenant that have not ended.
  std::uint64_t Live(const std::string& tenant) const;
  std::uint64_t StoredBytes(const std::string& tenant) const;

  /// Those since the last Committed().
  const std::vector<Move>& moves() const { return moves_; }
  /// Goes back to the first `kept` of them.
  void Undo(std::size_t kept);
  void Committed() { moves_.clear(); }

 private:
  std::unordered_map<std::string, jobs::LiveJobs> tenants_;
  std::unordered_map<std::string, std::uint64_t> stored_bytes_;
  std::unordered_map<std::string, Loaded> loaded_;  // Beside those.
  std::vector<Move> moves_;
};

/// Adds `by` to the count that `state` falls under; nothing for a job that has ended or is not
/// there. True while any is left.
bool Add(jobs::LiveJobs& live, const MaybeState& state, std::int64_t by);

/// What a move does to figures by tenant; those of tenants without any are left out.
template <typename LiveByTenant, typename BytesByTenant>
void ApplyTo(LiveByTenant& live, BytesByTenant& stored_bytes, const Census::Move& move) {
  if (move.from || move.to) {
    const auto entry = live.try_emplace(move.tenant).first;
    Add(entry->second, move.from, -1);
    if (!Add(entry->second, move.to, 1)) live.erase(entry);
  }
  if (move.stored_bytes == 0) return;
  const auto entry = stored_bytes.try_emplace(move.tenant).first;
  entry->second += static_cast<std::uint64_t>(move.stored_bytes);  // Wraps around.
  if (entry->second == 0) stored_bytes.erase(entry);
}

}  // namespace fetchd::store
