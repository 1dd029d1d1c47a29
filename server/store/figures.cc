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

void SetToNone(jobs::StoreStats& stats) {
  for (const State state : {State::kQueued, State::kRunning, State::kWaiting, State::kInterrupted,
                            State::kSucceeded, State::kFailed, State::kCancelled, State::kPaused}) {
    stats.jobs[state] = 0;
  }
}

}  // namespace

void Figures::Publish(const Effects& effects) {
  {
    const std::lock_guard lock(stats_mutex_);
    stats_.commits += 1;
    stats_.changes += effects.changes();
    for (const Census::Move& move : effects.census().moves()) Count(move);
  }
  if (AdvanceTo(effects.last_sequence()) || effects.batch_changed()) Call();
}

void Figures::PublishOthers(std::int64_t last_sequence, bool batch_changed) {
  if (AdvanceTo(last_sequence) || batch_changed) Call();
}

bool Figures::AdvanceTo(std::int64_t sequence) {
  std::int64_t known = last_sequence_.load(std::memory_order_relaxed);
  while (sequence > known) {
    if (last_sequence_.compare_exchange_weak(known, sequence, std::memory_order_release)) {
      return true;
    }
  }
  return false;
}

void Figures::Call() {
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
  SetToNone(stats);
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
  const bool sqlite = database.engine() == Engine::kSqlite;
  Query query(database, sqlite ? "SELECT seq FROM sqlite_sequence WHERE name = 'events'"
                               : "SELECT value FROM counters WHERE name = 'events'");
  ASSIGN_OR_RETURN(const bool found, query.Step());
  return found ? query.Int(0) : 0;
}

absl::Status LoadCounts(Database& database, jobs::StoreStats& stats) {
  SetToNone(stats);
  stats.tenants.clear();
  ASSIGN_OR_RETURN(stats.stored_bytes, LoadStoredBytes(database));
  Query query(database, "SELECT tenant, state, jobs FROM job_counts WHERE jobs <> 0");
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return absl::OkStatus();
    const auto state = jobs::ParseState(query.Text(1));
    if (!state) continue;
    stats.jobs[*state] += static_cast<std::uint64_t>(query.Int(2));
    if (!jobs::IsTerminal(*state)) Add(stats.tenants[query.Text(0)], *state, query.Int(2));
  }
}

absl::StatusOr<Census::Loaded> LoadTenant(Database& database, const std::string& tenant) {
  Query query(database,
              "SELECT (SELECT CAST(coalesce(sum(jobs), 0) AS bigint) FROM job_counts"
              " WHERE tenant = ?1 AND state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED')),"
              " coalesce((SELECT bytes FROM stored_bytes WHERE tenant = ?1), 0)",
              tenant);
  RETURN_IF_ERROR(query.Step().status());
  return Census::Loaded{.live_jobs = static_cast<std::uint64_t>(query.Int(0)),
                        .stored_bytes = static_cast<std::uint64_t>(query.Int(1))};
}

}  // namespace fetchd::store
