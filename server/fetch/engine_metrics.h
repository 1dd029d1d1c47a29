// The engine's figures as metrics.
#pragma once

#include "fetch/engine.h"
#include "telemetry/metrics.h"

namespace fetchd::fetch {

/// `engine` outlives the source.
telemetry::MetricSource EngineMetrics(const Engine& engine);
std::span<const telemetry::MetricFamily> EngineMetricFamilies();

}  // namespace fetchd::fetch
