// How many jobs there are in each state, and of each tenant, as the open transaction has it.
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
/// have jobs which have not ended. One thread at a time.
class Census {
 public:
  struct Move {
    std::string tenant;
    MaybeState from, to;
  };

  /// `tenants` is what the database holds.
  explicit Census(std::map<std::string, jobs::LiveJobs> tenants)
      : tenants_(tenants.begin(), tenants.end()) {}

  void Count(Move move);
  /// Jobs of a tenant that have not ended.
  std::uint64_t Live(const std::string& tenant) const;

  /// Those since the last Committed().
  const std::vector<Move>& moves() const { return moves_; }
  /// Goes back to the first `kept` of them.
  void Undo(std::size_t kept);
  void Committed() { moves_.clear(); }

 private:
  std::unordered_map<std::string, jobs::LiveJobs> tenants_;
  std::vector<Move> moves_;
};

/// Adds `by` to the count that `state` falls under; nothing for a job that has ended or is not
/// there. True while any is left.
bool Add(jobs::LiveJobs& live, const MaybeState& state, std::int64_t by);

}  // namespace fetchd::store
