#include "store/writer.h"

#include <algorithm>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <csignal>
#include <utility>

#include "base/check.h"

namespace fetchd::store {
namespace {

// Bounds how long the first change of a transaction waits for the last one.
constexpr std::size_t kMaxBatch = 1000;

// Signals are the main thread's business.
void BlockSignals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace

struct Writer::Operation {
  explicit Operation(Change operation_change) : change(operation_change) {}
  Change change;
  absl::Status outcome;
  std::move_only_function<void()> resume;  // Posts the waiting coroutine to its executor.
};

Writer::Writer(Database database, const KeyRing& keys, Census census, OnCommit on_commit)
    : database_(std::move(database)),
      keys_(keys),
      census_(std::move(census)),
      on_commit_(std::move(on_commit)) {
  thread_ = std::jthread([this] {
    pthread_setname_np(pthread_self(), "store-writer");
    Loop();
  });
}

Writer::~Writer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
  // Only saves time at the next start: what is in the WAL is durable too.
  database_.Execute("PRAGMA wal_checkpoint(TRUNCATE)").IgnoreError();
}

Task<absl::Status> Writer::Apply(Change change) {
  Operation operation(change);
  auto enqueue = [this, &operation](auto handler) {
    auto executor = asio::get_associated_executor(handler);
    // Keeps the caller's event loop running while nothing else does.
    auto work = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    operation.resume = [work = std::move(work), handler = std::move(handler)]() mutable {
      asio::post(work, std::move(handler));
    };
    {
      const std::lock_guard lock(mutex_);
      FETCHD_CHECK(!stopping_);
      queue_.push_back(&operation);
    }
    wake_.notify_one();
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(enqueue),
                                                                       asio::use_awaitable);
  co_return operation.outcome;
}

void Writer::Loop() {
  BlockSignals();
  for (std::vector<Operation*> batch = WaitForBatch(); !batch.empty(); batch = WaitForBatch()) {
    Commit(batch);
    Complete(batch);
  }
}

// Empty: the store is closing, and nothing is left.
std::vector<Writer::Operation*> Writer::WaitForBatch() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(queue_.size(), kMaxBatch));
  std::vector<Operation*> batch(queue_.begin(), end);
  queue_.erase(queue_.begin(), end);
  return batch;
}

// A savepoint costs SQLite a copy of each page that is changed under it, several times what most
// changes cost themselves; and hardly any change is refused once it has written. So they run
// without, and a transaction in which that happens is run again with one for each.
void Writer::Commit(const std::vector<Operation*>& batch) {
  // Real time, whatever clock the jobs have: it is the disk that is measured.
  const SteadyTime from = RealClock().Now();
  Transaction transaction{JobTable(database_, keys_), Effects(census_)};
  absl::Status status = RunTransaction(batch, transaction, &Writer::RunPlain);
  if (std::exchange(half_done_, false)) {
    RollBack();
    census_.Undo(0);
    transaction.effects = Effects(census_);
    status = RunTransaction(batch, transaction, &Writer::RunInSavepoint);
  }
  if (!status.ok()) {
    RollBack();
    census_.Undo(0);
    for (Operation* operation : batch) operation->outcome = status;
    return;
  }
  transaction.effects.Took(RealClock().Now() - from);
  if (transaction.effects.changes() > 0) on_commit_(transaction.effects);
  census_.Committed();
}

// An error is that of the whole transaction; a change that is refused has its own in its outcome.
absl::Status Writer::RunTransaction(const std::vector<Operation*>& batch, Transaction& transaction,
                                    RunChange run) {
  RETURN_IF_ERROR(database_.Execute("BEGIN IMMEDIATE"));
  for (Operation* operation : batch) RETURN_IF_ERROR((this->*run)(*operation, transaction));
  Query commit(database_, "COMMIT");
  return commit.Run();
}

absl::Status Writer::RunPlain(Operation& operation, Transaction& transaction) {
  const Effects before = transaction.effects;
  const std::size_t moves_before = census_.moves().size();
  const sqlite3_int64 rows_before = sqlite3_total_changes64(database_.handle());
  operation.outcome = operation.change(transaction);
  if (operation.outcome.ok()) return absl::OkStatus();
  // A full disk, for one, ends the transaction there and then: then nobody's change is in it.
  if (!database_.InTransaction()) return operation.outcome;
  half_done_ = sqlite3_total_changes64(database_.handle()) != rows_before;
  if (half_done_) return operation.outcome;
  transaction.effects = before;
  census_.Undo(moves_before);
  return absl::OkStatus();
}

absl::Status Writer::RunInSavepoint(Operation& operation, Transaction& transaction) {
  const Effects before = transaction.effects;
  const std::size_t moves_before = census_.moves().size();
  Query savepoint(database_, "SAVEPOINT one");
  RETURN_IF_ERROR(savepoint.Run());
  operation.outcome = operation.change(transaction);
  if (!operation.outcome.ok()) {
    if (!database_.InTransaction()) return operation.outcome;
    transaction.effects = before;
    census_.Undo(moves_before);
    Query undo(database_, "ROLLBACK TO one");
    RETURN_IF_ERROR(undo.Run());
  }
  Query release(database_, "RELEASE one");
  return release.Run();
}

void Writer::RollBack() {
  if (!database_.InTransaction()) return;
  // Fails only when SQLite has rolled back by itself.
  database_.Execute("ROLLBACK").IgnoreError();
}

void Writer::Complete(const std::vector<Operation*>& batch) {
  for (Operation* operation : batch) {
    // Once resumed, the operation may be gone: so its function is taken out of it first.
    auto resume = std::move(operation->resume);
    resume();
  }
}

}  // namespace fetchd::store
