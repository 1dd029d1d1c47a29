// Ctrl-C: one flag, the calls that it cancels, and the waits that it ends.
#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

namespace fetchd::cli {

/// Thread-safe. Lives as long as the command.
class Interrupt {
 public:
  /// Cancels every call in a Scope and ends every wait, now and from now on.
  void Trigger();
  bool triggered() const;
  /// Waits up to `duration`; true as soon as triggered.
  bool WaitFor(std::chrono::milliseconds duration);

  /// What has to be put right before the second signal ends the process, which runs no destructor:
  /// on another thread than the command's, and must not wait for that. Empty: nothing.
  void SetLastAct(std::function<void()> act);
  void DoLastAct();

  /// While it lives, Trigger() cancels `call`.
  class Scope {
   public:
    Scope(Interrupt& interrupt, grpc::ClientContext& call);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Interrupt& interrupt_;
    grpc::ClientContext& call_;
  };

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool triggered_ = false;
  std::function<void()> last_act_;
  std::set<grpc::ClientContext*> calls_;
};

/// Turns SIGINT and SIGTERM into interrupt.Trigger(); the second one ends the process, after
/// its last act. Make it before any other thread: it blocks the signals, and threads inherit that.
class SignalWatcher {
 public:
  explicit SignalWatcher(Interrupt& interrupt);
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  std::thread thread_;
};

}  // namespace fetchd::cli
