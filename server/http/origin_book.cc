#include "http/origin_book.h"

#include <algorithm>

namespace fetchd::http {

OriginBook::OriginBook(const Clock& clock, OriginBookConfig config)
    : clock_(clock), config_(config), forget_at_(config.max_gone), ranked_at_(clock.Now()) {}

std::uint64_t OriginBook::Entry::recent_requests() const {
  return counters->requests.load(std::memory_order_relaxed) - requests_when_ranked;
}

Dials OriginBook::Entry::Counted() const {
  Dials counted = counters->Read();
  counted -= base;
  return counted;
}

std::shared_ptr<DialCounters> OriginBook::Open(const Origin& origin) {
  const std::lock_guard lock(mutex_);
  const auto [found, created] = entries_.try_emplace(origin);
  std::shared_ptr<DialCounters> counters = found->second.counters;
  if (created && named_ < config_.max_named) {
    found->second.named = true;
    ++named_;
  }
  if (created && entries_.size() >= forget_at_) ForgetGone();
  return counters;
}

void OriginBook::ForgetGone() {
  std::erase_if(entries_, [this](const auto& item) {
    const Entry& entry = item.second;
    if (entry.named || !entry.gone()) return false;
    forgotten_ += entry.counters->Read();
    others_forgotten_ += entry.Counted();
    return true;
  });
  forget_at_ = entries_.size() + std::max(entries_.size(), config_.max_gone);
}

void OriginBook::Name(Entry& entry) {
  Dials counted = entry.Counted();
  counted.in_flight = 0;
  others_forgotten_ += counted;
  entry.base = entry.counters->Read();
  entry.named = true;
}

void OriginBook::Rank() {
  std::vector<Entry*> named, others;
  for (auto& [origin, entry] : entries_) (entry.named ? named : others).push_back(&entry);
  std::ranges::sort(named, std::ranges::less(), &Entry::recent_requests);
  std::ranges::sort(others, std::ranges::greater(), &Entry::recent_requests);
  for (std::size_t i = 0; i < std::min(named.size(), others.size()); ++i) {
    if (others[i]->recent_requests() <= 2 * named[i]->recent_requests()) break;
    named[i]->base = named[i]->counters->Read();
    named[i]->named = false;
    Name(*others[i]);
  }
  for (auto& [origin, entry] : entries_) {
    entry.requests_when_ranked = entry.counters->requests.load(std::memory_order_relaxed);
  }
}

std::size_t OriginBook::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

OriginBook::Snapshot OriginBook::Read() {
  Snapshot snapshot;
  const std::lock_guard lock(mutex_);
  if (const SteadyTime now = clock_.Now(); now - ranked_at_ >= config_.rank_interval) {
    ranked_at_ = now;
    Rank();
  }
  snapshot.all = forgotten_;
  snapshot.others = others_forgotten_;
  for (const auto& [origin, entry] : entries_) {
    snapshot.all += entry.counters->Read();
    const Dials counted = entry.Counted();
    if (entry.named) {
      snapshot.named.push_back({origin, counted});
    } else {
      snapshot.others += counted;
    }
  }
  snapshot.all.in_flight = in_flight_.now();
  snapshot.all.peak_in_flight = in_flight_.peak();
  std::ranges::sort(snapshot.named, std::ranges::greater(),
                    [](const Named& named) { return named.dials.requests; });
  return snapshot;
}

}  // namespace fetchd::http
