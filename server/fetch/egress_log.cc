#include "fetch/egress_log.h"

namespace fetchd::fetch {
namespace {

using telemetry::MetricFamily;
using telemetry::MetricPage;

constexpr MetricFamily kDecisions{
    "fetchd_egress_decisions_total",
    telemetry::MetricType::kCounter,
    "URLs and addresses judged, by what came of it (allowed, denied, or passed: a denial that "
    "the tenant's mode let through), why, and the mode.",
    {"verdict", "reason", "mode"}};
constexpr std::array kFamilies = {kDecisions};

}  // namespace

const char* EgressLog::NameOf(Outcome outcome) {
  if (outcome == Outcome::kAllowed) return "allowed";
  return outcome == Outcome::kPassed ? "passed" : "denied";
}

std::optional<std::uint64_t> EgressLog::TakeLine(const std::string& tenant) {
  const std::lock_guard lock(mutex_);
  const bool known = lines_.contains(tenant) || lines_.size() < kMostTenants;
  const auto lines = lines_.try_emplace(known ? tenant : std::string(), kLinesASecond).first;
  return lines->second.Take(clock_.Now());
}

void EgressLog::Note(const egress::Subject& subject, std::string_view url,
                     const egress::Judgement& judgement) {
  Outcome outcome = judgement.denies() ? Outcome::kDenied : Outcome::kAllowed;
  if (judgement.passed) outcome = Outcome::kPassed;
  counts_[static_cast<std::size_t>(outcome)][static_cast<std::size_t>(judgement.verdict)]
         [static_cast<std::size_t>(judgement.mode)]
             .fetch_add(1, std::memory_order_relaxed);
  const bool warns =
      judgement.denies() && !(judgement.passed && judgement.mode == egress::Mode::kOpen);
  if (!log_.Writes(warns ? telemetry::LogLevel::kWarning : telemetry::LogLevel::kDebug)) return;
  const std::optional<std::uint64_t> left_out =
      warns ? TakeLine(subject.tenant) : std::optional<std::uint64_t>(0);
  if (!left_out) return;
  const std::initializer_list<telemetry::LogField> fields = {
      {"tenant", subject.tenant},
      {"job", subject.job},
      {"url", url},
      {"address", judgement.address ? judgement.address->to_string() : std::string()},
      {"verdict", NameOf(outcome)},
      {"reason", egress::VerdictName(judgement.verdict)},
      {"rule", judgement.rule},
      {"mode", egress::ModeName(judgement.mode)},
      {"left_out", *left_out}};
  warns ? log_.Warning("egress", fields) : log_.Debug("egress", fields);
}

// A series begins with its first decision: most of them never come.
void EgressLog::Collect(MetricPage& page) const {
  for (std::size_t outcome = 0; outcome < kOutcomes; ++outcome) {
    for (std::size_t verdict = 0; verdict < egress::kVerdicts; ++verdict) {
      for (std::size_t mode = 0; mode < kModes; ++mode) {
        const std::uint64_t count = counts_[outcome][verdict][mode].load(std::memory_order_relaxed);
        if (count == 0) continue;
        page.Add(kDecisions, count,
                 {NameOf(static_cast<Outcome>(outcome)),
                  egress::VerdictName(static_cast<egress::Verdict>(verdict)),
                  egress::ModeName(static_cast<egress::Mode>(mode))});
      }
    }
  }
}

std::span<const MetricFamily> EgressMetricFamilies() { return kFamilies; }

telemetry::MetricSource EgressMetrics(const EgressLog& decisions) {
  return telemetry::MakeSource(kFamilies,
                               [&decisions](MetricPage& page) { decisions.Collect(page); });
}

}  // namespace fetchd::fetch
