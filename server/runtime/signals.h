// SIGTERM and SIGINT as calls on a thread of their own.
#pragma once

#include <functional>
#include <thread>

namespace fetchd::runtime {

/// Construct first thing in main(), before any thread exists: it blocks SIGTERM, SIGINT and SIGHUP
/// in the process and ignores SIGPIPE. The callback gets 1 for the first SIGTERM/SIGINT, 2 for the
/// second, and so on, and which signal it was; it runs on the watcher's thread. SIGHUP calls
/// `on_hangup` when given.
class SignalWatcher {
 public:
  SignalWatcher();
  ~SignalWatcher();
  void Start(std::function<void(int count, int signal_number)> on_stop,
             std::function<void()> on_hangup = nullptr);

 private:
  std::jthread thread_;
};

}  // namespace fetchd::runtime
