#include "runtime/signals.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <vector>

namespace fetchd::runtime {
namespace {

/// What the watcher's thread reported, for the test's thread to wait on.
class Journal {
 public:
  void Add(int event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(event);
    changed_.notify_all();
  }
  std::vector<int> Await(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return events_.size() >= count; });
    return events_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int> events_;
};

constexpr int kHangup = -1;

TEST(SignalWatcherTest, CountsStopsAndTellsHangupsApart) {
  Journal journal;
  SignalWatcher watcher;
  watcher.Start([&](int count, int) { journal.Add(count); }, [&] { journal.Add(kHangup); });

  kill(getpid(), SIGTERM);
  EXPECT_EQ(journal.Await(1), (std::vector{1}));
  kill(getpid(), SIGHUP);
  EXPECT_EQ(journal.Await(2), (std::vector{1, kHangup}));
  kill(getpid(), SIGINT);
  EXPECT_EQ(journal.Await(3), (std::vector{1, kHangup, 2}));
}

TEST(SignalWatcherTest, SaysWhichSignalItWas) {
  Journal journal;
  SignalWatcher watcher;
  watcher.Start([&](int, int signal_number) { journal.Add(signal_number); });

  kill(getpid(), SIGTERM);
  EXPECT_EQ(journal.Await(1), (std::vector{SIGTERM}));
  kill(getpid(), SIGINT);
  EXPECT_EQ(journal.Await(2), (std::vector{SIGTERM, SIGINT}));
}

TEST(SignalWatcherTest, HangupWithoutListenerIsIgnored) {
  Journal journal;
  SignalWatcher watcher;
  watcher.Start([&](int count, int) { journal.Add(count); });

  kill(getpid(), SIGHUP);
  kill(getpid(), SIGTERM);

  EXPECT_EQ(journal.Await(1), (std::vector{1}));
}

TEST(SignalWatcherTest, DestructionWithoutASignalEndsTheThread) {
  SignalWatcher never_started;
  SignalWatcher watcher;
  watcher.Start([](int, int) {});
}

TEST(SignalWatcherTest, HowChildrenEndIsToldThoughOurParentIgnoredIt) {
  std::signal(SIGCHLD, SIG_IGN);

  const SignalWatcher watcher;

  EXPECT_EQ(std::signal(SIGCHLD, SIG_DFL), SIG_DFL);
}

TEST(SignalWatcherTest, BrokenPipeIsAnErrorNotASignal) {
  const SignalWatcher watcher;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);

  EXPECT_EQ(write(ends[1], "x", 1), -1);
  EXPECT_EQ(errno, EPIPE);
  close(ends[1]);
}

}  // namespace
}  // namespace fetchd::runtime
