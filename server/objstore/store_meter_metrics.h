// What is asked of stores of objects, as metrics.
#pragma once

#include <map>
#include <string>

#include "objstore/store_meter.h"
#include "telemetry/metrics.h"

namespace fetchd::objstore {

/// By the name of the store. They outlive the source.
using StoreMeters = std::map<std::string, const StoreMeter*>;
telemetry::MetricSource ObjectStoreMetrics(StoreMeters meters);
std::span<const telemetry::MetricFamily> ObjectStoreMetricFamilies();

}  // namespace fetchd::objstore
