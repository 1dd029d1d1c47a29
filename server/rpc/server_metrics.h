// Connections of callers, for the metrics.
#pragma once

#include <memory>
#include <span>

#include "rpc/caller_connections.h"
#include "telemetry/metrics.h"

namespace fetchd::rpc {

std::span<const telemetry::MetricFamily> ServerMetricFamilies();
/// Outlives the server: scrapes do.
telemetry::MetricSource ServerMetrics(std::shared_ptr<CallerConnections> connections);

}  // namespace fetchd::rpc
