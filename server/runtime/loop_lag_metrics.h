// How late the event loops are, as metrics.
#pragma once

#include "runtime/loop_lag.h"
#include "telemetry/metrics.h"

namespace fetchd::runtime {

/// `loop_lag` outlives the source.
telemetry::MetricSource LoopLagMetrics(const LoopLagMonitor& loop_lag);
std::span<const telemetry::MetricFamily> LoopLagMetricFamilies();

}  // namespace fetchd::runtime
