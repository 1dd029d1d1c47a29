#include "http/client_metrics.h"

#include <array>
#include <string>

namespace fetchd::http {
namespace {

using telemetry::MetricFamily;
using telemetry::MetricPage;
using enum telemetry::MetricType;

constexpr MetricFamily kRequests{"fetchd_http_requests_total", kCounter,
                                 "Exchanges begun with origins; each hop of a redirect is one."};
constexpr MetricFamily kRetries{"fetchd_http_retries_total", kCounter,
                                "Further attempts of transfers."};
constexpr MetricFamily kOpened{"fetchd_http_connections_opened_total", kCounter,
                               "Connections opened to origins, directly or through proxies."};
constexpr MetricFamily kReused{"fetchd_http_requests_reused_total", kCounter,
                               "Requests that found a connection open."};
constexpr MetricFamily kRedialled{
    "fetchd_http_redials_total", kCounter,
    "Requests whose open connection turned out to be stale, and that were sent again on another."};
constexpr MetricFamily kPoolWait{
    "fetchd_http_pool_wait_seconds", kHistogram,
    "How long requests waited for a connection's place, or for room on a shared connection; most "
    "wait for nothing."};
constexpr MetricFamily kInFlight{"fetchd_http_requests_in_flight", kGauge,
                                 "Requests with a connection in hand."};
constexpr MetricFamily kPeakInFlight{"fetchd_http_requests_in_flight_peak", kGauge,
                                     "The most of these, since the start."};
constexpr MetricFamily kLimit{"fetchd_http_connections_limit", kGauge, "limits.connections."};
constexpr MetricFamily kConnections{
    "fetchd_http_connections", kGauge, "Open connections.", {"state"}};
constexpr MetricFamily kWaiting{"fetchd_http_requests_waiting", kGauge,
                                "Requests that wait for a connection's place."};
constexpr MetricFamily kClosed{
    "fetchd_http_connections_closed_total",
    kCounter,
    "Connections closed because they were idle for too long or too old (expired), closed by their "
    "peer while idle (lost), in the way of another origin's (evicted), or of no use after a "
    "response (discarded).",
    {"reason"}};
constexpr MetricFamily kReadOut{"fetchd_http_connections_read_out_total", kCounter,
                                "Connections kept by reading an unwanted response to its end."};
constexpr MetricFamily kRejected{"fetchd_http_requests_rejected_total", kCounter,
                                 "Requests refused because too many were waiting."};
constexpr MetricFamily kOriginRequests{
    "fetchd_origin_requests_total", kCounter, "As fetchd_http_requests_total.", {"origin"}};
constexpr MetricFamily kOriginRetries{
    "fetchd_origin_retries_total", kCounter, "As fetchd_http_retries_total.", {"origin"}};
constexpr MetricFamily kOriginOpened{"fetchd_origin_connections_opened_total",
                                     kCounter,
                                     "As fetchd_http_connections_opened_total.",
                                     {"origin"}};
constexpr MetricFamily kOriginReused{"fetchd_origin_requests_reused_total",
                                     kCounter,
                                     "As fetchd_http_requests_reused_total.",
                                     {"origin"}};
constexpr MetricFamily kOriginPoolWait{
    "fetchd_origin_pool_wait_seconds", kHistogram, "As fetchd_http_pool_wait_seconds.", {"origin"}};
constexpr MetricFamily kOriginInFlight{
    "fetchd_origin_requests_in_flight", kGauge, "As fetchd_http_requests_in_flight.", {"origin"}};
constexpr MetricFamily kOriginPeakInFlight{
    "fetchd_origin_requests_in_flight_peak",
    kGauge,
    "As fetchd_http_requests_in_flight_peak; not for the others together.",
    {"origin"}};
constexpr MetricFamily kOriginLimit{
    "fetchd_origin_connections_limit",
    kGauge,
    "limits.per_host, or what origins.<pattern>.connections says of the host; not for the others.",
    {"origin"}};
constexpr MetricFamily kOriginConnections{
    "fetchd_origin_connections",
    kGauge,
    "As fetchd_http_connections, of the origin's host and port.",
    {"origin", "state"}};
constexpr MetricFamily kOriginWaiting{
    "fetchd_origin_requests_waiting", kGauge, "As fetchd_http_requests_waiting.", {"origin"}};
constexpr std::array kAll = {kRequests,       kRetries,           kOpened,
                             kReused,         kRedialled,         kPoolWait,
                             kInFlight,       kPeakInFlight,      kLimit,
                             kConnections,    kWaiting,           kClosed,
                             kReadOut,        kRejected,          kOriginRequests,
                             kOriginRetries,  kOriginOpened,      kOriginReused,
                             kOriginPoolWait, kOriginInFlight,    kOriginPeakInFlight,
                             kOriginLimit,    kOriginConnections, kOriginWaiting};

void AddTotals(const ClientStats& stats, MetricPage& page) {
  const Dials& dials = stats.dials;
  page.Add(kRequests, dials.requests);
  page.Add(kRetries, dials.retries);
  page.Add(kOpened, dials.opened);
  page.Add(kReused, dials.reused);
  page.Add(kRedialled, dials.redialled);
  page.Add(kPoolWait, dials.pool_wait);
  page.Add(kInFlight, dials.in_flight);
  page.Add(kPeakInFlight, dials.peak_in_flight);
  page.Add(kLimit, dials.limit);
  page.Add(kConnections, stats.idle, {"idle"});
  page.Add(kConnections, stats.busy(), {"busy"});
  page.Add(kWaiting, stats.waiting);
  page.Add(kClosed, stats.expired, {"expired"});
  page.Add(kClosed, stats.lost, {"lost"});
  page.Add(kClosed, stats.evicted, {"evicted"});
  page.Add(kClosed, stats.discarded, {"discarded"});
  page.Add(kReadOut, stats.read_out);
  page.Add(kRejected, stats.rejected);
}

void AddOrigin(const ClientStats::PerOrigin& origin, std::string_view name, MetricPage& page) {
  const Dials& dials = origin.dials;
  page.Add(kOriginRequests, dials.requests, {name});
  page.Add(kOriginRetries, dials.retries, {name});
  page.Add(kOriginOpened, dials.opened, {name});
  page.Add(kOriginReused, dials.reused, {name});
  page.Add(kOriginPoolWait, dials.pool_wait, {name});
  page.Add(kOriginInFlight, dials.in_flight, {name});
  page.Add(kOriginConnections, origin.idle, {name, "idle"});
  page.Add(kOriginConnections, origin.busy(), {name, "busy"});
  page.Add(kOriginWaiting, origin.waiting, {name});
}

void Collect(const ClientStats& stats, MetricPage& page) {
  AddTotals(stats, page);
  for (const ClientStats::PerOrigin& origin : stats.origins) {
    const std::string name = origin.origin.ToString();
    AddOrigin(origin, name, page);
    page.Add(kOriginPeakInFlight, origin.dials.peak_in_flight, {name});
    page.Add(kOriginLimit, origin.dials.limit, {name});
  }
  AddOrigin(stats.others, "other", page);
}

}  // namespace

std::span<const MetricFamily> ClientMetricFamilies() { return kAll; }

telemetry::MetricSource ClientMetrics(const SharedClient& client) {
  return telemetry::MakeSource(kAll,
                               [&client](MetricPage& page) { Collect(client.Stats(), page); });
}

}  // namespace fetchd::http
