#include "app/metrics.h"

#include <algorithm>
#include <span>

#include "base/strings.h"
#include "fetch/engine_metrics.h"
#include "http/client_metrics.h"
#include "rpc/server_metrics.h"
#include "runtime/drain_metrics.h"
#include "runtime/loop_lag_metrics.h"
#include "sink/buffer_metrics.h"
#include "store/store_metrics.h"
#include "telemetry/process_metrics.h"

namespace fetchd::app {
namespace {

using telemetry::MetricFamily;
using telemetry::MetricType;

constexpr std::string_view kIntroduction = R"(# Metrics

`GET /metrics` on `admin.listen` answers in Prometheus' text format. This page is made from the code: `tests/unit/app/metrics_test.cc`
compares it, and writes it with `FETCHD_WRITE_DOCS=1`.

**The five dials** tell whether a fetcher is well; `fetchctl status` shows them, `-o wide` by origin:

| dial | as a query |
| --- | --- |
| connection reuse | `rate(fetchd_http_requests_reused_total[5m]) / rate(fetchd_http_requests_total[5m])` |
| pool wait | `histogram_quantile(0.99, rate(fetchd_http_pool_wait_seconds_bucket[5m]))` |
| peak in flight against its cap | `fetchd_http_requests_in_flight_peak / fetchd_http_connections_limit` |
| retry rate | `rate(fetchd_http_retries_total[5m]) / rate(fetchd_http_requests_total[5m])` |
| loop lag | `max(fetchd_loop_lag_seconds)` |

**Origins** have a name while they are among the 100 busiest; the others are counted together as `origin="other"`. A name changes hands once a
minute at most, from a quiet origin to one with twice its requests. Requests count for an origin from when it got its name on, and for `other`
before, so that no series ever goes down; the series of an origin that lost its name ends.

**Cardinality** has a bound: labels hold names from closed sets (states, outcomes, phases, reasons, operations), of shards, of the stores
that the configuration names, and those of origins above. `reason` of `fetchd_jobs_ended_total` is a reason of this service's own errors,
or the code of one without; HTTP statuses are all `HTTP_STATUS`. No scrape costs more for more jobs: their numbers are kept as they
change, and the age of the queue is one entry of an index.

| metric | type | labels | what it says |
| --- | --- | --- | --- |
)";

const char* NameOf(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      break;
  }
  return "histogram";
}

std::string RowOf(const MetricFamily& family) {
  std::string labels;
  for (const std::string_view label : family.labels) {
    if (!label.empty()) labels += Concat(labels.empty() ? "" : ", ", label);
  }
  return Concat("| `", family.name, "` | ", NameOf(family.type), " | ", labels, " | ", family.help,
                " |\n");
}

}  // namespace

void AddMetricSources(telemetry::Metrics& metrics, const MetricDeps& deps) {
  metrics.Add(telemetry::ProcessMetrics(deps.clock, deps.version));
  metrics.Add(http::ClientMetrics(deps.client));
  metrics.Add(fetch::EngineMetrics(deps.engine));
  metrics.Add(fetch::EgressMetrics(deps.decisions));
  metrics.Add(store::StoreMetrics(deps.store, deps.commits, deps.clock));
  metrics.Add(objstore::ObjectStoreMetrics(deps.object_stores));
  metrics.Add(runtime::DrainMetrics(deps.drain_signal));
  metrics.Add(sink::BufferMetrics(deps.buffers));
  metrics.Add(runtime::LoopLagMetrics(deps.loop_lag));
}

std::vector<MetricFamily> AllMetricFamilies() {
  std::vector<MetricFamily> all;
  for (const auto families :
       {telemetry::Metrics::OwnFamilies(), telemetry::ProcessMetricFamilies(),
        http::ClientMetricFamilies(), fetch::EngineMetricFamilies(), fetch::EgressMetricFamilies(),
        store::StoreMetricFamilies(), objstore::ObjectStoreMetricFamilies(),
        sink::BufferMetricFamilies(), runtime::DrainMetricFamilies(),
        runtime::LoopLagMetricFamilies(), rpc::ServerMetricFamilies()}) {
    all.insert(all.end(), families.begin(), families.end());
  }
  std::ranges::sort(all, std::ranges::less(), &MetricFamily::name);
  return all;
}

std::string MetricsReference() {
  std::string text(kIntroduction);
  for (const MetricFamily& family : AllMetricFamilies()) text += RowOf(family);
  return text;
}

}  // namespace fetchd::app
