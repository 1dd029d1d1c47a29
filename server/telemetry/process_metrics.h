// What the kernel says of this process.
#pragma once

#include <string>

#include "base/time.h"
#include "telemetry/metrics.h"

namespace fetchd::telemetry {

/// CPU time, memory, descriptors and the start, by the names that Prometheus' own libraries use;
/// and `version`.
MetricSource ProcessMetrics(const Clock& clock, std::string version);
std::span<const MetricFamily> ProcessMetricFamilies();

}  // namespace fetchd::telemetry
