#include "fetch/cool_down_exchange.h"

#include <algorithm>
#include <vector>

namespace fetchd::fetch {

void CoolDownExchange::Stop() {
  stopping_.store(true, std::memory_order_release);
  wake_.Set();
}

void CoolDownExchange::News() {
  news_.store(true, std::memory_order_release);
  wake_.Set();
}

void CoolDownExchange::Announce(const Origin& origin, bool circuit, Duration left) {
  const SteadyTime until = clock_.Now() + left;
  {
    const std::lock_guard lock(mutex_);
    SteadyTime& known = untold_.try_emplace({origin.ToString(), circuit}, until).first->second;
    known = std::max(known, until);
  }
  wake_.Set();
}

Task<absl::Status> CoolDownExchange::Run() {
  SteadyTime round_at = clock_.Now();
  while (!stopping_.load(std::memory_order_acquire)) {
    co_await Tell();
    const bool news = news_.exchange(false, std::memory_order_acq_rel);
    if (news || clock_.Now() >= round_at) {
      co_await Hear();
      round_at = clock_.Now() + kRound;
    }
    if (stopping_.load(std::memory_order_acquire)) break;
    co_await clock_.SleepFor(kGap);
    co_await FirstOf(clock_.SleepUntil(round_at), wake_.Wait());
  }
  co_return absl::OkStatus();
}

// What cannot be told is told in the next round, if it is not over by then.
Task<void> CoolDownExchange::Tell() {
  std::map<Key, SteadyTime> untold;
  {
    const std::lock_guard lock(mutex_);
    untold.swap(untold_);
  }
  std::vector<jobs::CoolDown> cool_downs;
  const SteadyTime now = clock_.Now();
  for (const auto& [key, until] : untold) {
    if (until > now) cool_downs.push_back({key.first, key.second, until - now});
  }
  if (cool_downs.empty()) co_return;
  const absl::Status told = co_await store_.Announce(std::move(cool_downs));
  if (told.ok()) co_return;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, until] : untold) {
    SteadyTime& known = untold_.try_emplace(key, until).first->second;
    known = std::max(known, until);
  }
}

Task<void> CoolDownExchange::Hear() {
  const absl::StatusOr<std::vector<jobs::CoolDown>> heard = co_await store_.CoolDowns();
  if (!heard.ok()) co_return;
  std::map<Key, std::int64_t> known;
  for (const jobs::CoolDown& one : *heard) {
    const Key key(one.origin, one.circuit);
    known[key] = one.until;
    const auto before = heard_.find(key);
    if (before != heard_.end() && before->second >= one.until) continue;
    const absl::StatusOr<Origin> origin = Origin::Parse(one.origin, url_);
    if (origin.ok()) pacer_->TakeOver(*origin, one.circuit, one.left);
  }
  heard_ = std::move(known);
}

}  // namespace fetchd::fetch
