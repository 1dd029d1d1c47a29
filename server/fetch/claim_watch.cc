#include "fetch/claim_watch.h"

#include <utility>

namespace fetchd::fetch {
namespace {

constexpr Duration kBetweenLooks = std::chrono::milliseconds(200);

}  // namespace

ClaimWatch::ClaimWatch(asio::any_io_executor executor, Clock& clock, jobs::Store& store,
                       StoreHealth& health, Held held, OnLost on_lost)
    : clock_(clock),
      store_(store),
      health_(health),
      held_(std::move(held)),
      on_lost_(std::move(on_lost)),
      wake_(executor),
      stop_(executor) {}

void ClaimWatch::Stop() {
  stopping_.store(true, std::memory_order_release);
  stop_.Set();
  wake_.Set();
}

Task<absl::Status> ClaimWatch::Run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    co_await wake_.Wait();
    const bool known = co_await Look();
    if (!known) wake_.Set();
    co_await FirstOf(clock_.SleepFor(kBetweenLooks), stop_.Wait());
  }
  co_return absl::OkStatus();
}

Task<bool> ClaimWatch::Look() {
  std::vector<jobs::ClaimId> held = held_();
  if (held.empty()) co_return true;
  const auto lost = co_await store_.LostClaims(std::move(held));
  health_.Note("look for jobs that are lost", lost.status());
  if (!lost.ok()) co_return false;
  for (const jobs::ClaimId& claim : *lost) on_lost_(claim);
  co_return true;
}

}  // namespace fetchd::fetch
