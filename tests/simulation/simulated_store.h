// A job store on a disk that may lose power, called in one order.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "jobs/store.h"
#include "runtime/runtime.h"
#include "simulation/delays.h"
#include "simulation/dice.h"
#include "simulation/ledger.h"
#include "simulation/power.h"
#include "simulation/trace.h"
#include "support/memory_store.h"

namespace fetchd::simulation {

/// Where the threads of a SqliteStore post to. While a call is on its way nothing else happens: so
/// what a call does is done in one place of the order, whatever threads do it.
class StoreLoop {
 public:
  StoreLoop() : runtime_(1, calls_.get_executor(), [this] { Step(); }) {}
  runtime::BlockingPool& blocking() { return runtime_.blocking(); }
  template <typename T>
  T Run(Task<T> task) {
    return runtime::RunBlocking(runtime_.shard(0).executor(), std::move(task));
  }

 private:
  void Step() {
    calls_.restart();
    if (calls_.poll_one() == 0) runtime_.shard(0).context().run_one();
  }

  asio::io_context calls_{1};
  runtime::Runtime runtime_;
};

/// What the calls of a run meet besides the disk.
struct StoreWeather {
  double fails = 0;  ///< UNAVAILABLE or RESOURCE_EXHAUSTED, and nothing done.
  double slow = 0;
  static StoreWeather Of(Dice& dice);
};

struct StoreDeps {
  StoreLoop& loop;
  const Clock& clock;
  Delays& delays;
  Dice& dice;
  Power& power;
  Ledger& ledger;
  Trace& trace;
};

/// One process's store. A call is done at once and answered after a while, or the other way round;
/// the ledger hears of it when it is done. Dead with the process: then all calls are UNAVAILABLE.
class SimulatedStore final : public jobs::Store {
 public:
  /// A store of the life alone, on SqliteDisk.
  SimulatedStore(StoreDeps deps, std::unique_ptr<jobs::Store> store, StoreWeather weather)
      : deps_(deps), owned_(std::move(store)), store_(owned_.get()), weather_(weather) {}
  /// A store that outlives it, whose methods do not suspend. Here a change is one write.
  SimulatedStore(StoreDeps deps, testing::MemoryStore& store, StoreWeather weather)
      : deps_(deps), memory_(&store), store_(&store), weather_(weather) {}

  Task<absl::StatusOr<jobs::CreateOutcome>> CreateWithin(jobs::Job job,
                                                         jobs::TenantBounds bounds) override;
  Task<absl::StatusOr<std::uint64_t>> StoredBytes(std::string tenant) override;
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
  std::int64_t LastSequence() const override { return store_->LastSequence(); }
  std::uint64_t OnEvents(std::function<void()> callback) override {
    return store_->OnEvents(std::move(callback));
  }
  void RemoveListener(std::uint64_t id) override { store_->RemoveListener(id); }
  Task<absl::StatusOr<jobs::StoreStats>> Stats() override { return store_->Stats(); }

  Task<absl::Status> KeepSinkNote(jobs::SinkNote note, std::int64_t fence) override;
  Task<absl::Status> DropSinkNote(jobs::SinkNote note) override;
  Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SinkNotesOf(JobId id) override;
  Task<absl::StatusOr<std::vector<jobs::SinkNote>>> SinkNotesAt(std::string destination) override;
  Task<absl::StatusOr<std::vector<jobs::SinkNote>>> AbandonedSinkNotes(jobs::SinkNote after,
                                                                       int limit) override;

  // There are no batches here.
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

  void Calm() { weather_ = {}; }
  /// For who looks from outside: at once, past all faults.
  std::map<JobId, jobs::Job> All();
  std::vector<jobs::AttemptRecord> AttemptsNow(const JobId& id);

 private:
  Task<void> Wait();
  absl::Status Trouble();
  /// `note` hears the outcome when it is known; or that the process died, and nobody knows.
  template <typename T>
  using Note = std::function<void(const absl::StatusOr<T>& outcome, bool died)>;
  template <typename T>
  Task<absl::StatusOr<T>> Call(Task<absl::StatusOr<T>> call, Note<T> note = nullptr);
  template <typename T>
  Task<absl::StatusOr<T>> Do(Task<absl::StatusOr<T>> call, bool writes);
  Note<jobs::Job> NoteMove(JobId id, Mover mover);

  const StoreDeps deps_;
  const std::unique_ptr<jobs::Store> owned_;
  testing::MemoryStore* const memory_ = nullptr;
  jobs::Store* const store_;
  StoreWeather weather_;
};

}  // namespace fetchd::simulation
