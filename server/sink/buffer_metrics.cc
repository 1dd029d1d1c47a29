#include "sink/buffer_metrics.h"

namespace fetchd::sink {
namespace {

using telemetry::MetricFamily;
using telemetry::MetricPage;
using enum telemetry::MetricType;

constexpr MetricFamily kBytes{"fetchd_buffer_bytes", kGauge, "Memory that holds body bytes."};
constexpr MetricFamily kPeak{"fetchd_buffer_peak_bytes", kGauge,
                             "The most of it, since the start."};
constexpr MetricFamily kLimit{"fetchd_buffer_limit_bytes", kGauge, "limits.buffer_bytes."};
constexpr MetricFamily kWaiting{"fetchd_buffer_waiting", kGauge,
                                "Transfers that wait for memory before they read on."};
constexpr std::array kFamilies = {kBytes, kPeak, kLimit, kWaiting};

void Collect(const Semaphore& budget, MetricPage& page) {
  page.Add(kBytes, budget.in_use());
  page.Add(kPeak, budget.peak());
  page.Add(kLimit, budget.capacity());
  page.Add(kWaiting, budget.waiting());
}

}  // namespace

std::span<const MetricFamily> BufferMetricFamilies() { return kFamilies; }

telemetry::MetricSource BufferMetrics(const BufferPool& buffers) {
  return telemetry::MakeSource(kFamilies,
                               [&buffers](MetricPage& page) { Collect(buffers.budget(), page); });
}

}  // namespace fetchd::sink
