#include "fetch/held_jobs.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace fetchd::fetch {
namespace {

constexpr Duration kBetweenPasses = std::chrono::milliseconds(100);
constexpr int kJobsALook = 64;
constexpr int kOriginsALook = 16;  ///< Each is a transaction.

}  // namespace

HeldJobs::HeldJobs(Clock& clock, jobs::Store& store, StoreHealth& health, OriginPacer& pacer,
                   jobs::UrlChoice choice)
    : clock_(clock), store_(store), health_(health), pacer_(pacer), choice_(std::move(choice)) {}

void HeldJobs::Changed() {
  pending_ = true;
  again_ = cursor_.has_value();
}

std::optional<SteadyTime> HeldJobs::DueAt() const {
  return pending_ ? std::optional(due_at_) : std::nullopt;
}

void HeldJobs::EndPass() {
  cursor_.reset();
  pending_ = std::exchange(again_, false);
}

Task<bool> HeldJobs::Move() {
  if (!pending_ || clock_.Now() < due_at_) co_return false;
  due_at_ = clock_.Now() + kBetweenPasses;
  const std::vector<Origin> held = pacer_.OnHold();
  const Cursor from = cursor_.value_or(Cursor());
  auto origin = std::ranges::lower_bound(held, from.origin);
  std::string after = origin != held.end() && *origin == from.origin ? from.after : std::string();
  int jobs_left = kJobsALook;
  bool moved = false;
  for (int i = 0; i < kOriginsALook && origin != held.end(); ++i) {
    const auto chosen = co_await store_.ChooseUrls(origin->ToString(), std::exchange(after, ""),
                                                   jobs_left, choice_);
    health_.Note("send jobs to a mirror", chosen.status());
    if (!chosen.ok()) co_return moved;
    moved = moved || chosen->changed > 0;
    jobs_left -= chosen->looked_at;
    if (!chosen->last.empty()) {
      cursor_ = {*origin, chosen->last};
      co_return moved;
    }
    ++origin;
  }
  if (origin == held.end()) {
    EndPass();
  } else {
    cursor_ = {*origin, ""};
  }
  co_return moved;
}

}  // namespace fetchd::fetch
