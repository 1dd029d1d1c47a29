// What was decided about each target, for the log and the metrics.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"
#include "egress/subject.h"
#include "telemetry/line_rate.h"
#include "telemetry/log.h"
#include "telemetry/metrics.h"

namespace fetchd::fetch {

/// One line "egress" a decision, always with the same fields: what was denied, or let through in
/// the mode "report", as a warning; what was allowed, or let through in the mode "open", at the
/// level debug. Warnings are kLinesASecond a tenant at most; the next line counts those left out.
/// Thread-safe. Owner: app.
class EgressLog final : public egress::DecisionLog {
 public:
  static constexpr int kLinesASecond = 10;
  /// Further tenants share one allowance: where nobody is asked who calls, callers make them up.
  static constexpr std::size_t kMostTenants = 256;

  EgressLog(telemetry::Logger& log, const Clock& clock) : log_(log), clock_(clock) {}

  void Note(const egress::Subject& subject, std::string_view url,
            const egress::Judgement& judgement) override;
  void Collect(telemetry::MetricPage& page) const;

 private:
  enum class Outcome { kAllowed, kPassed, kDenied };
  static constexpr std::size_t kOutcomes = 3, kModes = 3;
  using OfModes = std::array<std::atomic<std::uint64_t>, kModes>;

  static const char* NameOf(Outcome outcome);
  std::optional<std::uint64_t> TakeLine(const std::string& tenant);

  telemetry::Logger& log_;
  const Clock& clock_;
  std::array<std::array<OfModes, egress::kVerdicts>, kOutcomes> counts_{};
  std::mutex mutex_;  ///< Guards all below.
  std::map<std::string, telemetry::LineRate> lines_;
};

std::span<const telemetry::MetricFamily> EgressMetricFamilies();
telemetry::MetricSource EgressMetrics(const EgressLog& decisions);

}  // namespace fetchd::fetch
