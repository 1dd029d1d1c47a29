#include "fetch/dispatcher.h"

#include <algorithm>
#include <utility>

namespace fetchd::fetch {
namespace {

constexpr std::size_t kClaimedAtOnce = 64;
constexpr Duration kFirstBackoff = std::chrono::milliseconds(50);
constexpr Duration kLongestBackoff = std::chrono::seconds(5);
// The wall clock may be set, so no sleep towards a wall time is longer; nor so short that a store
// whose clock is a little behind is asked in a tight loop.
constexpr Duration kLongestSleep = std::chrono::seconds(60);
constexpr Duration kShortestSleep = std::chrono::milliseconds(5);

}  // namespace

Dispatcher::Dispatcher(asio::any_io_executor executor, Clock& clock, jobs::Store& store,
                       StoreHealth& health, Semaphore& transfers, OriginPacer& pacer,
                       jobs::Rooms rooms, jobs::UrlChoice off_hold, Launch launch,
                       Claiming claiming)
    : clock_(clock),
      store_(store),
      health_(health),
      transfers_(transfers),
      pacer_(pacer),
      rooms_(std::move(rooms)),
      held_jobs_(clock, store, health, pacer, std::move(off_hold)),
      launch_(std::move(launch)),
      claiming_(std::move(claiming)),
      wake_(executor),
      stop_(executor) {}

void Dispatcher::Stop() {
  stopping_.store(true, std::memory_order_release);
  stop_.Set();
  wake_.Set();
}

Task<absl::Status> Dispatcher::Run() {
  while (!stopping()) {
    const SteadyTime asked_at = clock_.Now();
    std::vector<Permit> permits = co_await AcquirePermits();
    if (stopping()) break;
    const Duration waited = clock_.Now() - asked_at;
    const bool more = co_await ClaimAndLaunch(std::move(permits), waited);
    if (more || stopping()) continue;
    const bool moved = co_await held_jobs_.Move();
    if (moved || stopping()) continue;
    co_await SleepUntilReady();
    held_jobs_.Changed();
  }
  co_return absl::OkStatus();
}

// At least one, unless stopped; no more than are free right now.
Task<std::vector<Permit>> Dispatcher::AcquirePermits() {
  std::vector<Permit> permits;
  while (permits.size() < kClaimedAtOnce) {
    Permit permit = transfers_.TryAcquire(1);
    if (!permit) break;
    permits.push_back(std::move(permit));
  }
  if (!permits.empty()) co_return permits;
  std::optional<absl::StatusOr<Permit>> permit;
  auto acquired = transfers_.Acquire(1, clock_, Deadline::Never(), "transfer permit");
  const std::size_t first = co_await FirstOf(KeepIn(permit, std::move(acquired)), stop_.Wait());
  if (first == 0 && permit->ok()) permits.push_back(**std::move(permit));
  co_return permits;
}

// True when there may be more to claim at once.
Task<bool> Dispatcher::ClaimAndLaunch(std::vector<Permit> permits, Duration permit_wait) {
  if (permits.empty()) co_return false;
  claiming_(true);
  held_.store(permits.size(), std::memory_order_relaxed);
  auto claims = co_await store_.ClaimReady(static_cast<int>(permits.size()), rooms_);
  held_.store(0, std::memory_order_relaxed);
  health_.Note("claim jobs", claims.status());
  if (!claims.ok()) {
    backoff_ = std::clamp(backoff_ * 2, kFirstBackoff, kLongestBackoff);
    permits.clear();
    claiming_(false);
    co_return false;
  }
  backoff_ = Duration::zero();
  const bool all = claims->size() >= permits.size();
  for (std::size_t i = 0; i < claims->size(); ++i) {
    launch_(std::move((*claims)[i]), std::move(permits[i]), permit_wait);
  }
  claiming_(false);
  co_return all;
}

Task<void> Dispatcher::SleepUntilReady() {
  if (backoff_ > Duration::zero()) {
    co_await SleepOrWake(backoff_);
    co_return;
  }
  const auto next = co_await store_.NextReadyAt(rooms_);
  health_.Note("find the next job", next.status());
  if (!next.ok()) {
    co_await SleepOrWake(kFirstBackoff);
    co_return;
  }
  Duration left = *next ? Duration(**next - clock_.WallNow()) : Duration(kLongestSleep);
  // Jobs of an origin on hold are not among those: time may be what it waits for.
  if (const std::optional<SteadyTime> change = pacer_.NextChange()) {
    left = std::min(left, Duration(*change - clock_.Now()));
  }
  if (const std::optional<SteadyTime> due = held_jobs_.DueAt()) {
    left = std::min(left, Duration(*due - clock_.Now()));
  }
  co_await SleepOrWake(std::clamp(left, kShortestSleep, kLongestSleep));
}

Task<void> Dispatcher::SleepOrWake(Duration duration) {
  co_await FirstOf(clock_.SleepFor(duration), wake_.Wait());
}

}  // namespace fetchd::fetch
