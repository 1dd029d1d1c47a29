// Which of the jobs that are ready are claimed next.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "jobs/fair_turns.h"
#include "jobs/store.h"
#include "store/database.h"
#include "store/job_table.h"

namespace fetchd::store {

// A lane holds the claimable jobs of one tenant that would go to one origin next, its retries
// apart. Each query reads one entry of the index jobs_ready, or of jobs_due, and no row.

/// When the first claimable job becomes, or became, ready.
inline constexpr char kFirstDueAt[] =
    "SELECT ready_at FROM jobs INDEXED BY jobs_due"
    " WHERE " FETCHD_STORE_CLAIMABLE " ORDER BY ready_at LIMIT 1";
/// The first tenant behind ?1 that has claimable jobs.
inline constexpr char kNextTenant[] =
    "SELECT tenant FROM jobs INDEXED BY jobs_ready"
    " WHERE " FETCHD_STORE_CLAIMABLE " AND tenant > ?1 ORDER BY tenant LIMIT 1";
/// The first lane of the tenant ?1 and the origin ?2 behind retry ?3. (In one query with the next,
/// SQLite would walk over all jobs of the lane.)
inline constexpr char kNextLaneOfOrigin[] =
    "SELECT retry FROM jobs INDEXED BY jobs_ready"
    " WHERE " FETCHD_STORE_CLAIMABLE
    " AND tenant = ?1 AND lane = ?2 AND retry > ?3 ORDER BY retry LIMIT 1";
/// The first lane of the tenant ?1 and the origins behind ?2.
inline constexpr char kNextLane[] =
    "SELECT lane, retry FROM jobs INDEXED BY jobs_ready"
    " WHERE " FETCHD_STORE_CLAIMABLE " AND tenant = ?1 AND lane > ?2 ORDER BY lane, retry LIMIT 1";
/// The highest priority below ?4 in the lane (?1, ?2, ?3).
inline constexpr char kNextPriority[] =
    "SELECT priority FROM jobs INDEXED BY jobs_ready"
    " WHERE " FETCHD_STORE_CLAIMABLE
    " AND tenant = ?1 AND lane = ?2 AND retry = ?3 AND priority < ?4 ORDER BY priority DESC LIMIT "
    "1";
/// Of the lane (?1, ?2, ?3) at priority ?4: the first behind the job (ready_at ?5, id ?6).
inline constexpr char kNextJob[] =
    "SELECT ready_at, id FROM jobs INDEXED BY jobs_ready"
    " WHERE " FETCHD_STORE_CLAIMABLE
    " AND tenant = ?1 AND lane = ?2 AND retry = ?3 AND priority = ?4"
    " AND (ready_at, id) > (?5, ?6) ORDER BY ready_at, id LIMIT 1 FOR UPDATE SKIP LOCKED";

/// Where a look at a tenant's lanes goes on.
struct LaneCursor {
  std::string origin;
  int retry = -1;  ///< -1: before the first lane of the origin.
};

/// What is remembered from one claim to the next. Memory is that of the tenants that have jobs.
struct ClaimOrder {
  jobs::FairTurns turns;
  std::string tenant;                       ///< Where a look at the tenants goes on.
  std::map<std::string, LaneCursor> lanes;  ///< Of tenants with more than were looked at.
};

/// One claim reads no more than this, so that its cost has a bound.
struct ClaimBounds {
  std::size_t tenants = 1000;
  std::size_t lanes = 1000;  ///< Of all these tenants together; each gets a look at kFewestLanes.
};
inline constexpr std::size_t kFewestLanes = 8;

/// At most `limit` ids of jobs that are ready at `now`, in the order of jobs::Store::ClaimReady.
absl::StatusOr<std::vector<std::string>> ReadyJobs(Database& database, WallTime now, int limit,
                                                   const jobs::Rooms& rooms, ClaimOrder& order,
                                                   ClaimBounds bounds = {});

/// As jobs::Store::NextReadyAt: `now` when a job is ready whose origin and tenant have room.
absl::StatusOr<std::optional<WallTime>> NextReadyAt(Database& database, WallTime now,
                                                    const jobs::Rooms& rooms);

/// As jobs::Store::OldestReadyAt: one entry of an index.
absl::StatusOr<std::optional<WallTime>> OldestReadyAt(Database& database, WallTime now);

}  // namespace fetchd::store
