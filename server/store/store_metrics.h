// The store's figures as metrics.
#pragma once

#include "jobs/store.h"
#include "telemetry/metrics.h"

namespace fetchd::store {

/// `store` outlives the source.
telemetry::MetricSource StoreMetrics(jobs::Store& store);
std::span<const telemetry::MetricFamily> StoreMetricFamilies();

}  // namespace fetchd::store
