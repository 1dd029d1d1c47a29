// The client's figures as metrics.
#pragma once

#include "http/shared_client.h"
#include "telemetry/metrics.h"

namespace fetchd::http {

/// `client` outlives the source.
telemetry::MetricSource ClientMetrics(const SharedClient& client);
std::span<const telemetry::MetricFamily> ClientMetricFamilies();

}  // namespace fetchd::http
