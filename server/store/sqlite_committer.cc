#include "store/sqlite_committer.h"

#include <utility>

#include "store/sqlite_session.h"

namespace fetchd::store {
namespace {

class SqliteCommitter final : public Committer {
 public:
  SqliteCommitter(Database database, const KeyRing& keys, Census census, OnCommit on_commit)
      : database_(std::move(database)),
        keys_(keys),
        census_(std::move(census)),
        on_commit_(std::move(on_commit)) {}
  ~SqliteCommitter() override {
    // Only saves time at the next start: what is in the WAL is durable too.
    database_.Execute("PRAGMA wal_checkpoint(TRUNCATE)").IgnoreError();
  }

  void Commit(std::span<PendingChange* const> changes) override;

 private:
  using RunChange = absl::Status (SqliteCommitter::*)(PendingChange&, Transaction&);

  absl::Status RunTransaction(std::span<PendingChange* const> changes, Transaction& transaction,
                              RunChange run);
  absl::Status RunPlain(PendingChange& change, Transaction& transaction);
  absl::Status RunInSavepoint(PendingChange& change, Transaction& transaction);
  void RollBack();
  sqlite3_int64 RowsChanged() const { return sqlite3_total_changes64(SqliteHandle(database_)); }

  Database database_;
  const KeyRing& keys_;
  Census census_;
  bool half_done_ = false;  // The transaction holds a part of a refused change.
  const OnCommit on_commit_;
};

// A savepoint costs SQLite a copy of each page that is changed under it, several times what most
// changes cost themselves; and hardly any change is refused once it has written. So they run
// without, and a transaction in which that happens is run again with one for each.
void SqliteCommitter::Commit(std::span<PendingChange* const> changes) {
  // Real time, whatever clock the jobs have: it is the disk that is measured.
  const SteadyTime from = RealClock().Now();
  Transaction transaction{JobTable(database_, keys_), Effects(census_)};
  absl::Status status = RunTransaction(changes, transaction, &SqliteCommitter::RunPlain);
  if (std::exchange(half_done_, false)) {
    RollBack();
    census_.Undo(0);
    transaction.effects = Effects(census_);
    status = RunTransaction(changes, transaction, &SqliteCommitter::RunInSavepoint);
  }
  if (!status.ok()) {
    RollBack();
    census_.Undo(0);
    for (PendingChange* change : changes) change->outcome = status;
    return;
  }
  transaction.effects.Took(RealClock().Now() - from);
  if (transaction.effects.changes() > 0) on_commit_(transaction.effects);
  census_.Committed();
}

// An error is that of the whole transaction; a change that is refused has its own in its outcome.
absl::Status SqliteCommitter::RunTransaction(std::span<PendingChange* const> changes,
                                             Transaction& transaction, RunChange run) {
  RETURN_IF_ERROR(database_.Begin());
  for (PendingChange* change : changes) RETURN_IF_ERROR((this->*run)(*change, transaction));
  Query commit(database_, "COMMIT");
  return commit.Run();
}

absl::Status SqliteCommitter::RunPlain(PendingChange& change, Transaction& transaction) {
  const Effects before = transaction.effects;
  const std::size_t moves_before = census_.moves().size();
  const sqlite3_int64 rows_before = RowsChanged();
  change.outcome = change.change(transaction);
  if (change.outcome.ok()) return absl::OkStatus();
  // A full disk, for one, ends the transaction there and then: then nobody's change is in it.
  if (!database_.InTransaction()) return change.outcome;
  half_done_ = RowsChanged() != rows_before;
  if (half_done_) return change.outcome;
  transaction.effects = before;
  census_.Undo(moves_before);
  return absl::OkStatus();
}

absl::Status SqliteCommitter::RunInSavepoint(PendingChange& change, Transaction& transaction) {
  const Effects before = transaction.effects;
  const std::size_t moves_before = census_.moves().size();
  Query savepoint(database_, "SAVEPOINT one");
  RETURN_IF_ERROR(savepoint.Run());
  change.outcome = change.change(transaction);
  if (!change.outcome.ok()) {
    if (!database_.InTransaction()) return change.outcome;
    transaction.effects = before;
    census_.Undo(moves_before);
    Query undo(database_, "ROLLBACK TO one");
    RETURN_IF_ERROR(undo.Run());
  }
  Query release(database_, "RELEASE one");
  return release.Run();
}

void SqliteCommitter::RollBack() {
  if (!database_.InTransaction()) return;
  // Fails only when SQLite has rolled back by itself.
  database_.RollBack().IgnoreError();
}

}  // namespace

std::unique_ptr<Committer> MakeSqliteCommitter(Database database, const KeyRing& keys,
                                               Census census, OnCommit on_commit) {
  return std::make_unique<SqliteCommitter>(std::move(database), keys, std::move(census),
                                           std::move(on_commit));
}

}  // namespace fetchd::store
