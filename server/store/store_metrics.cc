#include "store/store_metrics.h"

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
constexpr std::array kAll = {kJobs, kCommits, kChanges};

Task<absl::Status> Collect(jobs::Store& store, MetricPage& page) {
  CO_ASSIGN_OR_RETURN(const jobs::StoreStats stats, co_await store.Stats());
  for (const auto& [state, count] : stats.jobs) page.Add(kJobs, count, {jobs::StateName(state)});
  page.Add(kCommits, stats.commits);
  page.Add(kChanges, stats.changes);
  co_return absl::OkStatus();
}

}  // namespace

std::span<const MetricFamily> StoreMetricFamilies() { return kAll; }

telemetry::MetricSource StoreMetrics(jobs::Store& store) {
  return {kAll, [&store](MetricPage& page) { return Collect(store, page); }};
}

}  // namespace fetchd::store
