#include "fetch/allotments.h"

#include <algorithm>
#include <utility>

namespace fetchd::fetch {
namespace {

/// After a question that was not answered; doubled with each further one, up to 64 times.
constexpr Duration kFirstPause = std::chrono::milliseconds(100);

}  // namespace

Allotments::Allotments(asio::any_io_executor executor, Clock& clock, jobs::AllotmentStore& store)
    : clock_(clock), store_(store), wake_(std::move(executor)) {}

void Allotments::Stop() {
  stopping_.store(true, std::memory_order_release);
  wake_.Set();
}

void Allotments::News() {
  news_.store(true, std::memory_order_release);
  wake_.Set();
}

void Allotments::OnChange(std::function<void()> callback) {
  const std::lock_guard lock(callback_mutex_);
  on_change_ = std::move(callback);
}

bool Allotments::LastNow() const {
  const jobs::Lease lease = store_.lease();
  return lease.number == lease_ && clock_.Now() < lease.until;
}

bool Allotments::Last() const {
  const std::lock_guard lock(mutex_);
  return LastNow();
}

std::size_t Allotments::Of(const std::string& key, std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  const auto held = held_.find(key);
  if (LastNow()) return held == held_.end() ? 0 : held->second.cap;
  const bool begins = replicas_ == 0 && clock_.Now() < store_.lease().until;
  if (begins) return 0;
  return replicas_ == 0 ? 1 : std::max<std::size_t>(limit / replicas_, 1);
}

void Allotments::Want(const std::string& key, std::size_t limit, std::size_t wanted) {
  {
    const std::lock_guard lock(mutex_);
    Held& held = held_[key];
    held.limit = limit;
    const SteadyTime now = clock_.Now();
    if (held.wish_until <= now) held.wish = 0;
    const bool known = held.lacks && held.wish >= wanted;
    held.wish = std::max(held.wish, wanted);
    held.wish_until = now + kWish;
    if (known) return;
    dirty_.insert(key);
  }
  wake_.Set();
}

void Allotments::GaveBack(const std::string& key) {
  {
    const std::lock_guard lock(mutex_);
    if (!held_.contains(key)) return;
    dirty_.insert(key);
  }
  wake_.Set();
}

Task<absl::Status> Allotments::Run() {
  while (!stopping_.load(std::memory_order_acquire)) {
    const bool round = clock_.Now() >= round_at_;
    const bool all = news_.exchange(false, std::memory_order_acq_rel) || round;
    if (round) NoteRound(Collect());
    co_await Ask(all);
    co_await WaitForReason();
  }
  co_return absl::OkStatus();
}

// Until there is something to ask, or the lease passes.
Task<void> Allotments::WaitForReason() {
  const auto stops = [this] { return stopping_.load(std::memory_order_acquire); };
  // Who cannot answer is not asked for each request.
  const Duration gap = failures_ == 0 ? kGap : kFirstPause * (1 << std::min(failures_ - 1, 6));
  const SteadyTime gap_ends = asked_at_ + gap;
  while (!stops()) {
    const bool lasts = Last();
    if (lasts != std::exchange(lasted_, lasts)) {
      std::vector<std::string> keys;
      {
        const std::lock_guard lock(mutex_);
        for (const auto& [key, held] : held_) keys.push_back(key);
      }
      TellUsers(keys);
      Changed();
    }
    SteadyTime until = round_at_;
    if (lasts) until = std::min(until, store_.lease().until);
    {
      const std::lock_guard lock(mutex_);
      const bool reason = news_.load(std::memory_order_acquire) || !dirty_.empty();
      if (reason) until = std::min(until, gap_ends);
    }
    const SteadyTime now = clock_.Now();
    if (until <= now) co_return;
    co_await FirstOf(clock_.SleepUntil(until), wake_.Wait());
  }
}

// What was held under an earlier lease may be the others' by now. What was not used goes back: its
// users see that before they are asked what they use.
void Allotments::Prepare(bool all) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t lease = store_.lease().number;
  if (lease != lease_) {
    lease_ = lease;
    for (auto& [key, held] : held_) {
      held.slots = held.cap = 0;
      dirty_.insert(key);
    }
  }
  if (!all) return;
  for (auto& [key, held] : held_) {
    if (held.quiet < kPatience) continue;
    held.cap = std::min(held.cap, held.busiest);
    held.quiet = 0;
    held.busiest = 0;
  }
}

Allotments::Uses Allotments::Collect() {
  std::vector<SharedUse> list;
  for (AllotmentUser* user : users_) user->AddUses(list);
  Uses uses;
  for (const SharedUse& use : list) {
    SharedUse& known = uses.try_emplace(use.key, use).first->second;
    known.used = std::max(known.used, use.used);
    known.wanted = std::max(known.wanted, use.wanted);
  }
  return uses;
}

void Allotments::NoteRound(const Uses& uses) {
  const std::lock_guard lock(mutex_);
  bool contended = false;
  const SteadyTime now = clock_.Now();
  for (auto& [key, held] : held_) {
    contended = contended || held.contended || held.lacks;
    const auto use = uses.find(key);
    std::size_t busy = held.wish_until > now ? held.wish : 0;
    if (use != uses.end()) busy = std::max({busy, use->second.used, use->second.wanted});
    held.busiest = held.quiet == 0 ? busy : std::max(held.busiest, busy);
    held.quiet = busy < held.cap ? held.quiet + 1 : 0;
  }
  round_at_ = now + (contended ? kContendedRound : kRound);
}

jobs::AllotmentAsk Allotments::AskFor(const std::string& key, Held& held, const SharedUse& use) {
  if (use.limit > 0) held.limit = use.limit;
  std::size_t wanted = std::max(use.wanted, held.wish_until > clock_.Now() ? held.wish : 0);
  // Who may have it grows faster than by one a question.
  if (!held.contended) wanted *= 2;
  wanted = std::min(wanted, held.limit);
  const std::size_t kept = std::max(held.cap, use.used);
  return {key, static_cast<std::int64_t>(held.limit), static_cast<std::int64_t>(kept),
          static_cast<std::int64_t>(wanted)};
}

std::vector<jobs::AllotmentAsk> Allotments::MakeAsks(const Uses& uses, bool all) {
  std::vector<jobs::AllotmentAsk> asks;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, use] : uses) {
    if (all || dirty_.contains(key)) held_.try_emplace(key);
  }
  for (auto& [key, held] : held_) {
    if (!all && !dirty_.contains(key)) continue;
    const auto use = uses.find(key);
    asks.push_back(AskFor(key, held, use == uses.end() ? SharedUse() : use->second));
  }
  dirty_.clear();
  return asks;
}

Task<void> Allotments::Ask(bool all) {
  Prepare(all);
  const Uses uses = Collect();
  std::vector<jobs::AllotmentAsk> asks = MakeAsks(uses, all);
  std::uint64_t lease = 0;
  {
    const std::lock_guard lock(mutex_);
    lease = lease_;
  }
  if (asks.empty()) co_return;
  asked_at_ = clock_.Now();
  const absl::StatusOr<jobs::Allotted> allotted = co_await store_.Allot(asks, lease);
  failures_ = allotted.ok() ? 0 : failures_ + 1;
  if (allotted.ok()) {
    TellUsers(Keep(asks, *allotted));
    co_return;
  }
  // All of it with the next round, which comes soon.
  round_at_ =
      std::min(round_at_, clock_.Now() + std::max(kContendedRound, kFirstPause * failures_));
}

// Returns the keys of which something else may be used now.
std::vector<std::string> Allotments::Keep(const std::vector<jobs::AllotmentAsk>& asks,
                                          const jobs::Allotted& allotted) {
  std::vector<std::string> changed;
  const SteadyTime now = clock_.Now();
  const std::lock_guard lock(mutex_);
  replicas_ = static_cast<std::size_t>(allotted.replicas);
  for (std::size_t i = 0; i < asks.size(); ++i) {
    const jobs::AllotmentAsk& ask = asks[i];
    const jobs::Allotment& allotment = allotted.allotments[i];
    Held& held = held_[ask.key];
    const std::size_t before = held.cap;
    const bool lacked = held.lacks;
    held.slots = static_cast<std::size_t>(allotment.slots);
    held.cap = static_cast<std::size_t>(allotment.keep);
    held.contended = allotment.contended;
    held.lacks = allotment.slots < ask.wanted;
    if (held.cap != before) changed.push_back(ask.key);
    // What is not in use goes back at once; what is, when GaveBack() says so.
    if (held.cap < before) dirty_.insert(ask.key);
    const bool gone = held.slots == 0 && ask.wanted == 0 && held.wish_until <= now;
    // Whoever wished for it in vain may do so still, and is asleep.
    if (gone && lacked) changed.push_back(ask.key);
    if (gone) held_.erase(ask.key);
  }
  return changed;
}

void Allotments::TellUsers(const std::vector<std::string>& keys) {
  if (keys.empty()) return;
  for (const std::string& key : keys) {
    for (AllotmentUser* user : users_) user->Reconsider(key);
  }
  Changed();
}

void Allotments::Changed() {
  const std::lock_guard lock(callback_mutex_);
  if (on_change_) on_change_();
}

}  // namespace fetchd::fetch
