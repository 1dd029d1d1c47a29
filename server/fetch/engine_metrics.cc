#include "fetch/engine_metrics.h"

namespace fetchd::fetch {
namespace {

using telemetry::MetricFamily;
using telemetry::MetricPage;
using enum telemetry::MetricType;

constexpr MetricFamily kActive{"fetchd_transfers_active", kGauge,
                               "Jobs and Fetch streams that run."};
constexpr MetricFamily kPeak{"fetchd_transfers_active_peak", kGauge,
                             "The most of these, since the start."};
constexpr MetricFamily kLimit{"fetchd_transfers_limit", kGauge, "limits.transfers."};
constexpr MetricFamily kWaiting{"fetchd_transfers_waiting", kGauge,
                                "Claimed jobs and Fetch streams that wait to be let in."};
constexpr MetricFamily kAttempts{"fetchd_attempts_total", kCounter,
                                 "Attempts begun, the first and further ones."};
constexpr MetricFamily kEnded{
    "fetchd_transfers_ended_total",
    kCounter,
    "Transfers by how they ended here; an interrupted one goes on after a restart.",
    {"outcome"}};
constexpr MetricFamily kReceived{"fetchd_received_bytes_total", kCounter,
                                 "Body bytes received, as they come."};
constexpr std::array kAll = {kActive, kPeak, kLimit, kWaiting, kAttempts, kEnded, kReceived};

void Collect(const EngineStats& stats, MetricPage& page) {
  page.Add(kActive, stats.transfers_in_use);
  page.Add(kPeak, stats.transfers_peak);
  page.Add(kLimit, stats.transfers_limit);
  page.Add(kWaiting, stats.transfers_waiting);
  page.Add(kAttempts, stats.attempts);
  page.Add(kEnded, stats.succeeded, {"succeeded"});
  page.Add(kEnded, stats.failed, {"failed"});
  page.Add(kEnded, stats.interrupted, {"interrupted"});
  page.Add(kReceived, stats.received_bytes);
}

}  // namespace

std::span<const MetricFamily> EngineMetricFamilies() { return kAll; }

telemetry::MetricSource EngineMetrics(const Engine& engine) {
  return telemetry::MakeSource(kAll,
                               [&engine](MetricPage& page) { Collect(engine.Stats(), page); });
}

}  // namespace fetchd::fetch
