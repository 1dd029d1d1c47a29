#include "runtime/drain_metrics.h"

namespace fetchd::runtime {
namespace {

using telemetry::MetricFamily;
using telemetry::MetricPage;
using enum telemetry::MetricType;

constexpr MetricFamily kDraining{
    "fetchd_draining", kGauge,
    "1 from when the drain begins, which ends with the process; else 0."};
constexpr std::array kDrainFamilies = {kDraining};

}  // namespace

std::span<const MetricFamily> DrainMetricFamilies() { return kDrainFamilies; }

telemetry::MetricSource DrainMetrics(const DrainSignal& drain) {
  return telemetry::MakeSource(kDrainFamilies, [&drain](MetricPage& page) {
    page.Add(kDraining, std::uint64_t{drain.draining() ? 1U : 0U});
  });
}

}  // namespace fetchd::runtime
