// Which metrics the process has.
#pragma once

#include <string>
#include <vector>

#include "fetch/egress_log.h"
#include "fetch/engine.h"
#include "http/shared_client.h"
#include "jobs/store.h"
#include "objstore/store_meter_metrics.h"
#include "runtime/drain.h"
#include "runtime/loop_lag.h"
#include "sink/buffer.h"
#include "store/commit_meter.h"
#include "telemetry/metrics.h"

namespace fetchd::app {

/// What is read at a scrape; outlives it.
struct MetricDeps {
  const Clock& clock;
  std::string version;
  const http::SharedClient& client;
  const fetch::Engine& engine;
  jobs::Store& store;
  const sink::BufferPool& buffers;
  const runtime::LoopLagMonitor& loop_lag;
  const fetch::EgressLog& decisions;
  const store::CommitMeter& commits;
  objstore::StoreMeters object_stores;
  const runtime::DrainSignal& drain_signal;
};
void AddMetricSources(telemetry::Metrics& metrics, const MetricDeps& deps);

/// By name.
std::vector<telemetry::MetricFamily> AllMetricFamilies();
/// docs/metrics.md.
std::string MetricsReference();

}  // namespace fetchd::app
