// The metrics of the process, in the words of Prometheus.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/semaphore.h"
#include "base/status.h"
#include "base/task.h"
#include "base/time.h"
#include "telemetry/count_histogram.h"
#include "telemetry/duration_histogram.h"

namespace fetchd::telemetry {

enum class MetricType { kCounter, kGauge, kHistogram };

/// Metrics of one name. Modules keep theirs in a constant table, which docs/metrics.md is made of.
/// Names begin with "fetchd_" and end in their base unit (_seconds, _bytes), counters in _total.
struct MetricFamily {
  std::string_view name;
  MetricType type = MetricType::kGauge;
  std::string_view help;
  std::array<std::string_view, 3> labels{};  ///< Their names; empty = no further label.
};

/// What was collected for one scrape.
class MetricPage {
 public:
  using LabelValues = std::array<std::string_view, 3>;

  MetricPage();
  ~MetricPage();
  MetricPage(MetricPage&&) noexcept;
  MetricPage& operator=(MetricPage&&) noexcept;

  /// Says that the family is there when it may be without a series.
  void Declare(const MetricFamily& family);
  /// `values` are those of the family's labels, in their order.
  void Add(const MetricFamily& family, double value, const LabelValues& values = {});
  void Add(const MetricFamily& family, std::uint64_t value, const LabelValues& values = {}) {
    Add(family, static_cast<double>(value), values);
  }
  /// In seconds.
  void Add(const MetricFamily& family, Duration value, const LabelValues& values = {});
  void Add(const MetricFamily& family, const DurationHistogram::Snapshot& durations,
           const LabelValues& values = {});
  void Add(const MetricFamily& family, const CountHistogram::Snapshot& counts,
           const LabelValues& values = {});

  /// The exposition format, version 0.0.4; families by name.
  std::string Text() const;

 private:
  struct Families;
  std::unique_ptr<Families> families_;
};

/// Where metrics come from: structs that exist anyway are read when somebody scrapes.
struct MetricSource {
  std::span<const MetricFamily> families;  ///< All that `collect` may add to; static.
  std::function<Task<absl::Status>(MetricPage& page)> collect;
};

/// A source that need not wait for anything.
MetricSource MakeSource(std::span<const MetricFamily> families,
                        std::function<void(MetricPage& page)> collect);

/// The sources of the process. All are added before the first scrape; from then on thread-safe.
class Metrics {
 public:
  explicit Metrics(Clock& clock) : clock_(clock) {}

  void Add(MetricSource source) { sources_.push_back(std::move(source)); }
  /// Asks the sources, one scrape after the other. One that fails is left out, and counted.
  /// UNAVAILABLE once closed.
  Task<absl::StatusOr<std::string>> Scrape();
  /// Lets a scrape in progress end, and drops the sources: what they refer to may go.
  Task<absl::Status> Close();

  static std::span<const MetricFamily> OwnFamilies();

 private:
  Clock& clock_;
  Semaphore turn_{1};  ///< Guards all below, once serving.
  std::vector<MetricSource> sources_;
  std::uint64_t failures_ = 0;
  bool closed_ = false;
};

}  // namespace fetchd::telemetry
