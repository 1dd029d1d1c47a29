#include "store/sql_store.h"

#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "store/batch_changes.h"
#include "store/batch_table.h"
#include "store/job_changes.h"
#include "store/job_queries.h"
#include "store/sink_note_table.h"
#include "store/spec_codec.h"

namespace fetchd::store {

using jobs::Job;
using jobs::JobFilter;

SqlStore::SqlStore(Parts parts, Clock& clock, runtime::BlockingPool& pool)
    : clock_(clock),
      pool_(pool),
      keys_(std::move(parts.keys)),
      many_writers_(parts.many_writers),
      commits_(parts.commits),
      figures_(std::move(parts.stats), parts.last_sequence),
      readers_(std::move(parts.open_reader), parts.most_readers) {}

void SqlStore::StopWriter() { writer_.reset(); }

void SqlStore::StartWriter(std::unique_ptr<Committer> committer) {
  FETCHD_CHECK(writer_ == nullptr);
  writer_ = std::make_unique<Writer>(std::move(committer));
}

void SqlStore::Publish(const Effects& effects) {
  figures_.Publish(effects);
  if (commits_ == nullptr) return;
  commits_->took.Observe(effects.took());
  commits_->changes.Observe(effects.changes());
}

Task<absl::StatusOr<jobs::CreateOutcome>> SqlStore::CreateWithin(Job job,
                                                                 jobs::TenantBounds bounds) {
  job.updated_at = clock_.WallNow();
  const std::string fingerprint = keys_.Fingerprint(CanonicalContent(job));
  co_return co_await writer_->Run([&job, &fingerprint, bounds](Transaction& transaction) {
    return CreateJob(transaction, job, fingerprint, bounds);
  });
}

Task<absl::StatusOr<Job>> SqlStore::Get(JobId id) {
  co_return co_await Read(
      [this, &id](Database& database) { return JobTable(database, keys_).LoadToShow(id.str()); });
}

Task<absl::StatusOr<std::vector<jobs::AttemptRecord>>> SqlStore::Attempts(JobId id) {
  co_return co_await Read(
      [this, &id](Database& database) -> absl::StatusOr<std::vector<jobs::AttemptRecord>> {
        JobTable table(database, keys_);
        ASSIGN_OR_RETURN(const bool exists, table.Exists(id.str()));
        if (!exists) return absl::NotFoundError(Concat("there is no job ", id.str()));
        return table.Attempts(id.str());
      });
}

Task<absl::StatusOr<jobs::JobPage>> SqlStore::List(JobFilter filter, int page_size,
                                                   std::string page_token) {
  co_return co_await Read([&](Database& database) {
    return ListJobs(database, JobTable(database, keys_), filter, page_size, page_token);
  });
}

Task<absl::StatusOr<std::vector<jobs::Claim>>> SqlStore::ClaimReady(int limit, jobs::Rooms rooms) {
  const WallTime now = clock_.WallNow();
  std::vector<jobs::ClaimId> taken;
  auto claim = [&, limit,
                now](Transaction& transaction) -> absl::StatusOr<std::vector<jobs::Claim>> {
    taken.clear();
    RETURN_IF_ERROR(BeforeClaims(transaction));
    ASSIGN_OR_RETURN(std::vector<jobs::Claim> made,
                     ClaimJobs(transaction, limit, now, rooms, claim_order_));
    if (!many_writers_) return made;
    for (const jobs::Claim& one : made) taken.push_back({one.job.id, one.fence});
    return made;
  };
  absl::StatusOr<std::vector<jobs::Claim>> claims = co_await writer_->Run(claim);
  const std::optional<Reason> reason = GetReason(claims.status());
  if (reason && reason->reason == kCommitUnknown) AbandonClaims(std::move(taken));
  co_return claims;
}

Task<absl::StatusOr<std::optional<WallTime>>> SqlStore::NextReadyAt(jobs::Rooms rooms) {
  const WallTime now = clock_.WallNow();
  co_return co_await Read(
      [now, &rooms](Database& database) { return store::NextReadyAt(database, now, rooms); });
}

Task<absl::StatusOr<std::optional<WallTime>>> SqlStore::OldestReadyAt() {
  const WallTime now = clock_.WallNow();
  co_return co_await Read(
      [now](Database& database) { return store::OldestReadyAt(database, now); });
}

Task<absl::StatusOr<jobs::UrlsChosen>> SqlStore::ChooseUrls(std::string origin, std::string after,
                                                            int limit, jobs::UrlChoice choice) {
  const WallTime now = clock_.WallNow();
  co_return co_await writer_->Run([&, limit, now](Transaction& transaction) {
    return store::ChooseUrls(transaction, origin, after, limit, now, choice);
  });
}

Task<absl::StatusOr<std::vector<Job>>> SqlStore::Expire(int limit) {
  const WallTime now = clock_.WallNow();
  co_return co_await writer_->Run(
      [limit, now](Transaction& transaction) { return ExpireJobs(transaction, limit, now); });
}

Task<absl::StatusOr<std::optional<WallTime>>> SqlStore::NextDeadlineAt() {
  co_return co_await Read(
      [this](Database& database) { return JobTable(database, keys_).NextDeadlineAt(); });
}

Task<absl::StatusOr<Job>> SqlStore::Update(JobId id, std::int64_t fence, jobs::Change change) {
  const WallTime now = clock_.WallNow();
  co_return co_await writer_->Run([&id, fence, &change, now](Transaction& transaction) {
    return ChangeJob(transaction, id, fence, change, now);
  });
}

Task<absl::StatusOr<Job>> SqlStore::Update(JobId id, jobs::Change change) {
  const WallTime now = clock_.WallNow();
  co_return co_await writer_->Run([&id, &change, now](Transaction& transaction) {
    return ChangeJob(transaction, id, std::nullopt, change, now);
  });
}

Task<absl::StatusOr<std::vector<jobs::ClaimId>>> SqlStore::LostClaims(
    std::vector<jobs::ClaimId> claims) {
  co_return co_await Read(
      [&claims](Database& database) { return store::LostClaims(database, claims); });
}

Task<absl::Status> SqlStore::Delete(JobId id) {
  const WallTime now = clock_.WallNow();
  const auto deleted = co_await writer_->Run(
      [&id, now](Transaction& transaction) { return DeleteJob(transaction, id, now); });
  co_return deleted.status();
}

Task<absl::StatusOr<std::uint64_t>> SqlStore::Recover() {
  const WallTime now = clock_.WallNow();
  co_return co_await writer_->Run(
      [now](Transaction& transaction) { return RecoverJobs(transaction, now); });
}

Task<absl::StatusOr<std::vector<jobs::JobEvent>>> SqlStore::EventsAfter(std::int64_t after,
                                                                        JobFilter filter,
                                                                        int limit) {
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

Task<absl::StatusOr<jobs::BatchOutcome>> SqlStore::CreateBatch(jobs::Batch batch) {
  co_return co_await writer_->Run(
      [&batch](Transaction& transaction) { return store::CreateBatch(transaction, batch); });
}

Task<absl::StatusOr<jobs::Batch>> SqlStore::GetBatch(BatchId id) {
  co_return co_await Read([&id](Database& database) { return BatchTable(database).Load(id); });
}

Task<absl::StatusOr<std::vector<jobs::BatchErrors>>> SqlStore::ErrorsOf(BatchId id) {
  co_return co_await Read(
      [&id](Database& database) -> absl::StatusOr<std::vector<jobs::BatchErrors>> {
        BatchTable table(database);
        RETURN_IF_ERROR(table.Load(id).status());
        return table.Errors(id);
      });
}

Task<absl::StatusOr<jobs::BatchPage>> SqlStore::ListBatches(std::string tenant, int page_size,
                                                            std::string page_token) {
  co_return co_await Read([&tenant, page_size, &page_token](Database& database) {
    return BatchTable(database).List(tenant, page_size, page_token);
  });
}

Task<absl::StatusOr<jobs::Batch>> SqlStore::ChangeBatch(BatchId id, jobs::BatchRequest request) {
  const WallTime now = clock_.WallNow();
  co_return co_await writer_->Run(
      [&id, request, now](Transaction& transaction) {
        return store::ChangeBatch(transaction, id, request, now);
      },
      many_writers_);
}

Task<absl::StatusOr<jobs::BatchStep>> SqlStore::StepBatches(int limit) {
  const WallTime now = clock_.WallNow();
  co_return co_await writer_->Run(
      [this, limit, now](Transaction& transaction) {
        return store::StepBatches(transaction, limit, now, last_stepped_);
      },
      many_writers_);
}

Task<absl::Status> SqlStore::RefuseEntry(jobs::BatchEntry entry) {
  const WallTime now = clock_.WallNow();
  const auto counted = co_await writer_->Run([&entry, now](Transaction& transaction) {
    return store::RefuseEntry(transaction, entry, now);
  });
  co_return counted.status();
}

Task<absl::StatusOr<jobs::BatchEntryPage>> SqlStore::EntriesOf(BatchId id, int page_size,
                                                               std::string page_token) {
  co_return co_await Read([&](Database& database) -> absl::StatusOr<jobs::BatchEntryPage> {
    BatchTable table(database);
    RETURN_IF_ERROR(table.Load(id).status());
    return table.Entries(id, page_size, page_token);
  });
}

Task<absl::Status> SqlStore::KeepSinkNote(jobs::SinkNote note, std::int64_t fence) {
  auto keep = [&note, fence](Transaction& transaction) {
    return store::KeepSinkNote(transaction.jobs.database(), note, fence);
  };
  co_return co_await writer_->Apply(keep);
}

Task<absl::Status> SqlStore::DropSinkNote(jobs::SinkNote note) {
  auto drop = [&note](Transaction& transaction) {
    return store::DropSinkNote(transaction.jobs.database(), note);
  };
  co_return co_await writer_->Apply(drop);
}

Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SqlStore::SinkNotesOf(JobId id) {
  co_return co_await Read([&id](Database& database) { return store::SinkNotesOf(database, id); });
}

Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SqlStore::SinkNotesAt(std::string destination) {
  co_return co_await Read(
      [&destination](Database& database) { return store::SinkNotesAt(database, destination); });
}

Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SqlStore::AbandonedSinkNotes(jobs::SinkNote after,
                                                                               int limit) {
  co_return co_await Read([&after, limit](Database& database) {
    return store::AbandonedSinkNotes(database, after, limit);
  });
}

}  // namespace fetchd::store
