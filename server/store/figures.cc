#include "store/figures.h"

#include <utility>

#include "store/body_ledger.h"
#include "store/job_table.h"

namespace fetchd::store {

using jobs::State;

namespace {

// By the indexes of those that have not ended.
absl::Status LoadTenants(Database& database, std::map<std::string, jobs::LiveJobs>& tenants) {
  for (const char* sql : {"SELECT tenant, state, count(*) FROM jobs INDEXED BY jobs_ready"
                          " WHERE " FETCHD_STORE_CLAIMABLE " GROUP BY tenant, state",
                          "SELECT tenant, state, count(*) FROM jobs INDEXED BY jobs_by_state"
                          " WHERE state IN ('RUNNING', 'PAUSED') GROUP BY tenant, state"}) {
    Query query(database, sql);
    while (true) {
      ASSIGN_OR_RETURN(const bool found, query.Step());
      if (!found) break;
      Add(tenants[query.Text(0)], jobs::ParseState(query.Text(1)), query.Int(2));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void Figures::Publish(const Effects& effects) {
  {
    const std::lock_guard lock(stats_mutex_);
    stats_.commits += 1;
    stats_.changes += effects.changes();
    for (const Census::Move& move : effects.census().moves()) Count(move);
  }
  if (effects.last_sequence() == 0 && !effects.batch_changed()) return;
  if (effects.last_sequence() != 0) {
    last_sequence_.store(effects.last_sequence(), std::memory_order_release);
  }
  const std::lock_guard lock(listeners_mutex_);
  for (const auto& [id, listener] : listeners_) listener();
}

void Figures::Count(const Census::Move& move) {
  if (move.from) --stats_.jobs[*move.from];
  if (move.to) ++stats_.jobs[*move.to];
  ApplyTo(stats_.tenants, stats_.stored_bytes, move);
}

absl::StatusOr<jobs::StoreStats> LoadStats(Database& database) {
  jobs::StoreStats stats;
  for (const State state : {State::kQueued, State::kRunning, State::kWaiting, State::kInterrupted,
                            State::kSucceeded, State::kFailed, State::kCancelled, State::kPaused}) {
    stats.jobs[state] = 0;
  }
  RETURN_IF_ERROR(LoadTenants(database, stats.tenants));
  ASSIGN_OR_RETURN(stats.stored_bytes, LoadStoredBytes(database));
  Query query(database, "SELECT state, count(*) FROM jobs GROUP BY state");
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return stats;
    const auto state = jobs::ParseState(query.Text(0));
    if (!state) continue;  // Damaged: it counts as none of these.
    stats.jobs[*state] = static_cast<std::uint64_t>(query.Int(1));
  }
}

absl::StatusOr<std::int64_t> LoadLastSequence(Database& database) {
  Query query(database, "SELECT seq FROM sqlite_sequence WHERE name = 'events'");
  ASSIGN_OR_RETURN(const bool found, query.Step());
  return found ? query.Int(0) : 0;
}

}  // namespace fetchd::store
