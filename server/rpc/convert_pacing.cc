#include "rpc/convert_pacing.h"

#include "rpc/convert_time.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

constexpr double kMinRate = 0.001, kMaxRate = 1'000'000;
constexpr std::uint64_t kMinBytesPerSec = 1024;

v1::ExplainJobResponse::Reason ReasonToProto(fetch::JobWait::Reason reason) {
  using Reason = fetch::JobWait::Reason;
  switch (reason) {
    case Reason::kStartTime:
      return v1::ExplainJobResponse::REASON_START_TIME;
    case Reason::kRetry:
      return v1::ExplainJobResponse::REASON_RETRY;
    case Reason::kOriginOnHold:
      return v1::ExplainJobResponse::REASON_ORIGIN_ON_HOLD;
    case Reason::kTransferLimit:
      return v1::ExplainJobResponse::REASON_TRANSFER_LIMIT;
    case Reason::kTenantLimit:
      return v1::ExplainJobResponse::REASON_TENANT_LIMIT;
    case Reason::kDraining:
      return v1::ExplainJobResponse::REASON_DRAINING;
    case Reason::kPaused:
      return v1::ExplainJobResponse::REASON_PAUSED;
    case Reason::kNext:
      return v1::ExplainJobResponse::REASON_NEXT;
  }
  return v1::ExplainJobResponse::REASON_UNSPECIFIED;
}

v1::OriginState::Hold HoldToProto(fetch::Hold hold) {
  switch (hold) {
    case fetch::Hold::kNone:
      return v1::OriginState::HOLD_NONE;
    case fetch::Hold::kPaused:
      return v1::OriginState::HOLD_PAUSED;
    case fetch::Hold::kCoolDown:
      return v1::OriginState::HOLD_COOL_DOWN;
    case fetch::Hold::kCircuitOpen:
      return v1::OriginState::HOLD_CIRCUIT_OPEN;
    case fetch::Hold::kTransfers:
      return v1::OriginState::HOLD_TRANSFER_LIMIT;
    case fetch::Hold::kRate:
      return v1::OriginState::HOLD_REQUEST_RATE;
    case fetch::Hold::kRetries:
      return v1::OriginState::HOLD_RETRY_BUDGET;
  }
  return v1::OriginState::HOLD_UNSPECIFIED;
}

}  // namespace

v1::ExplainJobResponse::Wait ToProto(const fetch::JobWait& wait) {
  v1::ExplainJobResponse::Wait out;
  out.set_reason(ReasonToProto(wait.reason));
  out.set_explanation(wait.explanation);
  out.set_remedy(wait.remedy);
  if (wait.until) *out.mutable_until() = ToProto(*wait.until);
  return out;
}

v1::OriginState ToProto(const fetch::OriginPacer::OriginState& state) {
  v1::OriginState out;
  out.set_origin(state.origin.ToString());
  out.set_transfers(state.transfers);
  out.set_retries(state.retries);
  if (state.limits.max_transfers) {
    out.mutable_limits()->set_max_transfers(
        static_cast<std::uint32_t>(*state.limits.max_transfers));
  }
  if (state.limits.requests_per_sec) {
    out.mutable_limits()->set_requests_per_sec(*state.limits.requests_per_sec);
  }
  if (state.limits.bytes_per_sec)
    out.mutable_limits()->set_bytes_per_sec(*state.limits.bytes_per_sec);
  if (state.adaptive_limit) out.set_adaptive_limit(*state.adaptive_limit);
  out.set_hold(HoldToProto(state.hold));
  if (state.held_for) *out.mutable_held_for() = ToProto(*state.held_for);
  out.set_pushbacks(state.pushbacks);
  out.set_cool_downs(state.cool_downs);
  out.set_circuit_openings(state.circuit_openings);
  out.set_failures_in_a_row(state.failures_in_a_row);
  if (state.bytes_per_sec) {
    out.set_body_bytes_per_sec(static_cast<std::uint64_t>(*state.bytes_per_sec));
  }
  return out;
}

absl::StatusOr<Origin> ParseOrigin(const std::string& text, const UrlOptions& options) {
  const absl::StatusOr<Origin> origin = Origin::Parse(text, options);
  return origin.ok() ? origin : InvalidField("origin", MessageOf(origin.status()));
}

absl::StatusOr<fetch::OriginLimits> FromProto(const v1::OriginLimits& limits) {
  fetch::OriginLimits out;
  if (limits.has_max_transfers()) out.max_transfers = limits.max_transfers();
  if (limits.has_bytes_per_sec()) {
    if (limits.bytes_per_sec() < kMinBytesPerSec) {
      return InvalidField("limits.bytes_per_sec", "must be at least 1024");
    }
    out.bytes_per_sec = limits.bytes_per_sec();
  }
  if (!limits.has_requests_per_sec()) return out;
  const double rate = limits.requests_per_sec();
  if (!(rate >= kMinRate && rate <= kMaxRate)) {
    return InvalidField("limits.requests_per_sec",
                        "must be 0.001 to 1000000; max_transfers 0 pauses an origin");
  }
  out.requests_per_sec = rate;
  return out;
}

}  // namespace fetchd::rpc
