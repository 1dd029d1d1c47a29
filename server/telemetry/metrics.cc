#include "telemetry/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <chrono>
#include <limits>
#include <map>

#include "base/check.h"

namespace fetchd::telemetry {
namespace {

constexpr std::array<MetricFamily, 1> kOwn = {
    {{"fetchd_scrape_failures_total", MetricType::kCounter,
      "Times that a part of the process could not say how it is."}}};

prometheus::MetricType TypeOf(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return prometheus::MetricType::Counter;
    case MetricType::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricType::kHistogram:
      break;
  }
  return prometheus::MetricType::Histogram;
}

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// `counts` are by bucket; there is one more than bounds.
void FillBuckets(std::span<const std::uint64_t> counts, std::span<const double> bounds,
                 prometheus::ClientMetric::Histogram& out) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    count += counts[i];
    const bool last = i == bounds.size();
    out.bucket.push_back({count, last ? std::numeric_limits<double>::infinity() : bounds[i]});
  }
  out.sample_count = count;
}

Task<absl::Status> CollectAtOnce(std::function<void(MetricPage&)> collect, MetricPage& page) {
  collect(page);
  co_return absl::OkStatus();
}

}  // namespace

struct MetricPage::Families {
  prometheus::MetricFamily& Entry(const MetricFamily& family) {
    prometheus::MetricFamily& entry = by_name[family.name];
    entry.name = family.name;
    entry.help = family.help;
    entry.type = TypeOf(family.type);
    return entry;
  }

  prometheus::ClientMetric& NewMetric(const MetricFamily& family, const LabelValues& values) {
    prometheus::ClientMetric& metric = Entry(family).metric.emplace_back();
    for (std::size_t i = 0; i < family.labels.size() && !family.labels[i].empty(); ++i) {
      metric.label.push_back({std::string(family.labels[i]), std::string(values[i])});
    }
    return metric;
  }

  std::map<std::string_view, prometheus::MetricFamily> by_name;
};

MetricPage::MetricPage() : families_(std::make_unique<Families>()) {}
MetricPage::~MetricPage() = default;
MetricPage::MetricPage(MetricPage&&) noexcept = default;
MetricPage& MetricPage::operator=(MetricPage&&) noexcept = default;

void MetricPage::Declare(const MetricFamily& family) { families_->Entry(family); }

void MetricPage::Add(const MetricFamily& family, double value, const LabelValues& values) {
  prometheus::ClientMetric& metric = families_->NewMetric(family, values);
  FETCHD_CHECK(family.type != MetricType::kHistogram);
  (family.type == MetricType::kCounter ? metric.counter.value : metric.gauge.value) = value;
}

void MetricPage::Add(const MetricFamily& family, Duration value, const LabelValues& values) {
  Add(family, Seconds(value), values);
}

void MetricPage::Add(const MetricFamily& family, const DurationHistogram::Snapshot& durations,
                     const LabelValues& values) {
  FETCHD_CHECK(family.type == MetricType::kHistogram);
  prometheus::ClientMetric::Histogram& out = families_->NewMetric(family, values).histogram;
  FillBuckets(durations.counts, DurationHistogram::kBounds, out);
  out.sample_sum = Seconds(durations.sum);
}

void MetricPage::Add(const MetricFamily& family, const CountHistogram::Snapshot& counts,
                     const LabelValues& values) {
  FETCHD_CHECK(family.type == MetricType::kHistogram);
  prometheus::ClientMetric::Histogram& out = families_->NewMetric(family, values).histogram;
  FillBuckets(counts.counts, CountHistogram::kBounds, out);
  out.sample_sum = static_cast<double>(counts.sum);
}

std::string MetricPage::Text() const {
  std::vector<prometheus::MetricFamily> families;
  families.reserve(families_->by_name.size());
  for (const auto& [name, family] : families_->by_name) families.push_back(family);
  return prometheus::TextSerializer().Serialize(families);
}

MetricSource MakeSource(std::span<const MetricFamily> families,
                        std::function<void(MetricPage& page)> collect) {
  return {families, [collect = std::move(collect)](MetricPage& page) {
            return CollectAtOnce(collect, page);
          }};
}

std::span<const MetricFamily> Metrics::OwnFamilies() { return kOwn; }

Task<absl::StatusOr<std::string>> Metrics::Scrape() {
  CO_ASSIGN_OR_RETURN(const Permit turn,
                      co_await turn_.Acquire(1, clock_, Deadline::Never(), "scrape"));
  if (closed_) co_return absl::UnavailableError("the process is stopping");
  MetricPage page;
  for (const MetricSource& source : sources_) {
    const absl::Status collected = co_await source.collect(page);
    if (!collected.ok()) ++failures_;
  }
  page.Add(kOwn[0], failures_);
  co_return page.Text();
}

Task<absl::Status> Metrics::Close() {
  CO_ASSIGN_OR_RETURN(const Permit turn,
                      co_await turn_.Acquire(1, clock_, Deadline::Never(), "closing"));
  closed_ = true;
  sources_.clear();
  co_return absl::OkStatus();
}

}  // namespace fetchd::telemetry
