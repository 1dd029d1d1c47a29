#include "store/body_ledger.h"

#include "jobs/stored_bodies.h"

namespace fetchd::store {
namespace {

// By its job alone: what it replaces is looked up at the end of the transaction.
void CountBodyLater(DeferredRows& deferred, const jobs::Job& job, const std::string& destination) {
  deferred.Add(DeferredRows::Body{.destination = destination,
                                  .job_id = job.id.str(),
                                  .tenant = job.tenant,
                                  .bytes = static_cast<std::int64_t>(job.result->size_bytes)});
}

absl::Status CountBody(Transaction& transaction, const jobs::Job& job,
                       const std::string& destination) {
  Database& database = transaction.jobs.database();
  const auto bytes = static_cast<std::int64_t>(job.result->size_bytes);
  {
    Query before(database, "SELECT tenant, bytes FROM bodies WHERE destination = ?", destination);
    ASSIGN_OR_RETURN(const bool found, before.Step());
    if (found) transaction.effects.CountStored(before.Text(0), -before.Int(1));
  }
  transaction.effects.CountStored(job.tenant, bytes);
  Query query(database,
              "INSERT INTO bodies (destination, job_id, tenant, bytes) VALUES (?1, ?2, ?3, ?4)"
              " ON CONFLICT (destination) DO UPDATE SET"
              " job_id = excluded.job_id, tenant = excluded.tenant, bytes = excluded.bytes",
              destination, job.id.str(), job.tenant, bytes);
  return query.Run();
}

}  // namespace

absl::Status CountBodies(Transaction& transaction, const jobs::Job& job) {
  DeferredRows* const deferred = transaction.jobs.deferred();
  for (const std::string& destination : jobs::StoredAt(*job.result)) {
    if (deferred != nullptr) {
      CountBodyLater(*deferred, job, destination);
    } else {
      RETURN_IF_ERROR(CountBody(transaction, job, destination));
    }
  }
  return absl::OkStatus();
}

absl::Status UncountBodies(Transaction& transaction, const std::string& id) {
  if (DeferredRows* const deferred = transaction.jobs.deferred()) {
    deferred->Add(DeferredRows::Forgotten{id});
    return absl::OkStatus();
  }
  Query query(transaction.jobs.database(),
              "DELETE FROM bodies WHERE job_id = ? RETURNING tenant, bytes", id);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return absl::OkStatus();
    transaction.effects.CountStored(query.Text(0), -query.Int(1));
  }
}

absl::StatusOr<std::map<std::string, std::uint64_t>> LoadStoredBytes(Database& database) {
  std::map<std::string, std::uint64_t> stored;
  const bool sqlite = database.engine() == Engine::kSqlite;
  Query query(database, sqlite ? "SELECT tenant, sum(bytes) FROM bodies GROUP BY tenant"
                               : "SELECT tenant, bytes FROM stored_bytes");
  while (true) {
    ASSIGN_OR_RETURN(const bool found, query.Step());
    if (!found) return stored;
    if (query.Int(1) != 0) stored[query.Text(0)] = static_cast<std::uint64_t>(query.Int(1));
  }
}

}  // namespace fetchd::store
