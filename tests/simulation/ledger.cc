#include "simulation/ledger.h"

#include <algorithm>
#include <array>

namespace fetchd::simulation {
namespace {

using jobs::State;
using enum jobs::State;

struct MoverFinder {
  Mover operator()(const jobs::Claimed&) const { return Mover::kClaim; }
  Mover operator()(const jobs::AttemptCancelled&) const { return Mover::kCancelled; }
  Mover operator()(const jobs::CancelRequested&) const { return Mover::kCancel; }
  Mover operator()(const jobs::PauseRequested&) const { return Mover::kPause; }
  Mover operator()(const jobs::ResumeRequested&) const { return Mover::kResume; }
  Mover operator()(const jobs::RetryRequested&) const { return Mover::kRetry; }
  Mover operator()(const jobs::Expired&) const { return Mover::kExpiry; }
  Mover operator()(const jobs::Recovered&) const { return Mover::kRecovery; }
  Mover operator()(const auto&) const { return Mover::kWorker; }
};

}  // namespace

Mover MoverOf(const jobs::Change& change) { return std::visit(MoverFinder(), change); }

bool Admits(Mover mover, State from, State to) {
  switch (mover) {
    case Mover::kClaim:
      return IsClaimable(from) && to == kRunning;
    case Mover::kWorker:
      return from == kRunning && to != kQueued && to != kCancelled;
    case Mover::kCancelled:
      return from == to && (to == kCancelled || to == kQueued);
    case Mover::kCancel:
      return (!jobs::IsTerminal(from) || from == kCancelled) && to == kCancelled;
    case Mover::kPause:
      return (IsClaimable(from) || from == kPaused) && to == kPaused;
    case Mover::kResume:
      return from == kPaused ? to == kQueued : !jobs::IsTerminal(from) && to == from;
    case Mover::kRetry:
      return (from == kFailed || from == kCancelled) && to == kQueued;
    case Mover::kExpiry:
      return IsClaimable(from) && to == kFailed;
    case Mover::kRecovery:
      return from == kRunning && to == kInterrupted;
  }
  return false;
}

void Ledger::Accepted(const jobs::Job& job) {
  trace_.Note(job.id.str(), " accepted: ", job.spec.urls.front(), " -> ", job.destination);
  jobs_[job.id] = job;
  destinations_[job.destination].push_back(job.spec);
}

void Ledger::Moved(Mover mover, const jobs::Job& job) {
  const auto known = jobs_.find(job.id);
  if (known == jobs_.end()) {
    trace_.Violated(job.id.str(), " changed, which was never accepted or is deleted");
    return;
  }
  jobs::Job& before = known->second;
  if (job.state != before.state || job.checkpoint.bytes != before.checkpoint.bytes) {
    trace_.Note(job.id.str(), " ", jobs::StateName(before.state), " -> ",
                jobs::StateName(job.state), ", attempt ", job.attempt, ", kept ",
                job.checkpoint.bytes, " ", job.error.ok() ? "" : MessageOf(job.error));
  }
  if (!Admits(mover, before.state, job.state)) {
    trace_.Violated(job.id.str(), " moved from ", jobs::StateName(before.state), " to ",
                    jobs::StateName(job.state));
  }
  if (job.fence < before.fence || (mover == Mover::kClaim) != (job.fence > before.fence)) {
    trace_.Violated(job.id.str(), " has fence ", job.fence, " after ", before.fence);
  }
  if (jobs::IsTerminal(job.state) && !jobs::IsTerminal(before.state)) ++finished_;
  before = job;
}

void Ledger::Deleted(const JobId& id) {
  const auto known = jobs_.find(id);
  if (known == jobs_.end() || !jobs::IsTerminal(known->second.state)) {
    trace_.Violated(id.str(), " was deleted before it had ended");
  }
  trace_.Note(id.str(), " deleted");
  jobs_.erase(id);
}

void Ledger::Recovered() {
  for (auto& [id, job] : jobs_) {
    if (job.state != kRunning) continue;
    job.state = kInterrupted;
    job.attempt -= 1;
  }
}

bool Ledger::MayHaveBecome(const jobs::Job& promised, const jobs::Job& stored) {
  constexpr std::array kMovers = {Mover::kClaim,  Mover::kWorker, Mover::kCancelled,
                                  Mover::kCancel, Mover::kPause,  Mover::kResume,
                                  Mover::kRetry,  Mover::kExpiry, Mover::kRecovery};
  return std::ranges::any_of(
      kMovers, [&](Mover mover) { return Admits(mover, promised.state, stored.state); });
}

void Ledger::CompareOne(const jobs::Job& promised, const jobs::Job& stored) {
  const bool same = promised.state == stored.state && promised.attempt == stored.attempt &&
                    promised.fence == stored.fence && promised.checkpoint == stored.checkpoint;
  if (same) return;
  const bool unsure = all_unsure_ || unsure_.contains(promised.id);
  if (unsure && MayHaveBecome(promised, stored)) return;
  trace_.Violated(promised.id.str(), " was ", jobs::StateName(promised.state), ", attempt ",
                  promised.attempt, ", fence ", promised.fence, ", and is ",
                  jobs::StateName(stored.state), ", attempt ", stored.attempt, ", fence ",
                  stored.fence, " after the restart");
}

void Ledger::Compare(const std::map<JobId, jobs::Job>& stored) {
  for (const auto& [id, job] : jobs_) {
    const auto found = stored.find(id);
    if (found != stored.end()) {
      CompareOne(job, found->second);
    } else if (!unsure_.contains(id) || !jobs::IsTerminal(job.state)) {
      trace_.Violated(id.str(), " was accepted and is lost");
    }
  }
  for (const auto& [id, job] : stored) {
    if (!jobs_.contains(id) && !unsure_.contains(id)) {
      trace_.Violated(id.str(), " is there after the restart and was deleted, or never accepted");
    }
    if (!jobs_.contains(id)) destinations_[job.destination].push_back(job.spec);
  }
  jobs_ = stored;
  unsure_.clear();
  all_unsure_ = false;
}

std::vector<JobId> Ledger::ids() const {
  std::vector<JobId> ids;
  for (const auto& [id, job] : jobs_) ids.push_back(id);
  return ids;
}

}  // namespace fetchd::simulation
