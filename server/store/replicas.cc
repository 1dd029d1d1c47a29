#include "store/replicas.h"

#include <optional>
#include <random>
#include <vector>

#include "base/strings.h"
#include "store/job_changes.h"

namespace fetchd::store {
namespace {

constexpr int kJobs = 300;  // In a transaction.
/// At the clock.
constexpr Duration kLongestLook = std::chrono::milliseconds(200);

/// Of a replica other than ?1; of one that is not closed only when ?2 is 1.
#define FETCHD_STORE_GONE         \
  " FROM replicas WHERE id <> ?1" \
  " AND (closed = 1 OR (?2 = CAST(1 AS bigint) AND lease_until < clock_timestamp()))"

int AsNumber(Gone which) { return which == Gone::kAll ? 1 : 0; }

struct Lost {
  std::string id;
  std::int64_t attempt = 0, rescues = 0;
};

absl::StatusOr<std::vector<Lost>> JobsOf(Database& database, const std::string& replica) {
  Query query(database,
              "SELECT id, attempt, rescues FROM jobs WHERE state = 'RUNNING' AND replica = ?1"
              " ORDER BY id LIMIT ?2 FOR UPDATE",
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

absl::Status RegisterReplica(Database& database, const std::string& id, const ReplicaFacts& facts,
                             LeaseTime lease) {
  Query query(database,
              "INSERT INTO replicas (id, lease_until, host, version)"
              " VALUES (?1, clock_timestamp() + ?2 * interval '1 millisecond', ?3, ?4)",
              id, lease.count(), facts.host, facts.version);
  return query.Run();
}

absl::StatusOr<std::vector<jobs::Replica>> LoadReplicas(Database& database,
                                                        const std::string& self) {
  Query query(database,
              "SELECT id, host, version, CAST(extract(epoch FROM opened_at) * 1000000 AS bigint),"
              " CAST(greatest(extract(epoch FROM lease_until - clock_timestamp()), 0) * 1000000"
              " AS bigint),"
              " (SELECT count(*) FROM jobs WHERE state = 'RUNNING' AND replica = replicas.id)"
              " FROM replicas WHERE closed = 0 ORDER BY host, opened_at");
  const auto microseconds = [&query](int column) {
    return std::chrono::microseconds(query.Int(column));
  };
  std::vector<jobs::Replica> replicas;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return replicas;
    const std::string id = query.Text(0);
    replicas.push_back({.id = id,
                        .host = query.Text(1),
                        .version = query.Text(2),
                        .started_at = WallTime(microseconds(3)),
                        .lease_left = microseconds(4),
                        .running = static_cast<std::uint64_t>(query.Int(5)),
                        .is_self = id == self});
  }
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

absl::StatusOr<bool> IsAnyGone(Database& database, const std::string& id, Gone which) {
  Query query(database, "SELECT 1" FETCHD_STORE_GONE " LIMIT 1", id, AsNumber(which));
  return query.Step();
}

absl::StatusOr<Rescue> RescueJobs(Transaction& transaction, const std::string& id, Gone which,
                                  WallTime now) {
  Database& database = transaction.jobs.database();
  std::string replica;
  bool closed = false;
  {
    Query query(database,
                "SELECT id, closed" FETCHD_STORE_GONE " ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
                id, AsNumber(which));
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

absl::Status GiveBack(Transaction& transaction, const std::string& id, const jobs::ClaimId& claim,
                      WallTime now) {
  {
    Query held(transaction.jobs.database(),
               "SELECT 1 FROM jobs WHERE id = ?1 AND fence = ?2 AND replica = ?3"
               " AND state = 'RUNNING' FOR UPDATE",
               claim.job.str(), claim.fence, id);
    ASSIGN_OR_RETURN(const bool found, held.Step());
    if (!found) return absl::OkStatus();
  }
  return ChangeJob(transaction, claim.job, claim.fence, jobs::Recovered(), now).status();
}

absl::StatusOr<std::optional<Duration>> MeasureClock(Database& database) {
  const RealClock here;
  const SteadyTime from = here.Now();
  Query query(database, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)");
  RETURN_IF_ERROR(query.Step().status());
  const WallTime now = here.WallNow();
  const Duration took = here.Now() - from;
  if (took > kLongestLook) return std::nullopt;
  const Duration there = std::chrono::microseconds(query.Int(0));
  return there + took / 2 - std::chrono::duration_cast<Duration>(now.time_since_epoch());
}

}  // namespace fetchd::store
