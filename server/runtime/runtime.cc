#include "runtime/runtime.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <csignal>
#include <string>

#include "base/strings.h"

namespace fetchd::runtime {

namespace {

/// Blocks every signal in this thread, hence in those it starts, until destroyed: signals belong to
/// SignalWatcher's thread.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

/// Cores in this process's affinity mask: cpusets of containers show here.
std::size_t UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace

Runtime::Runtime(RuntimeConfig config) {
  const SignalsBlocked blocked;
  const std::size_t count = config.shards != 0 ? config.shards : UsableCores();
  for (std::size_t i = 0; i < count; ++i) shards_.push_back(std::make_unique<Shard>(i));
  blocking_ = std::make_unique<BlockingPool>(std::max<std::size_t>(1, config.blocking_threads));
  for (const auto& shard : shards_) {
    threads_.emplace_back([&shard = *shard] {
      pthread_setname_np(pthread_self(), Concat("shard-", shard.index()).c_str());
      shard.context_.run();
    });
  }
}

Runtime::Runtime(std::size_t shards, const asio::any_io_executor& blocking,
                 const std::function<void()>& step) {
  for (std::size_t i = 0; i < shards; ++i) {
    shards_.push_back(std::make_unique<Shard>(i));
    asio::use_service<internal::Stepper>(shards_.back()->context_).step = step;
  }
  blocking_ = std::make_unique<BlockingPool>(blocking);
}

Runtime::~Runtime() { Stop(); }

void Runtime::Stop() {
  for (const auto& shard : shards_) shard->work_.reset();
  threads_.clear();
}

}  // namespace fetchd::runtime
