#include "runtime/loop_lag_metrics.h"

#include <string>

namespace fetchd::runtime {
namespace {

using telemetry::MetricFamily;
using telemetry::MetricPage;
using enum telemetry::MetricType;

constexpr MetricFamily kLast{
    "fetchd_loop_lag_seconds",
    kGauge,
    "How late the event loop of a shard turned when it was last looked at, within 250 ms.",
    {"shard"}};
constexpr MetricFamily kPeak{"fetchd_loop_lag_peak_seconds",
                             kGauge,
                             "The most of it, since the last minute began.",
                             {"shard"}};
constexpr std::array kAll = {kLast, kPeak};

void Collect(const LoopLagMonitor& loop_lag, MetricPage& page) {
  int index = 0;
  for (const LoopLagMonitor::Lag& lag : loop_lag.Read()) {
    const std::string shard = std::to_string(index++);
    page.Add(kLast, lag.last, {shard});
    page.Add(kPeak, lag.peak, {shard});
  }
}

}  // namespace

std::span<const MetricFamily> LoopLagMetricFamilies() { return kAll; }

telemetry::MetricSource LoopLagMetrics(const LoopLagMonitor& loop_lag) {
  return telemetry::MakeSource(kAll, [&loop_lag](MetricPage& page) { Collect(loop_lag, page); });
}

}  // namespace fetchd::runtime
