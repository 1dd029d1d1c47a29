// How long commits take and how much shares one.
#pragma once

#include "telemetry/count_histogram.h"
#include "telemetry/duration_histogram.h"

namespace fetchd::store {

/// Written by the store's thread, read by any. Outlives the store.
struct CommitMeter {
  telemetry::DurationHistogram took;  ///< From its first statement until its flush is done.
  telemetry::CountHistogram changes;  ///< Of jobs, in one commit.
};

}  // namespace fetchd::store
