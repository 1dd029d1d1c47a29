#include "rpc/server_metrics.h"

#include <array>
#include <utility>

namespace fetchd::rpc {
namespace {

using telemetry::MetricFamily;
using telemetry::MetricPage;
using enum telemetry::MetricType;

constexpr MetricFamily kOpen{"fetchd_caller_connections", kGauge, "Open connections of callers."};
constexpr MetricFamily kLimit{"fetchd_caller_connections_limit", kGauge,
                              "grpc.max_connections, or what file descriptors leave of it."};
constexpr MetricFamily kRefused{"fetchd_caller_connections_refused_total", kCounter,
                                "Closed at once: there were too many, or too many of one address."};
constexpr MetricFamily kSevered{"fetchd_caller_connections_severed_total", kCounter,
                                "Ended: too many calls were begun and cancelled at once."};
constexpr MetricFamily kDisplaced{
    "fetchd_caller_connections_displaced_total", kCounter,
    "Ended for a newcomer, where there were too many: nobody known had called on them."};
constexpr std::array kAll = {kOpen, kLimit, kRefused, kSevered, kDisplaced};

}  // namespace

std::span<const MetricFamily> ServerMetricFamilies() { return kAll; }

telemetry::MetricSource ServerMetrics(std::shared_ptr<CallerConnections> connections) {
  return telemetry::MakeSource(kAll, [connections = std::move(connections)](MetricPage& page) {
    page.Add(kOpen, std::uint64_t{connections->open()});
    page.Add(kLimit, std::uint64_t{connections->limit()});
    page.Add(kRefused, connections->refused());
    page.Add(kSevered, connections->severed());
    page.Add(kDisplaced, connections->displaced());
  });
}

}  // namespace fetchd::rpc
