#include "fetch/expirer.h"

#include <algorithm>
#include <utility>

namespace fetchd::fetch {
namespace {

constexpr int kExpiredAtOnce = 256;
// Every job that is created wakes the expirer: one look a while answers for many.
constexpr Duration kBetweenLooks = std::chrono::milliseconds(100);
constexpr Duration kAfterAnError = std::chrono::seconds(1);
// The wall clock may be set, so no sleep towards a wall time is longer.
constexpr Duration kLongestWait = std::chrono::seconds(60);

}  // namespace

Expirer::Expirer(asio::any_io_executor executor, Clock& clock, jobs::Store& store,
                 StoreHealth& health, OnExpired on_expired)
    : clock_(clock),
      store_(store),
      health_(health),
      on_expired_(std::move(on_expired)),
      wake_(executor),
      stop_(executor) {}

void Expirer::Stop() {
  stopping_.store(true, std::memory_order_release);
  stop_.Set();
  wake_.Set();
}

Task<absl::Status> Expirer::Run() {
  while (!stopping()) {
    const Duration quiet = co_await ExpireDue();
    if (quiet == Duration::zero() || stopping()) continue;
    co_await FirstOf(clock_.SleepFor(std::min(quiet, kBetweenLooks)), stop_.Wait());
    if (quiet <= kBetweenLooks || stopping()) continue;
    co_await FirstOf(clock_.SleepFor(quiet - kBetweenLooks), wake_.Wait());
  }
  co_return absl::OkStatus();
}

// Returns how long there is nothing to do, as far as is known.
Task<Duration> Expirer::ExpireDue() {
  const auto next = co_await store_.NextDeadlineAt();
  health_.Note("find the next deadline", next.status());
  if (!next.ok()) co_return kAfterAnError;
  if (!*next) co_return kLongestWait;
  const Duration left = **next - clock_.WallNow();
  if (left > Duration::zero()) co_return std::min(left, kLongestWait);
  auto expired = co_await store_.Expire(kExpiredAtOnce);
  health_.Note("fail jobs at their deadline", expired.status());
  if (!expired.ok()) co_return kAfterAnError;
  for (jobs::Job& job : *expired) co_await on_expired_(std::move(job));
  co_return Duration::zero();
}

}  // namespace fetchd::fetch
