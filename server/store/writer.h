// The one thread that writes: it puts all changes that wait into one transaction and one fsync.
#pragma once

#include <absl/functional/function_ref.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "base/task.h"
#include "store/transaction.h"

namespace fetchd::store {

/// One change. It runs on the writer's thread: on an error nothing of it remains. It may run twice,
/// the second time as if the first had not been.
using TransactionChange = absl::FunctionRef<absl::Status(Transaction&)>;

/// A change that waits, and what became of it.
struct PendingChange {
  TransactionChange change;
  bool alone = false;  ///< Wants a transaction without others.
  absl::Status outcome = {};
};

/// How an engine makes a transaction of changes. Of the writer's thread.
class Committer {
 public:
  virtual ~Committer() = default;
  /// Sets the outcome of each. Blocks.
  virtual void Commit(std::span<PendingChange* const> changes) = 0;
};

/// For the threads of a store: signals are the main thread's business.
void BlockSignals();

/// Called on the writer's thread after each commit that changed something, before the changes
/// complete.
using OnCommit = std::function<void(const Effects&)>;

/// Made by the store, destroyed with it. Thread-safe.
class Writer {
 public:
  using Change = TransactionChange;

  explicit Writer(std::unique_ptr<Committer> committer);
  /// Finishes what is queued and joins the thread.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Completes on the caller's executor once the change is durable, or with why it is not. When a
  /// transaction fails as a whole (disk full), so do all the changes in it; the writer goes on.
  /// Cancellation does not interrupt it.
  Task<absl::Status> Apply(Change change, bool alone = false);
  /// The same for a thread, which waits.
  absl::Status ApplyBlocking(Change change, bool alone = false);

  /// Apply for a change that returns a value.
  template <typename F, typename Result = std::invoke_result_t<F&, Transaction&>>
  Task<Result> Run(F change, bool alone = false) {
    std::optional<Result> result;
    auto keep_result = [&result, &change](Transaction& transaction) {
      result.emplace(change(transaction));
      return result->status();
    };
    absl::Status committed = co_await Apply(keep_result, alone);
    if (!committed.ok()) co_return committed;
    co_return *std::move(result);
  }
  /// Run in a transaction without other changes. On an engine with several writers, for what takes
  /// locks that others' changes take in another order.
  template <typename F, typename Result = std::invoke_result_t<F&, Transaction&>>
  Task<Result> RunAlone(F change) {
    return Run<F, Result>(std::move(change), true);
  }

 private:
  struct Operation;

  void Loop();
  std::vector<Operation*> WaitForBatch();
  void Enqueue(Operation& operation);
  static void Complete(const std::vector<Operation*>& batch);

  const std::unique_ptr<Committer> committer_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Operation*> queue_;  // Guarded by mutex_. They live in the frames of those who wait.
  bool stopping_ = false;         // Guarded by mutex_.
  std::jthread thread_;           // Last: it uses all of the above.
};

}  // namespace fetchd::store
