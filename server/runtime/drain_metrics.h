// Whether the process drains, as a metric.
#pragma once

#include "runtime/drain.h"
#include "telemetry/metrics.h"

namespace fetchd::runtime {

/// `drain` outlives the source.
telemetry::MetricSource DrainMetrics(const DrainSignal& drain);
std::span<const telemetry::MetricFamily> DrainMetricFamilies();

}  // namespace fetchd::runtime
