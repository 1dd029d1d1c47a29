// What jobs::Store is on any engine: changes by a writer, reads by readers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "jobs/store.h"
#include "runtime/blocking_pool.h"
#include "store/commit_meter.h"
#include "store/figures.h"
#include "store/key_ring.h"
#include "store/readers.h"
#include "store/ready_jobs.h"
#include "store/writer.h"

namespace fetchd::store {

/// Thread-safe. An engine's store makes its Committer, which calls Publish(), and calls
/// StartWriter() before anything else. Its own threads end before its destructor does.
class SqlStore : public jobs::Store {
 public:
  struct Parts {
    KeyRing keys;
    jobs::StoreStats stats;
    std::int64_t last_sequence = 0;
    Readers::Open open_reader;
    std::size_t most_readers;
    bool many_writers;               ///< Other processes write, too.
    CommitMeter* commits = nullptr;  ///< Null: nobody is told of them.
  };

  SqlStore(Parts parts, Clock& clock, runtime::BlockingPool& pool);

  Task<absl::StatusOr<jobs::CreateOutcome>> CreateWithin(jobs::Job job,
                                                         jobs::TenantBounds bounds) override;
  Task<absl::StatusOr<std::uint64_t>> StoredBytes(std::string tenant) override {
    co_return figures_.StoredBytes(tenant);
  }
  Task<absl::StatusOr<jobs::Job>> Get(JobId id) override;
  Task<absl::StatusOr<std::vector<jobs::AttemptRecord>>> Attempts(JobId id) override;
  Task<absl::StatusOr<jobs::JobPage>> List(jobs::JobFilter filter, int page_size,
                                           std::string page_token) override;
  Task<absl::StatusOr<std::vector<jobs::Claim>>> ClaimReady(int limit, jobs::Rooms rooms) override;
  Task<absl::StatusOr<std::optional<WallTime>>> NextReadyAt(jobs::Rooms rooms) override;
  Task<absl::StatusOr<std::optional<WallTime>>> OldestReadyAt() override;
  Task<absl::StatusOr<jobs::UrlsChosen>> ChooseUrls(std::string origin, std::string after,
                                                    int limit, jobs::UrlChoice choice) override;
  Task<absl::StatusOr<std::vector<jobs::Job>>> Expire(int limit) override;
  Task<absl::StatusOr<std::optional<WallTime>>> NextDeadlineAt() override;
  Task<absl::StatusOr<jobs::Job>> Update(JobId id, std::int64_t fence,
                                         jobs::Change change) override;
  Task<absl::StatusOr<jobs::Job>> Update(JobId id, jobs::Change change) override;
  Task<absl::StatusOr<std::vector<jobs::ClaimId>>> LostClaims(
      std::vector<jobs::ClaimId> claims) override;
  Task<absl::Status> Delete(JobId id) override;
  Task<absl::StatusOr<std::uint64_t>> Recover() override;
  Task<absl::StatusOr<std::vector<jobs::JobEvent>>> EventsAfter(std::int64_t after,
                                                                jobs::JobFilter filter,
                                                                int limit) override;
  Task<absl::StatusOr<jobs::BatchOutcome>> CreateBatch(jobs::Batch batch) override;
  Task<absl::StatusOr<jobs::Batch>> GetBatch(BatchId id) override;
  Task<absl::StatusOr<std::vector<jobs::BatchErrors>>> ErrorsOf(BatchId id) override;
  Task<absl::StatusOr<jobs::BatchPage>> ListBatches(std::string tenant, int page_size,
                                                    std::string page_token) override;
  Task<absl::StatusOr<jobs::Batch>> ChangeBatch(BatchId id, jobs::BatchRequest request) override;
  Task<absl::StatusOr<jobs::BatchStep>> StepBatches(int limit) override;
  Task<absl::Status> RefuseEntry(jobs::BatchEntry entry) override;
  Task<absl::StatusOr<jobs::BatchEntryPage>> EntriesOf(BatchId id, int page_size,
                                                       std::string page_token) override;
  Task<absl::Status> KeepSinkNote(jobs::SinkNote note, std::int64_t fence) override;
  Task<absl::Status> DropSinkNote(jobs::SinkNote note) override;
  Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SinkNotesOf(JobId id) override;
  Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SinkNotesAt(std::string destination) override;
  Task<absl::StatusOr<std::vector<jobs::SinkNote>>> AbandonedSinkNotes(jobs::SinkNote after,
                                                                       int limit) override;
  std::int64_t LastSequence() const override { return figures_.last_sequence(); }
  std::uint64_t OnEvents(std::function<void()> callback) override {
    return figures_.AddListener(std::move(callback));
  }
  void RemoveListener(std::uint64_t id) override { figures_.RemoveListener(id); }
  Task<absl::StatusOr<jobs::StoreStats>> Stats() override { co_return figures_.stats(); }

 protected:
  void StartWriter(std::unique_ptr<Committer> committer);
  /// Finishes what is queued. For a store of which the committer uses more than what is here.
  void StopWriter();

  Clock& clock() { return clock_; }
  const KeyRing& keys() const { return keys_; }
  Figures& figures() { return figures_; }
  /// For the committer, of each commit.
  void Publish(const Effects& effects);
  Writer& writer() { return *writer_; }

  /// `read` lives in the frame of the caller, which waits for it.
  template <typename F>
  Task<std::invoke_result_t<F&, Database&>> Read(F read) {
    co_return co_await pool_.Run([this, &read] { return readers_.Run(read); });
  }
  /// Of ClaimReady, whose caller was told that it failed: they may have been made all the same.
  virtual void AbandonClaims(std::vector<jobs::ClaimId> /*claims*/) {}
  /// Within ClaimReady, before jobs are looked for.
  virtual absl::Status BeforeClaims(Transaction& /*transaction*/) { return absl::OkStatus(); }

 private:
  Clock& clock_;
  runtime::BlockingPool& pool_;
  const KeyRing keys_;
  const bool many_writers_;
  CommitMeter* const commits_;
  Figures figures_;
  Readers readers_;
  ClaimOrder claim_order_;          // Of the writer's thread.
  std::string last_stepped_;        // Likewise.
  std::unique_ptr<Writer> writer_;  // Last: finishes what is queued before the rest goes.
};

}  // namespace fetchd::store
