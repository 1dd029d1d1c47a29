// What bodies take of their memory, as metrics.
#pragma once

#include "sink/buffer.h"
#include "telemetry/metrics.h"

namespace fetchd::sink {

/// `buffers` outlives the source.
telemetry::MetricSource BufferMetrics(const BufferPool& buffers);
std::span<const telemetry::MetricFamily> BufferMetricFamilies();

}  // namespace fetchd::sink
