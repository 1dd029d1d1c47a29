#include "fetch/progress_exchange.h"

#include <utility>

#include "fetch/progress_meter.h"

namespace fetchd::fetch {
namespace {

constexpr Duration kInterval = std::chrono::seconds(1);
/// After the last question for so long.
constexpr Duration kInterest = std::chrono::seconds(10);

jobs::RunningProgress ToTell(const JobId& id, const Progress& progress) {
  return {id, progress.received_bytes, progress.total_bytes,
          static_cast<std::uint64_t>(progress.rate_bytes_per_sec)};
}

Progress AsTold(const jobs::RunningProgress& told) {
  Progress progress;
  progress.received_bytes = told.received_bytes;
  progress.total_bytes = told.total_bytes;
  progress.rate_bytes_per_sec = static_cast<double>(told.bytes_per_sec);
  progress.eta = EtaOf(progress);
  return progress;
}

}  // namespace

ProgressExchange::ProgressExchange(asio::any_io_executor executor, Clock& clock, jobs::Store& store,
                                   Here here)
    : clock_(clock), store_(store), here_(std::move(here)), stop_(executor) {}

void ProgressExchange::Stop() {
  stopping_.store(true, std::memory_order_release);
  stop_.Set();
}

Task<absl::Status> ProgressExchange::Run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    co_await Tell();
    co_await Ask();
    co_await FirstOf(clock_.SleepFor(kInterval), stop_.Wait());
  }
  co_return absl::OkStatus();
}

// Nothing is lost by one that fails: the next one tells all.
Task<void> ProgressExchange::Tell() {
  std::vector<jobs::RunningProgress> here;
  for (const auto& [id, progress] : here_()) here.push_back(ToTell(id, progress));
  if (here == told_ && here.empty()) co_return;
  told_ = here;
  (co_await store_.TellProgress(std::move(here))).IgnoreError();
}

Task<void> ProgressExchange::Ask() {
  {
    const std::lock_guard lock(mutex_);
    if (asked_at_ == SteadyTime::min() || clock_.Now() - asked_at_ > kInterest) {
      of_the_others_.clear();
      co_return;
    }
  }
  const auto told = co_await store_.ToldProgress();
  const std::lock_guard lock(mutex_);
  of_the_others_.clear();
  if (!told.ok()) co_return;
  for (const jobs::RunningProgress& each : *told) of_the_others_[each.job] = AsTold(each);
}

std::optional<Progress> ProgressExchange::Of(const JobId& id) {
  const std::lock_guard lock(mutex_);
  asked_at_ = clock_.Now();
  const auto entry = of_the_others_.find(id);
  if (entry == of_the_others_.end()) return std::nullopt;
  return entry->second;
}

}  // namespace fetchd::fetch
