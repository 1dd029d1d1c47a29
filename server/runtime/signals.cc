#include "runtime/signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <stop_token>
#include <utility>

#include "base/check.h"

namespace fetchd::runtime {

namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) { FETCHD_CHECK(fd_ >= 0); }
  ~FileDescriptor() { close(fd_); }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

sigset_t WatchedSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
  return set;
}

/// The next watched signal's number; 0 when `wake` was written first.
int NextSignal(const FileDescriptor& signals, const FileDescriptor& wake) {
  std::array<pollfd, 2> waits{pollfd{wake.get(), POLLIN, 0}, pollfd{signals.get(), POLLIN, 0}};
  while (true) {
    if (poll(waits.data(), waits.size(), -1) < 0) continue;  // EINTR
    if (waits[0].revents != 0) return 0;
    signalfd_siginfo info{};
    if (read(signals.get(), &info, sizeof info) == sizeof info) {
      return static_cast<int>(info.ssi_signo);
    }
  }
}

void Watch(const std::stop_token& stop, const std::function<void(int, int)>& on_stop,
           const std::function<void()>& on_hangup) {
  const sigset_t set = WatchedSignals();
  const FileDescriptor signals(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  const FileDescriptor wake(eventfd(0, EFD_CLOEXEC));
  const std::stop_callback on_stop_requested(stop, [&wake] { eventfd_write(wake.get(), 1); });
  int stops = 0;
  while (const int number = NextSignal(signals, wake)) {
    if (number != SIGHUP) {
      on_stop(++stops, number);
    } else if (on_hangup) {
      on_hangup();
    }
  }
}

}  // namespace

SignalWatcher::SignalWatcher() {
  const sigset_t set = WatchedSignals();
  FETCHD_CHECK(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  FETCHD_CHECK(std::signal(SIGPIPE, SIG_IGN) != SIG_ERR);
  // Ignored, which whoever started this process may hand on, it takes away how a child ended.
  FETCHD_CHECK(std::signal(SIGCHLD, SIG_DFL) != SIG_ERR);
}

SignalWatcher::~SignalWatcher() = default;  // The jthread asks its thread to stop and joins it.

void SignalWatcher::Start(std::function<void(int count, int signal_number)> on_stop,
                          std::function<void()> on_hangup) {
  thread_ = std::jthread([on_stop = std::move(on_stop), on_hangup = std::move(on_hangup)](
                             const std::stop_token& stop) { Watch(stop, on_stop, on_hangup); });
}

}  // namespace fetchd::runtime
