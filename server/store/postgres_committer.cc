#include "store/postgres_committer.h"

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <utility>

#include "base/strings.h"
#include "base/time.h"
#include "store/postgres_error.h"
#include "store/replicas.h"
#include "store/transaction_end.h"

namespace fetchd::store {
namespace {

constexpr int kMostRuns = 8;
/// For so long a server is asked what became of a transaction, with such pauses.
constexpr Duration kPatience = std::chrono::seconds(10);
constexpr int kPauseMilliseconds = 100;
/// For who was told that there is no database.
constexpr std::chrono::seconds kRetryAfter{1};

/// No run is begun after that: what waits may be told.
constexpr Duration kLongestCommit = std::chrono::seconds(30);

enum class Fate { kCommitted, kRolledBack, kUnknown };

class PostgresCommitter final : public Committer {
 public:
  explicit PostgresCommitter(PostgresCommitterDeps deps) : deps_(std::move(deps)) {}
  void Commit(std::span<PendingChange* const> changes) override;

 private:
  struct Run {
    Census census{jobs::StoreStats()};
    DeferredRows deferred;
    std::int64_t transaction_id = 0;
    std::int64_t number = 0;  ///< Of this transaction among those of this writer.
  };

  absl::Status Connect();
  bool PrepareAgain(Fate fate);
  absl::Status RunTransaction(std::span<PendingChange* const> changes, Run& run,
                              Transaction& transaction);
  absl::Status RunChange(PendingChange& change, Run& run, Transaction& transaction);
  absl::Status RunInSavepoint(PendingChange& change, Run& run, Transaction& transaction);
  /// The answer of the server itself, of the connection that is gone.
  Fate FateOf(const Run& run, int backend_pid);
  absl::Status NoteNumber(std::int64_t number);
  PostgresSession& session() { return static_cast<PostgresSession&>(database_->session()); }

  const PostgresCommitterDeps deps_;
  const RealClock clock_;  // Of waits for the server: jobs have another one.
  const std::string name_ = ReplicaName::Random();  // In `commits`.
  std::int64_t last_number_ = 0;
  std::unique_ptr<Database> database_;  // Null: not connected.
  bool in_savepoints_ = false;          // This run has one for each change.
};

absl::Status PostgresCommitter::Connect() {
  if (database_ != nullptr && !session().broken()) return absl::OkStatus();
  database_.reset();
  ASSIGN_OR_RETURN(std::unique_ptr<PostgresSession> session, deps_.connect());
  database_ = std::make_unique<Database>(std::move(session));
  return absl::OkStatus();
}

void PostgresCommitter::Commit(std::span<PendingChange* const> changes) {
  const SteadyTime from = clock_.Now();
  absl::Status status;
  in_savepoints_ = false;
  const Deadline last_begin = Deadline::After(clock_, kLongestCommit);
  for (int runs = 0; runs < kMostRuns && (runs == 0 || !last_begin.Passed(clock_)); ++runs) {
    status = Connect();
    if (!status.ok()) break;
    Run run;
    run.number = ++last_number_;
    Transaction transaction{JobTable(*database_, deps_.keys, run.deferred, deps_.replica()),
                            Effects(run.census)};
    status = RunTransaction(changes, run, transaction);
    Fate fate = status.ok() ? Fate::kCommitted : Fate::kRolledBack;
    if (session().commit_is_unknown()) {
      fate = FateOf(run, session().backend_pid());
    }
    if (fate == Fate::kCommitted) {
      transaction.effects.Took(clock_.Now() - from);
      if (transaction.effects.changes() > 0) deps_.on_commit(transaction.effects);
      return;
    }
    if (fate == Fate::kUnknown) status = WithReason(status, {kCommitUnknown, {}});
    if (!PrepareAgain(fate)) break;
  }
  if (absl::IsUnavailable(status)) status = WithRetryAfter(std::move(status), kRetryAfter);
  for (PendingChange* change : changes) change->outcome = status;
}

// False: another run would end as this one.
bool PostgresCommitter::PrepareAgain(Fate fate) {
  if (session().broken()) return fate == Fate::kRolledBack;
  const std::string state = session().sql_state();
  session().RollBack().IgnoreError();  // The next run says more.
  if (IsConflict(state)) return true;
  if (IsOfServer(state)) {
    database_.reset();  // Perhaps of a server that is a standby by now.
    return false;
  }
  return !std::exchange(in_savepoints_, true);
}

absl::Status PostgresCommitter::RunTransaction(std::span<PendingChange* const> changes, Run& run,
                                               Transaction& transaction) {
  RETURN_IF_ERROR(database_->Begin());
  {
    Query id(*database_, "SELECT CAST(CAST(pg_current_xact_id() AS text) AS bigint)");
    RETURN_IF_ERROR(id.Run(&run.transaction_id));
  }
  const std::uint64_t writes_before = session().writes();
  for (PendingChange* change : changes) {
    RETURN_IF_ERROR(in_savepoints_ ? RunInSavepoint(*change, run, transaction)
                                   : RunChange(*change, run, transaction));
  }
  // What has failed so far is not to hold the lock; and the id is needed.
  RETURN_IF_ERROR(session().Drain());
  std::int64_t last_sequence = 0;
  if (session().writes() != writes_before) RETURN_IF_ERROR(NoteNumber(run.number));
  RETURN_IF_ERROR(
      WriteEnd(*database_, run.deferred, transaction.effects, deps_.replica(), last_sequence));
  RETURN_IF_ERROR(session().Commit());
  if (!run.deferred.events().empty()) transaction.effects.Event(last_sequence);
  return absl::OkStatus();
}

// An error is that of the whole transaction; a change that is refused has its own in its outcome.
absl::Status PostgresCommitter::RunChange(PendingChange& change, Run& run,
                                          Transaction& transaction) {
  const Effects before = transaction.effects;
  const std::size_t moves_before = run.census.moves().size();
  const DeferredRows::Mark mark = run.deferred.mark();
  const std::uint64_t writes_before = session().writes();
  change.outcome = change.change(transaction);
  RETURN_IF_ERROR(session().failure());
  if (change.outcome.ok()) return absl::OkStatus();
  // Half of it may be there.
  if (session().writes() != writes_before) return change.outcome;
  transaction.effects = before;
  run.census.Undo(moves_before);
  run.deferred.Undo(mark);
  return absl::OkStatus();
}

absl::Status PostgresCommitter::RunInSavepoint(PendingChange& change, Run& run,
                                               Transaction& transaction) {
  const Effects before = transaction.effects;
  const std::size_t moves_before = run.census.moves().size();
  const DeferredRows::Mark mark = run.deferred.mark();
  {
    Query savepoint(*database_, "SAVEPOINT one");
    RETURN_IF_ERROR(savepoint.Run());
  }
  change.outcome = change.change(transaction);
  if (change.outcome.ok()) change.outcome = session().Drain();
  if (!change.outcome.ok()) {
    const std::string& state = session().sql_state();
    const bool of_all = !session().failure().ok() && (IsConflict(state) || IsOfServer(state));
    if (session().broken() || of_all) return change.outcome;
    transaction.effects = before;
    run.census.Undo(moves_before);
    run.deferred.Undo(mark);
    RETURN_IF_ERROR(session().RollBackToOne());
  }
  Query release(*database_, "RELEASE SAVEPOINT one");
  return release.Run();
}

absl::Status PostgresCommitter::NoteNumber(std::int64_t number) {
  Query query(*database_,
              "INSERT INTO commits (writer, number, at) VALUES (?1, ?2, clock_timestamp())"
              " ON CONFLICT (writer) DO UPDATE SET number = excluded.number, at = excluded.at",
              name_, number);
  return query.Run();
}

// By its number: ids of transactions are given anew when a server has crashed.
Fate PostgresCommitter::FateOf(const Run& run, int backend_pid) {
  const Deadline deadline = Deadline::After(clock_, kPatience);
  for (bool first = true; first || !deadline.Passed(clock_); first = false) {
    if (!first) poll(nullptr, 0, kPauseMilliseconds);
    auto connection = deps_.connect();
    if (!connection.ok()) continue;
    Database database(*std::move(connection));
    // Nobody waits for its answer any more; it may be at it still.
    Query end(database,
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ?1"
              " AND CAST(CAST(backend_xid AS text) AS bigint) = ?2 % 4294967296",
              backend_pid, run.transaction_id);
    const absl::StatusOr<bool> at_it = end.Step();
    if (!at_it.ok() || *at_it) continue;
    Query query(database, "SELECT 1 FROM commits WHERE writer = ?1 AND number = ?2", name_,
                run.number);
    const absl::StatusOr<bool> found = query.Step();
    if (found.ok()) return *found ? Fate::kCommitted : Fate::kRolledBack;
  }
  return Fate::kUnknown;
}

}  // namespace

std::unique_ptr<Committer> MakePostgresCommitter(PostgresCommitterDeps deps) {
  return std::make_unique<PostgresCommitter>(std::move(deps));
}

}  // namespace fetchd::store
