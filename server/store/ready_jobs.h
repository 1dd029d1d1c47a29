// Which of the jobs that are ready are claimed next.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "jobs/store.h"
#include "store/database.h"
#include "store/job_table.h"

namespace fetchd::store {

// A lane holds the claimable jobs that would go to one origin next, its retries apart. Each query
// reads one entry of the index jobs_ready, or of jobs_due, and no row.

/// When the first claimable job becomes, or became, ready.
inline constexpr char kFirstDueAt[] =
    "SELECT ready_at FROM jobs INDEXED BY jobs_due"
    " WHERE " FETCHD_STORE_CLAIMABLE " ORDER BY ready_at LIMIT 1";
/// The first lane of the origin ?1 behind retry ?2. (In one query with the next, SQLite would walk
/// over all jobs of the lane.)
inline constexpr char kNextLaneOfOrigin[] =
    "SELECT retry FROM jobs INDEXED BY jobs_ready"
    " WHERE " FETCHD_STORE_CLAIMABLE " AND lane = ?1 AND retry > ?2 ORDER BY retry LIMIT 1";
/// The first lane of the origins behind ?1.
inline constexpr char kNextLane[] =
    "SELECT lane, retry FROM jobs INDEXED BY jobs_ready"
    " WHERE " FETCHD_STORE_CLAIMABLE " AND lane > ?1 ORDER BY lane, retry LIMIT 1";
/// The highest priority below ?3 in the lane (?1, ?2).
inline constexpr char kNextPriority[] =
    "SELECT priority FROM jobs INDEXED BY jobs_ready"
    " WHERE " FETCHD_STORE_CLAIMABLE
    " AND lane = ?1 AND retry = ?2 AND priority < ?3 ORDER BY priority DESC LIMIT 1";
/// Of the lane (?1, ?2) at priority ?3: the first behind the job (ready_at ?4, id ?5).
inline constexpr char kNextJob[] =
    "SELECT ready_at, id FROM jobs INDEXED BY jobs_ready"
    " WHERE " FETCHD_STORE_CLAIMABLE
    " AND lane = ?1 AND retry = ?2 AND priority = ?3 AND (ready_at, id) > (?4, ?5)"
    " ORDER BY ready_at, id LIMIT 1";

/// Where a look at the lanes goes on.
struct LaneCursor {
  std::string origin;
  int retry = -1;  ///< -1: before the first lane of the origin.
};

/// At most `limit` ids of jobs that are ready at `now`, in the order of jobs::Store::ClaimReady, of
/// at most `max_lanes` lanes behind `cursor`, which is moved on.
absl::StatusOr<std::vector<std::string>> ReadyJobs(Database& database, WallTime now, int limit,
                                                   const jobs::RoomOf& room_of, LaneCursor& cursor,
                                                   int max_lanes = 1000);

/// As jobs::Store::NextReadyAt: `now` when a job is ready whose origin has room.
absl::StatusOr<std::optional<WallTime>> NextReadyAt(Database& database, WallTime now,
                                                    const jobs::RoomOf& room_of);

}  // namespace fetchd::store
