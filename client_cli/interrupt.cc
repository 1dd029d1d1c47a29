#include "cli/interrupt.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "cli/errors.h"

namespace fetchd::cli {
namespace {

constexpr int kStopWatching = SIGUSR1;

void Watch(Interrupt& interrupt, sigset_t signals) {
  int signal = 0;
  while (sigwait(&signals, &signal) == 0 && signal != kStopWatching) {
    if (interrupt.triggered()) {
      interrupt.DoLastAct();
      _exit(static_cast<int>(ExitCode::kInterrupted));
    }
    interrupt.Trigger();
  }
}

}  // namespace

void Interrupt::Trigger() {
  const std::lock_guard lock(mutex_);
  triggered_ = true;
  for (grpc::ClientContext* call : calls_) call->TryCancel();
  changed_.notify_all();
}

bool Interrupt::triggered() const {
  const std::lock_guard lock(mutex_);
  return triggered_;
}

bool Interrupt::WaitFor(std::chrono::milliseconds duration) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, duration, [this] { return triggered_; });
}

void Interrupt::SetLastAct(std::function<void()> act) {
  const std::lock_guard lock(mutex_);
  last_act_ = std::move(act);
}

void Interrupt::DoLastAct() {
  const std::lock_guard lock(mutex_);
  if (last_act_) last_act_();
}

Interrupt::Scope::Scope(Interrupt& interrupt, grpc::ClientContext& call)
    : interrupt_(interrupt), call_(call) {
  const std::lock_guard lock(interrupt_.mutex_);
  interrupt_.calls_.insert(&call_);
  if (interrupt_.triggered_) call_.TryCancel();
}

Interrupt::Scope::~Scope() {
  const std::lock_guard lock(interrupt_.mutex_);
  interrupt_.calls_.erase(&call_);
}

SignalWatcher::SignalWatcher(Interrupt& interrupt) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, kStopWatching);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  thread_ = std::thread([&interrupt, signals] { Watch(interrupt, signals); });
}

SignalWatcher::~SignalWatcher() {
  pthread_kill(thread_.native_handle(), kStopWatching);
  thread_.join();
}

}  // namespace fetchd::cli
