#include "store/sqlite_store.h"

#include <utility>

#include "base/strings.h"
#include "store/batch_changes.h"
#include "store/batch_table.h"
#include "store/data_files.h"
#include "store/database.h"
#include "store/figures.h"
#include "store/job_changes.h"
#include "store/job_key.h"
#include "store/job_queries.h"
#include "store/key_ring.h"
#include "store/readers.h"
#include "store/ready_jobs.h"
#include "store/schema.h"
#include "store/sink_note_table.h"
#include "store/spec_codec.h"
#include "store/writer.h"

namespace fetchd::store {
namespace {

using jobs::Job;
using jobs::JobFilter;

class OpenSqliteStore final : public jobs::Store {
 public:
  struct Parts {
    DatabaseLock lock;
    Database database;
    KeyRing keys;
    jobs::StoreStats stats;
    std::int64_t last_sequence;
  };

  OpenSqliteStore(Parts parts, std::filesystem::path path, CommitMeter* commits, Clock& clock,
                  runtime::BlockingPool& pool)
      : lock_(std::move(parts.lock)),
        clock_(clock),
        pool_(pool),
        keys_(std::move(parts.keys)),
        figures_(std::move(parts.stats), parts.last_sequence),
        readers_(std::move(path)),
        writer_(std::move(parts.database), keys_, Census(figures_.stats()),
                [this, commits](const Effects& effects) {
                  figures_.Publish(effects);
                  if (commits == nullptr) return;
                  commits->took.Observe(effects.took());
                  commits->changes.Observe(effects.changes());
                }) {}

  Task<absl::StatusOr<jobs::CreateOutcome>> CreateWithin(Job job,
                                                         jobs::TenantBounds bounds) override {
    job.updated_at = clock_.WallNow();
    const std::string fingerprint = keys_.Fingerprint(CanonicalContent(job));
    co_return co_await writer_.Run([&job, &fingerprint, bounds](Transaction& transaction) {
      return CreateJob(transaction, job, fingerprint, bounds);
    });
  }

  Task<absl::StatusOr<std::uint64_t>> StoredBytes(std::string tenant) override {
    co_return figures_.StoredBytes(tenant);
  }

  Task<absl::StatusOr<Job>> Get(JobId id) override {
    co_return co_await Read(
        [this, &id](Database& database) { return JobTable(database, keys_).LoadToShow(id.str()); });
  }

  Task<absl::StatusOr<std::vector<jobs::AttemptRecord>>> Attempts(JobId id) override {
    co_return co_await Read(
        [this, &id](Database& database) -> absl::StatusOr<std::vector<jobs::AttemptRecord>> {
          JobTable table(database, keys_);
          ASSIGN_OR_RETURN(const bool exists, table.Exists(id.str()));
          if (!exists) return absl::NotFoundError(Concat("there is no job ", id.str()));
          return table.Attempts(id.str());
        });
  }

  Task<absl::StatusOr<jobs::JobPage>> List(JobFilter filter, int page_size,
                                           std::string page_token) override {
    co_return co_await Read([&](Database& database) {
      return ListJobs(database, JobTable(database, keys_), filter, page_size, page_token);
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

  Task<absl::StatusOr<std::optional<WallTime>>> OldestReadyAt() override {
    const WallTime now = clock_.WallNow();
    co_return co_await Read(
        [now](Database& database) { return store::OldestReadyAt(database, now); });
  }

  Task<absl::StatusOr<jobs::UrlsChosen>> ChooseUrls(std::string origin, std::string after,
                                                    int limit, jobs::UrlChoice choice) override {
    const WallTime now = clock_.WallNow();
    co_return co_await writer_.Run([&, limit, now](Transaction& transaction) {
      return store::ChooseUrls(transaction, origin, after, limit, now, choice);
    });
  }

  Task<absl::StatusOr<std::vector<Job>>> Expire(int limit) override {
    const WallTime now = clock_.WallNow();
    co_return co_await writer_.Run(
        [limit, now](Transaction& transaction) { return ExpireJobs(transaction, limit, now); });
  }

  Task<absl::StatusOr<std::optional<WallTime>>> NextDeadlineAt() override {
    co_return co_await Read(
        [this](Database& database) { return JobTable(database, keys_).NextDeadlineAt(); });
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
      return ListEvents(database, JobTable(database, keys_), after, filter, limit);
    });
  }

  Task<absl::StatusOr<jobs::BatchOutcome>> CreateBatch(jobs::Batch batch) override {
    co_return co_await writer_.Run(
        [&batch](Transaction& transaction) { return store::CreateBatch(transaction, batch); });
  }

  Task<absl::StatusOr<jobs::Batch>> GetBatch(BatchId id) override {
    co_return co_await Read([&id](Database& database) { return BatchTable(database).Load(id); });
  }

  Task<absl::StatusOr<std::vector<jobs::BatchErrors>>> ErrorsOf(BatchId id) override {
    co_return co_await Read(
        [&id](Database& database) -> absl::StatusOr<std::vector<jobs::BatchErrors>> {
          BatchTable table(database);
          RETURN_IF_ERROR(table.Load(id).status());
          return table.Errors(id);
        });
  }

  Task<absl::StatusOr<jobs::BatchPage>> ListBatches(std::string tenant, int page_size,
                                                    std::string page_token) override {
    co_return co_await Read([&tenant, page_size, &page_token](Database& database) {
      return BatchTable(database).List(tenant, page_size, page_token);
    });
  }

  Task<absl::StatusOr<jobs::Batch>> ChangeBatch(BatchId id, jobs::BatchRequest request) override {
    const WallTime now = clock_.WallNow();
    co_return co_await writer_.Run([&id, request, now](Transaction& transaction) {
      return store::ChangeBatch(transaction, id, request, now);
    });
  }

  Task<absl::StatusOr<jobs::BatchStep>> StepBatches(int limit) override {
    const WallTime now = clock_.WallNow();
    co_return co_await writer_.Run([this, limit, now](Transaction& transaction) {
      return store::StepBatches(transaction, limit, now, last_stepped_);
    });
  }

  Task<absl::Status> RefuseEntry(jobs::BatchEntry entry) override {
    const WallTime now = clock_.WallNow();
    const auto counted = co_await writer_.Run([&entry, now](Transaction& transaction) {
      return store::RefuseEntry(transaction, entry, now);
    });
    co_return counted.status();
  }

  Task<absl::StatusOr<jobs::BatchEntryPage>> EntriesOf(BatchId id, int page_size,
                                                       std::string page_token) override {
    co_return co_await Read([&](Database& database) -> absl::StatusOr<jobs::BatchEntryPage> {
      BatchTable table(database);
      RETURN_IF_ERROR(table.Load(id).status());
      return table.Entries(id, page_size, page_token);
    });
  }

  Task<absl::Status> KeepSinkNote(jobs::SinkNote note, std::int64_t fence) override {
    auto keep = [&note, fence](Transaction& transaction) {
      return store::KeepSinkNote(transaction.jobs.database(), note, fence);
    };
    co_return co_await writer_.Apply(keep);
  }

  Task<absl::Status> DropSinkNote(jobs::SinkNote note) override {
    auto drop = [&note](Transaction& transaction) {
      return store::DropSinkNote(transaction.jobs.database(), note);
    };
    co_return co_await writer_.Apply(drop);
  }

  Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SinkNotesOf(JobId id) override {
    co_return co_await Read([&id](Database& database) { return store::SinkNotesOf(database, id); });
  }

  Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SinkNotesAt(std::string destination) override {
    co_return co_await Read(
        [&destination](Database& database) { return store::SinkNotesAt(database, destination); });
  }

  Task<absl::StatusOr<std::vector<jobs::SinkNote>>> AbandonedSinkNotes(jobs::SinkNote after,
                                                                       int limit) override {
    co_return co_await Read([&after, limit](Database& database) {
      return store::AbandonedSinkNotes(database, after, limit);
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
  const KeyRing keys_;
  Figures figures_;
  Readers readers_;
  ClaimOrder claim_order_;    // Of the writer's thread.
  std::string last_stepped_;  // Likewise.
  Writer writer_;             // Last: finishes what is queued before the rest goes.
};

}  // namespace

absl::StatusOr<std::unique_ptr<jobs::Store>> SqliteStore::Open(SqliteConfig config, Clock& clock,
                                                               runtime::BlockingPool& pool) {
  ASSIGN_OR_RETURN(DatabaseLock lock, DatabaseLock::Acquire(config.path));
  RETURN_IF_ERROR(EnsureFile(config.path));
  ASSIGN_OR_RETURN(Database database, Database::Open(config.path, Database::Mode::kReadWrite));
  RETURN_IF_ERROR(Migrate(database));
  RETURN_IF_ERROR(database.FlushLog());
  ASSIGN_OR_RETURN(KeyRing keys, OpenKeys(database, config));
  ASSIGN_OR_RETURN(jobs::StoreStats stats, LoadStats(database));
  ASSIGN_OR_RETURN(const std::int64_t last_sequence, LoadLastSequence(database));
  OpenSqliteStore::Parts parts{std::move(lock), std::move(database), std::move(keys),
                               std::move(stats), last_sequence};
  return std::make_unique<OpenSqliteStore>(std::move(parts), std::move(config.path), config.commits,
                                           clock, pool);
}

}  // namespace fetchd::store
