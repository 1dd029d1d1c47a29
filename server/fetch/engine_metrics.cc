#include "fetch/engine_metrics.h"

#include "base/strings.h"

namespace fetchd::fetch {
namespace {

using telemetry::MetricFamily;
using telemetry::MetricPage;
using enum telemetry::MetricType;

constexpr MetricFamily kActive{"fetchd_transfers_active", kGauge,
                               "Jobs and Fetch streams that run."};
constexpr MetricFamily kPeak{"fetchd_transfers_active_peak", kGauge,
                             "The most of these, since the start."};
constexpr MetricFamily kLimit{"fetchd_transfers_limit", kGauge, "limits.transfers."};
constexpr MetricFamily kWaiting{
    "fetchd_transfers_waiting", kGauge,
    "Fetch streams that wait for a free transfer, and all jobs together as one."};
constexpr MetricFamily kAttempts{"fetchd_attempts_total", kCounter,
                                 "Attempts begun, the first and further ones."};
constexpr MetricFamily kEnded{
    "fetchd_transfers_ended_total",
    kCounter,
    "Attempts by how they ended here; interrupted ones (by shutdown or a pause) and those put "
    "off go on later.",
    {"outcome"}};
constexpr MetricFamily kReceived{
    "fetchd_received_bytes_total",
    kCounter,
    "Body bytes received, as they come, by where they go: several are several destinations of one "
    "job, stream the caller of Fetch.",
    {"destination"}};
constexpr MetricFamily kDelivered{"fetchd_delivered_bytes_total",
                                  kCounter,
                                  "Body bytes that arrived: of bodies whose destination is "
                                  "complete, in each of several, and what "
                                  "callers of Fetch took.",
                                  {"destination"}};
constexpr MetricFamily kPhases{
    "fetchd_attempt_phase_seconds",
    kHistogram,
    "Times of ended attempts by phase: queued since the job was ready (Fetch: since its turn was "
    "asked for), a hop's wait for a connection, DNS, connect, proxy and TLS of connections that "
    "were "
    "opened for it, first byte since the request, and the body.",
    {"phase"}};
constexpr MetricFamily kAttemptsEnded{
    "fetchd_attempts_ended_total",
    kCounter,
    "Attempts that are over by outcome; a failed one may be followed by another, one that was put "
    "off or interrupted will be.",
    {"outcome"}};
constexpr MetricFamily kJobsEnded{
    "fetchd_jobs_ended_total",
    kCounter,
    "Jobs that are over, by outcome and by the reason of their error, or its code; a retried job "
    "ends again, and a cancel that is repeated counts again.",
    {"outcome", "reason"}};
constexpr MetricFamily kCircuits{
    "fetchd_origin_circuits",
    kGauge,
    "Circuit breakers that are not closed: open, or half open while a probe is under way.",
    {"state"}};
constexpr MetricFamily kRetriesActive{"fetchd_retries_active", kGauge,
                                      "Of fetchd_transfers_active, those that are retries."};
constexpr MetricFamily kBudgetsSpent{
    "fetchd_retry_budgets_spent", kGauge,
    "Origins that may get no further retry now (retry.budget_percent)."};
constexpr MetricFamily kHeld{
    "fetchd_origins_held", kGauge, "Origins with which nothing begins now, by why.", {"hold"}};
constexpr MetricFamily kPushbacks{"fetchd_origin_pushbacks_total", kCounter,
                                  "Answers 429, or 503 with Retry-After."};
constexpr MetricFamily kCoolDowns{"fetchd_origin_cool_downs_total", kCounter,
                                  "Pauses that origins asked for and got."};
constexpr MetricFamily kOpenings{"fetchd_origin_circuit_openings_total", kCounter,
                                 "Times that an origin was left alone because it only failed."};
constexpr MetricFamily kShared{"fetchd_shared_reads_total", kCounter,
                               "Requests that others who want the same could join."};
constexpr MetricFamily kJoined{"fetchd_shared_reads_joined_total", kCounter,
                               "Requests that were not made: they joined one under way."};
constexpr MetricFamily kLeft{
    "fetchd_shared_reads_left_total", kCounter,
    "Readers of a shared read that fell behind and read on by themselves."};
constexpr MetricFamily kExtra{
    "fetchd_segment_extra_connections", kGauge,
    "Connections besides the first of each body that is read in pieces, over several."};
constexpr MetricFamily kPieces{"fetchd_segment_pieces_total", kCounter,
                               "Requests for a piece of such a body that brought that piece."};
constexpr std::array kAll = {kActive,   kPeak,          kLimit,       kWaiting,       kAttempts,
                             kEnded,    kReceived,      kHeld,        kPushbacks,     kCoolDowns,
                             kOpenings, kShared,        kJoined,      kLeft,          kExtra,
                             kPieces,   kDelivered,     kPhases,      kAttemptsEnded, kJobsEnded,
                             kCircuits, kRetriesActive, kBudgetsSpent};

void CollectJobs(const EngineMeter& meter, MetricPage& page) {
  using jobs::State;
  for (const State state : {State::kSucceeded, State::kFailed, State::kCancelled}) {
    const std::string outcome = AsciiLower(jobs::StateName(state));
    for (std::size_t reason = 0; reason < ReasonCount(); ++reason) {
      const std::uint64_t count = meter.jobs(state, reason);
      const bool always = state == State::kSucceeded && reason == 0;
      if (count > 0 || always) page.Add(kJobsEnded, count, {outcome, ReasonName(reason)});
    }
  }
}

void CollectMeter(const EngineMeter& meter, MetricPage& page) {
  for (const BodyPlace place : kBodyPlaces) {
    page.Add(kReceived, meter.received(place), {BodyPlaceName(place)});
    page.Add(kDelivered, meter.delivered(place), {BodyPlaceName(place)});
  }
  for (const AttemptPhase phase : kAttemptPhases) {
    page.Add(kPhases, meter.Took(phase), {AttemptPhaseName(phase)});
  }
  for (const auto outcome : {jobs::AttemptOutcome::kSucceeded, jobs::AttemptOutcome::kFailed,
                             jobs::AttemptOutcome::kPutOff, jobs::AttemptOutcome::kInterrupted,
                             jobs::AttemptOutcome::kCancelled}) {
    page.Add(kAttemptsEnded, meter.attempts(outcome),
             {AsciiLower(jobs::AttemptOutcomeName(outcome))});
  }
  CollectJobs(meter, page);
}

void Collect(const EngineStats& stats, MetricPage& page) {
  page.Add(kActive, stats.transfers_in_use);
  page.Add(kPeak, stats.transfers_peak);
  page.Add(kLimit, stats.transfers_limit);
  page.Add(kWaiting, stats.transfers_waiting);
  page.Add(kAttempts, stats.attempts);
  page.Add(kEnded, stats.succeeded, {"succeeded"});
  page.Add(kEnded, stats.failed, {"failed"});
  page.Add(kEnded, stats.interrupted, {"interrupted"});
  page.Add(kEnded, stats.put_off, {"put_off"});
  for (const Hold hold :
       {Hold::kPaused, Hold::kCoolDown, Hold::kCircuitOpen, Hold::kTransfers, Hold::kRate}) {
    page.Add(kHeld, stats.pacing.held[static_cast<std::size_t>(hold)],
             {AsciiLower(HoldName(hold))});
  }
  page.Add(kPushbacks, stats.pacing.pushbacks);
  page.Add(kCoolDowns, stats.pacing.cool_downs);
  page.Add(kOpenings, stats.pacing.circuit_openings);
  page.Add(kCircuits, stats.pacing.circuits_open, {"open"});
  page.Add(kCircuits, stats.pacing.circuits_half_open, {"half_open"});
  page.Add(kRetriesActive, stats.pacing.retries);
  page.Add(kBudgetsSpent, stats.pacing.retry_budgets_spent);
  page.Add(kShared, stats.shared_reads);
  page.Add(kJoined, stats.joined_reads);
  page.Add(kLeft, stats.left_reads);
  page.Add(kExtra, stats.extra_connections);
  page.Add(kPieces, stats.pieces);
}

}  // namespace

std::span<const MetricFamily> EngineMetricFamilies() { return kAll; }

telemetry::MetricSource EngineMetrics(const Engine& engine) {
  return telemetry::MakeSource(kAll, [&engine](MetricPage& page) {
    Collect(engine.Stats(), page);
    CollectMeter(engine.meter(), page);
  });
}

}  // namespace fetchd::fetch
