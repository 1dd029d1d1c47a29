#include "fetch/engine_meter.h"

#include <algorithm>

#include "base/check.h"
#include "base/status.h"

namespace fetchd::fetch {
namespace {

/// Of the errors that end jobs; sorted. Those of others count by their code.
constexpr std::array<std::string_view, 49> kReasons = {"AUTH_NOT_SUPPORTED",
                                                       "BODY_CHANGED",
                                                       "BODY_TOO_LARGE",
                                                       "CONNECTION_LOST",
                                                       "CONNECTION_QUEUE_FULL",
                                                       "CONNECT_FAILED",
                                                       "CONTENT_CODING_NOT_SUPPORTED",
                                                       "DECODE_LIMIT",
                                                       "DECODE_MEMORY",
                                                       "DESTINATION_EXISTS",
                                                       "DESTINATION_INVALID",
                                                       "DESTINATION_NOT_ALLOWED",
                                                       "DIGEST_MISMATCH",
                                                       "DISK_FULL",
                                                       "DNS_FAILED",
                                                       "DNS_NAME_NOT_FOUND",
                                                       "FILE_IO",
                                                       "HTTP_STATUS",
                                                       "JOB_DAMAGED",
                                                       "JOB_DEADLINE",
                                                       "MALFORMED_CONTENT",
                                                       "MALFORMED_RESPONSE",
                                                       "OBJECT_STORE",
                                                       "ORIGIN_ON_HOLD",
                                                       "OUT_OF_DESCRIPTORS",
                                                       "PROXY_AUTH_REQUIRED",
                                                       "PROXY_CONNECT_FAILED",
                                                       "PROXY_DENIED",
                                                       "PROXY_NOT_FOR_JOBS",
                                                       "PROXY_PROTOCOL_ERROR",
                                                       "PROXY_REQUIRED",
                                                       "RANGE_NOT_SATISFIABLE",
                                                       "RANGE_NOT_SUPPORTED",
                                                       "REDIRECT_DOWNGRADE",
                                                       "REDIRECT_INVALID",
                                                       "REDIRECT_LIMIT",
                                                       "REDIRECT_LOOP",
                                                       "REQUEST_UNPROCESSED",
                                                       "SECRET_NOT_ALLOWED",
                                                       "SECRET_NOT_FOR_HOST",
                                                       "SIZE_MISMATCH",
                                                       "SOURCE_DENIED",
                                                       "STREAM_RESET",
                                                       "TARGET_NOT_ALLOWED",
                                                       "TIMEOUT",
                                                       "TLS_CLIENT_CERTIFICATE",
                                                       "TLS_FAILED",
                                                       "TLS_VERIFY_FAILED",
                                                       "TRUNCATED_BODY"};
static_assert(std::ranges::is_sorted(kReasons));

/// From CANCELLED (1) to UNAUTHENTICATED (16).
constexpr std::array<std::string_view, 16> kCodes = {
    "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",   "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",         "DATA_LOSS",
    "UNAUTHENTICATED"};
constexpr std::size_t kFirstCode = 1 + kReasons.size();
static_assert(kFirstCode + kCodes.size() <= EngineMeter::kMaxReasons);

}  // namespace

const char* BodyPlaceName(BodyPlace place) {
  switch (place) {
    case BodyPlace::kFile:
      return "file";
    case BodyPlace::kObject:
      return "object";
    case BodyPlace::kDiscard:
      return "discard";
    case BodyPlace::kStream:
      return "stream";
    case BodyPlace::kSeveral:
      break;
  }
  return "several";
}

BodyPlace PlaceOf(const sink::Destination& destination) {
  switch (destination.kind) {
    case sink::Destination::Kind::kFile:
      return BodyPlace::kFile;
    case sink::Destination::Kind::kObject:
      return BodyPlace::kObject;
    case sink::Destination::Kind::kDiscard:
      break;
  }
  return BodyPlace::kDiscard;
}

const char* AttemptPhaseName(AttemptPhase phase) {
  switch (phase) {
    case AttemptPhase::kQueued:
      return "queued";
    case AttemptPhase::kPoolWait:
      return "pool_wait";
    case AttemptPhase::kDns:
      return "dns";
    case AttemptPhase::kConnect:
      return "connect";
    case AttemptPhase::kProxy:
      return "proxy";
    case AttemptPhase::kTls:
      return "tls";
    case AttemptPhase::kFirstByte:
      return "first_byte";
    case AttemptPhase::kBody:
      break;
  }
  return "body";
}

std::size_t ReasonIndex(const absl::Status& error) {
  if (error.ok()) return 0;
  if (const std::optional<Reason> reason = GetReason(error)) {
    const auto found = std::ranges::lower_bound(kReasons, std::string_view(reason->reason));
    if (found != kReasons.end() && *found == reason->reason) {
      return 1 + static_cast<std::size_t>(found - kReasons.begin());
    }
  }
  const auto code = static_cast<std::size_t>(error.code());
  return kFirstCode + (code <= kCodes.size() ? code : 2) - 1;
}

std::size_t ReasonCount() { return kFirstCode + kCodes.size(); }

std::string_view ReasonName(std::size_t index) {
  if (index == 0) return "";
  return index < kFirstCode ? kReasons.at(index - 1) : kCodes.at(index - kFirstCode);
}

void EngineMeter::AttemptEnded(const jobs::AttemptRecord& record, Duration queued, Duration body) {
  Add(attempts_[static_cast<std::size_t>(record.outcome)], 1);
  Observe(AttemptPhase::kQueued, queued);
  for (const jobs::HopRecord& hop : record.hops) {
    if (hop.joined) continue;
    Observe(AttemptPhase::kPoolWait, hop.pool_wait);
    // What did not happen took no time, and is no observation: a connection was there.
    if (hop.dns > Duration::zero()) Observe(AttemptPhase::kDns, hop.dns);
    if (hop.connect > Duration::zero()) Observe(AttemptPhase::kConnect, hop.connect);
    if (hop.proxy_negotiation > Duration::zero()) {
      Observe(AttemptPhase::kProxy, hop.proxy_negotiation);
    }
    if (hop.tls > Duration::zero()) Observe(AttemptPhase::kTls, hop.tls);
    if (hop.http_status != 0) Observe(AttemptPhase::kFirstByte, hop.first_byte);
  }
  if (body > Duration::zero()) Observe(AttemptPhase::kBody, body);
}

std::size_t EngineMeter::JobIndex(jobs::State state) {
  FETCHD_CHECK(jobs::IsTerminal(state));
  if (state == jobs::State::kSucceeded) return 0;
  return state == jobs::State::kFailed ? 1 : 2;
}

void EngineMeter::JobEnded(jobs::State state, const absl::Status& error) {
  Add(jobs_[JobIndex(state)][ReasonIndex(error)], 1);
}

std::uint64_t EngineMeter::received() const {
  std::uint64_t all = 0;
  for (const BodyPlace place : kBodyPlaces) all += received(place);
  return all;
}

}  // namespace fetchd::fetch
