// The one thread that writes: it puts all changes that wait into one transaction and one fsync.
#pragma once

#include <absl/functional/function_ref.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/task.h"
#include "jobs/store.h"
#include "store/census.h"
#include "store/database.h"
#include "store/job_table.h"
#include "store/key_ring.h"

namespace fetchd::store {

/// What changes did to the figures that are kept in memory. Published only once they are durable.
class Effects {
 public:
  explicit Effects(Census& census) : census_(&census) {}

  void Count(const std::string& tenant, MaybeState from, MaybeState to) {
    census_->Count({tenant, from, to});
  }
  /// So many bytes more are stored for it; fewer, below 0.
  void CountStored(const std::string& tenant, std::int64_t bytes) {
    census_->Count({.tenant = tenant, .stored_bytes = bytes});
  }
  void Event(std::int64_t sequence) { last_sequence_ = sequence; }
  void Changed() { ++changes_; }
  void Batch() { batch_changed_ = true; }  ///< A figure of a batch, or its state.
  void Took(Duration took) { took_ = took; }

  const Census& census() const { return *census_; }
  std::int64_t last_sequence() const { return last_sequence_; }  ///< 0 = no event.
  std::uint64_t changes() const { return changes_; }
  bool batch_changed() const { return batch_changed_; }
  Duration took() const { return took_; }  ///< Of the whole transaction; 0 until it is committed.

 private:
  Census* census_;
  std::int64_t last_sequence_ = 0;
  std::uint64_t changes_ = 0;
  bool batch_changed_ = false;
  Duration took_{};
};

/// What a change works on: rows of the open transaction, and its effects.
struct Transaction {
  JobTable jobs;
  Effects effects;
};

/// Owns the writing connection; made by the store, destroyed with it. Thread-safe.
class Writer {
 public:
  /// One change. It runs on the writer's thread: on an error nothing of it remains. It may run
  /// twice, the second time as if the first had not been.
  using Change = absl::FunctionRef<absl::Status(Transaction&)>;
  /// Called on the writer's thread after each commit that changed something, before the changes
  /// complete.
  using OnCommit = std::function<void(const Effects&)>;

  Writer(Database database, const KeyRing& keys, Census census, OnCommit on_commit);
  /// Finishes what is queued, moves the WAL into the database and joins the thread.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Completes on the caller's executor once the change is durable, or with why it is not. When a
  /// transaction fails as a whole (disk full), so do all the changes in it; the writer goes on.
  /// Cancellation does not interrupt it.
  Task<absl::Status> Apply(Change change);

  /// Apply for a change that returns a value.
  template <typename F, typename Result = std::invoke_result_t<F&, Transaction&>>
  Task<Result> Run(F change) {
    std::optional<Result> result;
    auto keep_result = [&result, &change](Transaction& transaction) {
      result.emplace(change(transaction));
      return result->status();
    };
    absl::Status committed = co_await Apply(keep_result);
    if (!committed.ok()) co_return committed;
    co_return *std::move(result);
  }

 private:
  struct Operation;
  using RunChange = absl::Status (Writer::*)(Operation&, Transaction&);

  void Loop();
  std::vector<Operation*> WaitForBatch();
  void Commit(const std::vector<Operation*>& batch);
  absl::Status RunTransaction(const std::vector<Operation*>& batch, Transaction& transaction,
                              RunChange run);
  absl::Status RunPlain(Operation& operation, Transaction& transaction);
  absl::Status RunInSavepoint(Operation& operation, Transaction& transaction);
  void RollBack();
  static void Complete(const std::vector<Operation*>& batch);

  Database database_;
  const KeyRing& keys_;
  Census census_;           // Of the thread.
  bool half_done_ = false;  // Of the thread: the transaction holds a part of a refused change.
  const OnCommit on_commit_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Operation*> queue_;  // Guarded by mutex_. They live in the frames of those who wait.
  bool stopping_ = false;         // Guarded by mutex_.
  std::jthread thread_;           // Last: it uses all of the above.
};

}  // namespace fetchd::store
