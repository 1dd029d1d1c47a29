#include "store/writer.h"

#include <algorithm>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <csignal>
#include <semaphore>
#include <utility>

#include "base/check.h"

namespace fetchd::store {
namespace {

// Bounds how long the first change of a transaction waits for the last one.
constexpr std::size_t kMaxBatch = 1000;

}  // namespace

// Signals are the main thread's business.
void BlockSignals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

struct Writer::Operation {
  PendingChange pending;
  std::move_only_function<void()> resume;  // Posts the waiting coroutine to its executor.
};

Writer::Writer(std::unique_ptr<Committer> committer) : committer_(std::move(committer)) {
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
}

void Writer::Enqueue(Operation& operation) {
  {
    const std::lock_guard lock(mutex_);
    FETCHD_CHECK(!stopping_);
    queue_.push_back(&operation);
  }
  wake_.notify_one();
}

Task<absl::Status> Writer::Apply(Change change, bool alone) {
  Operation operation{{change, alone}, {}};
  auto enqueue = [this, &operation](auto handler) {
    auto executor = asio::get_associated_executor(handler);
    // Keeps the caller's event loop running while nothing else does.
    auto work = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    operation.resume = [work = std::move(work), handler = std::move(handler)]() mutable {
      asio::post(work, std::move(handler));
    };
    Enqueue(operation);
  };
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(std::move(enqueue),
                                                                       asio::use_awaitable);
  co_return operation.pending.outcome;
}

absl::Status Writer::ApplyBlocking(Change change, bool alone) {
  std::binary_semaphore done(0);
  Operation operation{{change, alone}, [&done] { done.release(); }};
  Enqueue(operation);
  done.acquire();
  return operation.pending.outcome;
}

void Writer::Loop() {
  BlockSignals();
  std::vector<PendingChange*> changes;
  for (std::vector<Operation*> batch = WaitForBatch(); !batch.empty(); batch = WaitForBatch()) {
    changes.clear();
    for (Operation* operation : batch) changes.push_back(&operation->pending);
    committer_->Commit(changes);
    Complete(batch);
  }
}

// Empty: the store is closing, and nothing is left. Whoever wants to be alone is first, or ends the
// batch before.
std::vector<Writer::Operation*> Writer::WaitForBatch() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  const auto most =
      queue_.begin() + static_cast<std::ptrdiff_t>(std::min(queue_.size(), kMaxBatch));
  auto end = std::find_if(queue_.begin(), most,
                          [](const Operation* operation) { return operation->pending.alone; });
  if (end == queue_.begin() && end != most) ++end;
  std::vector<Operation*> batch(queue_.begin(), end);
  queue_.erase(queue_.begin(), end);
  return batch;
}

void Writer::Complete(const std::vector<Operation*>& batch) {
  for (Operation* operation : batch) {
    // Once resumed, the operation may be gone: so its function is taken out of it first.
    auto resume = std::move(operation->resume);
    resume();
  }
}

}  // namespace fetchd::store
