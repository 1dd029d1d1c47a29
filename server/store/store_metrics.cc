#include "store/store_metrics.h"

#include <algorithm>

namespace fetchd::store {
namespace {

using telemetry::MetricFamily;
using telemetry::MetricPage;
using enum telemetry::MetricType;

constexpr MetricFamily kJobs{"fetchd_jobs", kGauge, "Jobs that are stored.", {"state"}};
constexpr MetricFamily kCommits{"fetchd_store_commits_total", kCounter,
                                "Transactions, each with its flush to the disk."};
constexpr MetricFamily kChanges{
    "fetchd_store_changes_total", kCounter,
    "Changes of jobs; changes per commit are those that share a flush."};
constexpr MetricFamily kQueued{
    "fetchd_queue_jobs", kGauge,
    "Jobs that wait to run: QUEUED, WAITING and INTERRUPTED, also those whose time is to come."};
constexpr MetricFamily kOldest{
    "fetchd_queue_oldest_seconds", kGauge,
    "Age of the oldest job that is ready and not running, since it became ready; 0 when there is "
    "none."};
constexpr MetricFamily kCommitTook{
    "fetchd_store_commit_seconds", kHistogram,
    "How long transactions took that changed jobs, from the first statement until the flush."};
constexpr MetricFamily kCommitChanges{"fetchd_store_commit_changes", kHistogram,
                                      "Changes of jobs that shared one transaction and its flush."};
constexpr std::array kAll = {kJobs,   kCommits,    kChanges,      kQueued,
                             kOldest, kCommitTook, kCommitChanges};

std::uint64_t Waiting(const jobs::StoreStats& stats) {
  std::uint64_t waiting = 0;
  for (const auto& [state, count] : stats.jobs) {
    if (jobs::IsClaimable(state)) waiting += count;
  }
  return waiting;
}

struct Sources {
  jobs::Store& store;
  const CommitMeter& commits;
  const Clock& clock;
};

Task<absl::Status> Collect(Sources sources, MetricPage& page) {
  CO_ASSIGN_OR_RETURN(const jobs::StoreStats stats, co_await sources.store.Stats());
  CO_ASSIGN_OR_RETURN(const std::optional<WallTime> since, co_await sources.store.OldestReadyAt());
  // A clock that is set back makes nothing younger than new.
  const Duration age = since ? sources.clock.WallNow() - *since : Duration::zero();
  page.Add(kQueued, Waiting(stats));
  page.Add(kOldest, std::max(age, Duration::zero()));
  page.Add(kCommitTook, sources.commits.took.Read());
  page.Add(kCommitChanges, sources.commits.changes.Read());
  for (const auto& [state, count] : stats.jobs) page.Add(kJobs, count, {jobs::StateName(state)});
  page.Add(kCommits, stats.commits);
  page.Add(kChanges, stats.changes);
  co_return absl::OkStatus();
}

}  // namespace

std::span<const MetricFamily> StoreMetricFamilies() { return kAll; }

telemetry::MetricSource StoreMetrics(jobs::Store& store, const CommitMeter& commits,
                                     const Clock& clock) {
  const Sources sources{store, commits, clock};
  return {kAll, [sources](MetricPage& page) { return Collect(sources, page); }};
}

}  // namespace fetchd::store
