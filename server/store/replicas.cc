#include "store/replicas.h"

#include <random>
#include <vector>

#include "base/strings.h"
#include "store/job_changes.h"

namespace fetchd::store {
namespace {

constexpr int kJobs = 300;  // In a transaction.

/// Of a replica other than ?1 whose lease of ?2 ms is over, while the database was there.
#define FETCHD_STORE_GONE                                                             \
  " FROM replicas WHERE id <> ?1 AND (closed = 1 OR (lease_until < clock_timestamp()" \
  " AND pg_postmaster_start_time() < clock_timestamp() - ?2 * interval '1 millisecond'))"

struct Lost {
  std::string id;
  std::int64_t attempt = 0, rescues = 0;
};

absl::StatusOr<std::vector<Lost>> JobsOf(Database& database, const std::string& replica) {
  Query query(database,
              "SELECT id, attempt, rescues FROM jobs WHERE state = 'RUNNING' AND replica = ?1"
              " ORDER BY id LIMIT ?2",
              replica, kJobs);
  std::vector<Lost> lost;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return lost;
    lost.push_back({query.Text(0), query.Int(1), query.Int(2)});
  }
}

jobs::Change GiveUp(const Lost& job) {
  jobs::GaveUp change;
  change.record.number = static_cast<int>(job.attempt);
  change.record.outcome = jobs::AttemptOutcome::kFailed;
  change.record.status = WithReason(
      absl::InternalError(
          Concat("of the processes that ran it ", kMostRescues,
                 " in a row were lost: it may be what ends them; retry it by name when it is not")),
      {"JOB_LOST_TOO_OFTEN", {{"times", Concat(kMostRescues)}}});
  change.record.decision = "gave up: another process would be lost";
  return change;
}

absl::Status Mark(Database& database, const std::vector<jobs::Job>& jobs, std::int64_t rescues) {
  for (const jobs::Job& job : jobs) {
    Query query(database, "UPDATE jobs SET fence = fence + 1, rescues = ?2 WHERE id = ?1",
                job.id.str(), rescues);
    RETURN_IF_ERROR(query.Run());
  }
  return absl::OkStatus();
}

// `counted`: they were lost, not left behind.
absl::StatusOr<Rescue> Recover(Transaction& transaction, const std::string& replica, bool counted,
                               WallTime now) {
  Database& database = transaction.jobs.database();
  ASSIGN_OR_RETURN(const std::vector<Lost> lost, JobsOf(database, replica));
  Rescue rescue{.replica = replica, .more = lost.size() == kJobs};
  for (const Lost& job : lost) {
    const bool park = counted && job.rescues + 1 >= kMostRescues;
    const jobs::Change change = park ? GiveUp(job) : jobs::Change(jobs::Recovered());
    ASSIGN_OR_RETURN(const std::vector<jobs::Job> changed,
                     ChangeJobs(transaction, {job.id}, change, now));
    RETURN_IF_ERROR(Mark(database, changed, counted && !park ? job.rescues + 1 : 0));
    (park ? rescue.parked : rescue.jobs) += changed.size();
  }
  return rescue;
}

}  // namespace

std::string ReplicaName::Random() {
  std::random_device device;
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(device());
  return HexEncode(bytes);
}

absl::Status RegisterReplica(Database& database, const std::string& id, LeaseTime lease) {
  Query query(database,
              "INSERT INTO replicas (id, lease_until)"
              " VALUES (?1, clock_timestamp() + ?2 * interval '1 millisecond')",
              id, lease.count());
  return query.Run();
}

absl::StatusOr<bool> RenewLease(Database& database, const std::string& id, LeaseTime lease) {
  Query query(database,
              "UPDATE replicas SET lease_until = clock_timestamp() + ?2 * interval '1 millisecond'"
              " WHERE id = ?1 AND closed = 0",
              id, lease.count());
  ASSIGN_OR_RETURN(const std::int64_t rows, query.RunAndCount());
  return rows == 1;
}

absl::Status CloseReplica(Database& database, const std::string& id) {
  Query query(database, "UPDATE replicas SET closed = 1 WHERE id = ?1", id);
  return query.Run();
}

absl::Status HoldLease(Database& database, const std::string& id) {
  Query query(database,
              "SELECT 1 FROM replicas WHERE id = ?1 AND closed = 0"
              " AND lease_until > clock_timestamp() FOR KEY SHARE",
              id);
  ASSIGN_OR_RETURN(const bool held, query.Step());
  if (held) return absl::OkStatus();
  return absl::UnavailableError("the lease of this process has passed; it claims when it has one");
}

absl::StatusOr<bool> IsAnyGone(Database& database, const std::string& id, LeaseTime lease) {
  Query query(database, "SELECT 1" FETCHD_STORE_GONE " LIMIT 1", id, lease.count());
  return query.Step();
}

absl::StatusOr<Rescue> RescueJobs(Transaction& transaction, const std::string& id, LeaseTime lease,
                                  WallTime now) {
  Database& database = transaction.jobs.database();
  std::string replica;
  bool closed = false;
  {
    Query query(database,
                "SELECT id, closed" FETCHD_STORE_GONE " ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
                id, lease.count());
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return Rescue();
    replica = query.Text(0);
    closed = query.Int(1) != 0;
  }
  ASSIGN_OR_RETURN(Rescue rescue, Recover(transaction, replica, !closed, now));
  if (rescue.more) return rescue;
  Query forget(database, "DELETE FROM replicas WHERE id = ?1", replica);
  RETURN_IF_ERROR(forget.Run());
  rescue.more = true;  // There may be another one.
  return rescue;
}

absl::StatusOr<Rescue> RecoverOwn(Transaction& transaction, const std::string& id, WallTime now) {
  return Recover(transaction, id, false, now);
}

}  // namespace fetchd::store
