#include "runtime/task_group.h"

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/strings.h"

namespace fetchd::runtime {

/// Touched on the group's executor only, but for `executor` and `name`, which never change.
struct TaskHandle::Entry {
  Entry(asio::any_io_executor on, std::string called)
      : executor(std::move(on)), name(std::move(called)) {}

  void CancelHere() {
    if (std::exchange(cancelled, true)) return;
    signal.emit(asio::cancellation_type::terminal);
  }

  const asio::any_io_executor executor;
  const std::string name;
  asio::cancellation_signal signal;
  bool cancelled = false;
};

void TaskHandle::Cancel() const {
  const std::shared_ptr<Entry> entry = entry_.lock();
  if (entry == nullptr) return;
  // A cancellation_signal is not thread-safe: it is emitted where the task runs.
  asio::post(entry->executor, [entry] { entry->CancelHere(); });
}

/// Shared with what is posted, so that a late Cancel() finds it alive.
struct TaskGroup::Core : std::enable_shared_from_this<TaskGroup::Core> {
  using Entry = TaskHandle::Entry;

  Core(asio::any_io_executor on, OnDone done)
      : executor(std::move(on)),
        on_done(std::move(done)),
        emptied(executor, asio::steady_timer::time_point::max()) {}

  void Start(const std::shared_ptr<Entry>& entry, Task<absl::Status> task);
  void Finish(const std::shared_ptr<Entry>& entry, const absl::Status& status);
  void CancelAllHere();

  const asio::any_io_executor executor;
  const OnDone on_done;
  std::atomic<std::size_t> size{0};
  std::atomic<bool> cancelled{false};
  // On the executor only:
  std::unordered_set<std::shared_ptr<Entry>> running;
  asio::steady_timer emptied;  ///< Never expires; cancelled to wake those in Join().
};

namespace {

absl::Status OutcomeOf(const std::exception_ptr& error, absl::Status returned, bool cancelled) {
  if (error == nullptr) return returned;
  try {
    std::rethrow_exception(error);
  } catch (const boost::system::system_error& thrown) {
    if (cancelled && thrown.code() == asio::error::operation_aborted) {
      return absl::CancelledError("cancelled");
    }
    return absl::InternalError(Concat("exception: ", std::string_view(thrown.what())));
  } catch (const std::exception& thrown) {
    return absl::InternalError(Concat("exception: ", std::string_view(thrown.what())));
  } catch (...) {
    return absl::InternalError("exception of unknown type");
  }
}

}  // namespace

void TaskGroup::Core::Start(const std::shared_ptr<Entry>& entry, Task<absl::Status> task) {
  running.insert(entry);
  auto finish = [core = shared_from_this(), entry](std::exception_ptr error, absl::Status status) {
    core->Finish(entry, OutcomeOf(error, std::move(status), entry->cancelled));
  };
  asio::co_spawn(executor, std::move(task),
                 asio::bind_executor(executor, asio::bind_cancellation_slot(entry->signal.slot(),
                                                                            std::move(finish))));
  // Only now: a task cancelled before it starts would not run at all, and what it sets up before
  // its first co_await (a reply that must be given) would be missing.
  if (cancelled.load(std::memory_order_acquire)) entry->CancelHere();
}

void TaskGroup::Core::Finish(const std::shared_ptr<Entry>& entry, const absl::Status& status) {
  if (on_done) on_done(entry->name, status);
  running.erase(entry);
  if (size.fetch_sub(1, std::memory_order_acq_rel) == 1) emptied.cancel();
}

void TaskGroup::Core::CancelAllHere() {
  // A copy: a task may end inside the emission and leave the set.
  const std::vector<std::shared_ptr<Entry>> entries(running.begin(), running.end());
  for (const auto& entry : entries) entry->CancelHere();
}

TaskGroup::TaskGroup(asio::any_io_executor executor, OnDone on_done)
    : core_(std::make_shared<Core>(std::move(executor), std::move(on_done))) {}

TaskGroup::~TaskGroup() { FETCHD_CHECK(size() == 0); }

TaskHandle TaskGroup::Spawn(std::string name, Task<absl::Status> task) {
  auto entry = std::make_shared<TaskHandle::Entry>(core_->executor, std::move(name));
  TaskHandle handle{std::weak_ptr<TaskHandle::Entry>(entry)};
  core_->size.fetch_add(1, std::memory_order_acq_rel);
  asio::post(core_->executor,
             [core = core_, entry = std::move(entry), task = std::move(task)]() mutable {
               core->Start(entry, std::move(task));
             });
  return handle;
}

void TaskGroup::Cancel() {
  core_->cancelled.store(true, std::memory_order_release);
  asio::post(core_->executor, [core = core_] { core->CancelAllHere(); });
}

Task<void> TaskGroup::Join() {
  const std::shared_ptr<Core> core = core_;
  // The tasks refer to what the caller is about to destroy, so its own cancellation has to wait.
  const bool throws = co_await asio::this_coro::throw_if_cancelled();
  co_await asio::this_coro::throw_if_cancelled(false);
  while (core->size.load(std::memory_order_acquire) != 0) {
    co_await core->emptied.async_wait(kTuple);
  }
  co_await asio::this_coro::throw_if_cancelled(throws);
}

asio::any_io_executor TaskGroup::executor() const { return core_->executor; }

std::size_t TaskGroup::size() const { return core_->size.load(std::memory_order_acquire); }

}  // namespace fetchd::runtime
