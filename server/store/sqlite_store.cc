#include "store/sqlite_store.h"

#include <atomic>
#include <utility>

#include "base/strings.h"
#include "store/data_files.h"
#include "store/database.h"
#include "store/job_changes.h"
#include "store/job_key.h"
#include "store/job_queries.h"
#include "store/readers.h"
#include "store/ready_jobs.h"
#include "store/schema.h"
#include "store/sealer.h"
#include "store/spec_codec.h"
#include "store/writer.h"

namespace fetchd::store {
namespace {

using jobs::Job;
using jobs::JobFilter;
using jobs::State;

// Figures that are asked for often, as of the last commit, and who wants to hear of commits.
class Figures {
 public:
  Figures(jobs::StoreStats stats, std::int64_t last_sequence)
      : stats_(std::move(stats)), last_sequence_(last_sequence) {}

  void Publish(const Effects& effects) {
    {
      const std::lock_guard lock(stats_mutex_);
      stats_.commits += 1;
      stats_.changes += effects.changes();
      for (const Census::Move& move : effects.census().moves()) Count(move);
    }
    if (effects.last_sequence() == 0) return;
    last_sequence_.store(effects.last_sequence(), std::memory_order_release);
    const std::lock_guard lock(listeners_mutex_);
    for (const auto& [id, listener] : listeners_) listener();
  }

  jobs::StoreStats stats() const {
    const std::lock_guard lock(stats_mutex_);
    return stats_;
  }
  std::int64_t last_sequence() const { return last_sequence_.load(std::memory_order_acquire); }

  std::uint64_t AddListener(std::function<void()> listener) {
    const std::lock_guard lock(listeners_mutex_);
    listeners_.emplace(++last_listener_, std::move(listener));
    return last_listener_;
  }
  void RemoveListener(std::uint64_t id) {
    const std::lock_guard lock(listeners_mutex_);
    listeners_.erase(id);
  }

 private:
  void Count(const Census::Move& move) {
    if (move.from) --stats_.jobs[*move.from];
    if (move.to) ++stats_.jobs[*move.to];
    const auto live = stats_.tenants.try_emplace(move.tenant).first;
    Add(live->second, move.from, -1);
    if (!Add(live->second, move.to, 1)) stats_.tenants.erase(live);
  }

  mutable std::mutex stats_mutex_;
  jobs::StoreStats stats_;  // Guarded by stats_mutex_; holds every state.
  std::atomic<std::int64_t> last_sequence_;
  std::mutex listeners_mutex_;  // Held while they are called: so removal waits for them.
  std::map<std::uint64_t, std::function<void()>> listeners_;
  std::uint64_t last_listener_ = 0;
};

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

absl::StatusOr<jobs::StoreStats> LoadStats(Database& database) {
  jobs::StoreStats stats;
  for (const State state : {State::kQueued, State::kRunning, State::kWaiting, State::kInterrupted,
                            State::kSucceeded, State::kFailed, State::kCancelled, State::kPaused}) {
    stats.jobs[state] = 0;
  }
  RETURN_IF_ERROR(LoadTenants(database, stats.tenants));
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

class OpenSqliteStore final : public jobs::Store {
 public:
  struct Parts {
    DatabaseLock lock;
    Database database;
    Sealer sealer;
    jobs::StoreStats stats;
    std::int64_t last_sequence;
  };

  OpenSqliteStore(Parts parts, std::filesystem::path path, Clock& clock,
                  runtime::BlockingPool& pool)
      : lock_(std::move(parts.lock)),
        clock_(clock),
        pool_(pool),
        sealer_(parts.sealer),
        figures_(std::move(parts.stats), parts.last_sequence),
        readers_(std::move(path)),
        writer_(std::move(parts.database), sealer_, Census(figures_.stats().tenants),
                [this](const Effects& effects) { figures_.Publish(effects); }) {}

  Task<absl::StatusOr<jobs::CreateOutcome>> CreateWithin(Job job, std::uint64_t max_live) override {
    job.updated_at = clock_.WallNow();
    const std::string fingerprint = sealer_.Fingerprint(CanonicalContent(job));
    co_return co_await writer_.Run([&job, &fingerprint, max_live](Transaction& transaction) {
      return CreateJob(transaction, job, fingerprint, max_live);
    });
  }

  Task<absl::StatusOr<Job>> Get(JobId id) override {
    co_return co_await Read([this, &id](Database& database) {
      return JobTable(database, sealer_).LoadToShow(id.str());
    });
  }

  Task<absl::StatusOr<std::vector<jobs::AttemptRecord>>> Attempts(JobId id) override {
    co_return co_await Read(
        [this, &id](Database& database) -> absl::StatusOr<std::vector<jobs::AttemptRecord>> {
          JobTable table(database, sealer_);
          ASSIGN_OR_RETURN(const bool exists, table.Exists(id.str()));
          if (!exists) return absl::NotFoundError(Concat("there is no job ", id.str()));
          return table.Attempts(id.str());
        });
  }

  Task<absl::StatusOr<jobs::JobPage>> List(JobFilter filter, int page_size,
                                           std::string page_token) override {
    co_return co_await Read([&](Database& database) {
      return ListJobs(database, JobTable(database, sealer_), filter, page_size, page_token);
    });
  }

  Task<absl::StatusOr<std::vector<jobs::Claim>>> ClaimReady(int limit, jobs::Rooms rooms) override {
    const WallTime now = clock_.WallNow();
    co_return co_await writer_.Run([this, limit, now, &rooms](Transaction& transaction) {
      return ClaimJobs(transaction, limit, now, rooms, claim_order_);
    });
  }

  Task<absl::StatusOr<std::optional<WallTime>>> NextReadyAt(jobs::Rooms rooms) override {
    const WallTime now = clock_.WallNow();
    co_return co_await Read(
        [now, &rooms](Database& database) { return store::NextReadyAt(database, now, rooms); });
  }

  Task<absl::StatusOr<std::vector<Job>>> Expire(int limit) override {
    const WallTime now = clock_.WallNow();
    co_return co_await writer_.Run(
        [limit, now](Transaction& transaction) { return ExpireJobs(transaction, limit, now); });
  }

  Task<absl::StatusOr<std::optional<WallTime>>> NextDeadlineAt() override {
    co_return co_await Read(
        [this](Database& database) { return JobTable(database, sealer_).NextDeadlineAt(); });
  }

  Task<absl::StatusOr<Job>> Update(JobId id, std::int64_t fence, jobs::Change change) override {
    const WallTime now = clock_.WallNow();
    co_return co_await writer_.Run([&id, fence, &change, now](Transaction& transaction) {
      return ChangeJob(transaction, id, fence, change, now);
    });
  }

  Task<absl::StatusOr<Job>> Update(JobId id, jobs::Change change) override {
    const WallTime now = clock_.WallNow();
    co_return co_await writer_.Run([&id, &change, now](Transaction& transaction) {
      return ChangeJob(transaction, id, std::nullopt, change, now);
    });
  }

  Task<absl::Status> Delete(JobId id) override {
    const WallTime now = clock_.WallNow();
    const auto deleted = co_await writer_.Run(
        [&id, now](Transaction& transaction) { return DeleteJob(transaction, id, now); });
    co_return deleted.status();
  }

  Task<absl::StatusOr<std::uint64_t>> Recover() override {
    const WallTime now = clock_.WallNow();
    co_return co_await writer_.Run(
        [now](Transaction& transaction) { return RecoverJobs(transaction, now); });
  }

  Task<absl::StatusOr<std::vector<jobs::JobEvent>>> EventsAfter(std::int64_t after,
                                                                JobFilter filter,
                                                                int limit) override {
    // What readers see may be ahead of what has been published.
    std::int64_t newest = LastSequence();
    if (after > newest) {
      CO_ASSIGN_OR_RETURN(newest, co_await Read(&LoadLastSequence));
    }
    if (after > newest) {
      co_return absl::OutOfRangeError(Concat("event ", after, " is beyond the newest, ", newest,
                                             ": the token is of another database"));
    }
    co_return co_await Read([&](Database& database) {
      return ListEvents(database, JobTable(database, sealer_), after, filter, limit);
    });
  }

  std::int64_t LastSequence() const override { return figures_.last_sequence(); }
  std::uint64_t OnEvents(std::function<void()> callback) override {
    return figures_.AddListener(std::move(callback));
  }
  void RemoveListener(std::uint64_t id) override { figures_.RemoveListener(id); }
  Task<absl::StatusOr<jobs::StoreStats>> Stats() override { co_return figures_.stats(); }

 private:
  // `read` lives in the frame of the caller, which waits for it.
  template <typename F>
  Task<std::invoke_result_t<F&, Database&>> Read(F read) {
    co_return co_await pool_.Run([this, &read] { return readers_.Run(read); });
  }

  const DatabaseLock lock_;  // First: given back last.
  Clock& clock_;
  runtime::BlockingPool& pool_;
  const Sealer sealer_;
  Figures figures_;
  Readers readers_;
  ClaimOrder claim_order_;  // Of the writer's thread.
  Writer writer_;           // Last: finishes what is queued before the rest goes.
};

}  // namespace

absl::StatusOr<std::unique_ptr<jobs::Store>> SqliteStore::Open(SqliteConfig config, Clock& clock,
                                                               runtime::BlockingPool& pool) {
  ASSIGN_OR_RETURN(DatabaseLock lock, DatabaseLock::Acquire(config.path));
  RETURN_IF_ERROR(EnsureFile(config.path));
  ASSIGN_OR_RETURN(Database database, Database::Open(config.path, Database::Mode::kReadWrite));
  RETURN_IF_ERROR(Migrate(database));
  ASSIGN_OR_RETURN(Sealer sealer, OpenKey(database, config.key_file));
  ASSIGN_OR_RETURN(jobs::StoreStats stats, LoadStats(database));
  ASSIGN_OR_RETURN(const std::int64_t last_sequence, LoadLastSequence(database));
  OpenSqliteStore::Parts parts{std::move(lock), std::move(database), sealer, std::move(stats),
                               last_sequence};
  return std::make_unique<OpenSqliteStore>(std::move(parts), std::move(config.path), clock, pool);
}

}  // namespace fetchd::store
