// The store's figures as metrics.
#pragma once

#include "jobs/store.h"
#include "store/commit_meter.h"
#include "telemetry/metrics.h"

namespace fetchd::store {

/// All outlive the source. A scrape reads one entry of an index, however many jobs there are.
telemetry::MetricSource StoreMetrics(jobs::Store& store, const CommitMeter& commits,
                                     const Clock& clock);
std::span<const telemetry::MetricFamily> StoreMetricFamilies();

}  // namespace fetchd::store
