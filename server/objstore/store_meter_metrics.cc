#include "objstore/store_meter_metrics.h"

#include <utility>

namespace fetchd::objstore {
namespace {

using telemetry::MetricFamily;
using telemetry::MetricPage;
using enum telemetry::MetricType;

constexpr MetricFamily kRequests{
    "fetchd_object_store_requests_total",
    kCounter,
    "Requests to stores of objects, each attempt by itself: ok, refused (for good), throttled (the "
    "store asked for time), failed (its fault), no_answer.",
    {"store", "operation", "outcome"}};
constexpr MetricFamily kTook{
    "fetchd_object_store_request_seconds",
    kHistogram,
    "How long these took until their answer was there; of reads until its head was.",
    {"store", "operation"}};
constexpr std::array kMeterFamilies = {kRequests, kTook};

void Collect(const StoreMeters& meters, MetricPage& page) {
  for (const MetricFamily& family : kMeterFamilies) page.Declare(family);
  for (const auto& [store, meter] : meters) {
    meter->Read([&](std::string_view operation, const StoreMeter::Figures& figures) {
      for (const StoreOutcome outcome : kStoreOutcomes) {
        const std::uint64_t count = figures.requests[static_cast<std::size_t>(outcome)];
        if (count > 0) page.Add(kRequests, count, {store, operation, StoreOutcomeName(outcome)});
      }
      page.Add(kTook, figures.took, {store, operation});
    });
  }
}

}  // namespace

std::span<const MetricFamily> ObjectStoreMetricFamilies() { return kMeterFamilies; }

telemetry::MetricSource ObjectStoreMetrics(StoreMeters meters) {
  return telemetry::MakeSource(
      kMeterFamilies, [meters = std::move(meters)](MetricPage& page) { Collect(meters, page); });
}

}  // namespace fetchd::objstore
