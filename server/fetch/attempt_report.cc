#include "fetch/attempt_report.h"

#include "base/duration_text.h"
#include "base/strings.h"

namespace fetchd::fetch {
namespace {

jobs::HopRecord MakeHop(const http::ExchangeRecord& exchange) {
  jobs::HopRecord hop;
  hop.url = exchange.url;
  hop.proxy = exchange.proxy;
  hop.pool_wait = exchange.pool_wait;
  hop.dns = exchange.dial.dns;
  hop.connect = exchange.dial.connect;
  hop.proxy_negotiation = exchange.dial.proxy;
  hop.tls = exchange.dial.tls;
  hop.first_byte = exchange.first_byte;
  hop.dns_cached = exchange.dial.dns_cached;
  hop.reused = exchange.reused;
  hop.redialled = exchange.redialled;
  hop.joined = exchange.joined;
  hop.tls_resumed = exchange.dial.tls_resumed;
  hop.tls_description = exchange.dial.tls_description;
  hop.http_status = exchange.status;
  for (const net::DialRecord::Try& attempt : exchange.dial.tries) {
    hop.addresses.push_back({attempt.address, attempt.outcome, attempt.took});
  }
  return hop;
}

std::string What(const Failure& failure) {
  if (failure.phase == Phase::kFirstByte && failure.http_status != 0) {
    return Concat(failure.http_status);
  }
  const std::optional<Reason> reason = GetReason(failure.status);
  const std::string_view phase = PhaseName(failure.phase);
  if (reason) return Concat(phase, " (", reason->reason, ')');
  return Concat(phase, " (", absl::StatusCodeToString(failure.status.code()), ')');
}

}  // namespace

jobs::AttemptRecord MakeRecord(const AttemptFrame& frame, const AttemptFacts& facts,
                               jobs::AttemptOutcome outcome, absl::Status status) {
  jobs::AttemptRecord record;
  record.number = frame.number;
  record.span_id = facts.span_id;
  record.started_at = frame.started_at;
  record.took = frame.took;
  record.transfer_permit_wait = frame.permit_wait;
  record.buffer_wait = facts.buffer_wait;
  record.rate_wait = facts.rate_wait;
  record.outcome = outcome;
  record.resumed_from_bytes = facts.resumed_from_bytes;
  record.received_bytes = facts.received_bytes;
  record.restarted = facts.restarted;
  record.segments = facts.segments;
  for (const http::ExchangeRecord& exchange : facts.hops) record.hops.push_back(MakeHop(exchange));
  if (!status.ok()) record.failed_phase = PhaseName(PhaseOf(facts));
  record.status = std::move(status);
  return record;
}

std::string RetrySentence(const Failure& failure, Duration delay, int attempt, int max_attempts) {
  std::string sentence = Concat("retry in ", FormatSeconds(delay), ": ", What(failure),
                                " is retryable, attempt ", attempt, " of ", max_attempts);
  if (failure.retry_after) sentence += ", Retry-After " + FormatSeconds(*failure.retry_after);
  return sentence;
}

std::string PutOffSentence(const Failure& failure, Duration pause) {
  const std::string why =
      failure.http_status == 429 || failure.http_status == 503
          ? Concat("the origin answered ", failure.http_status, " and asked for time")
          : MessageOf(failure.status);
  return Concat("put off for ", FormatSeconds(pause), ": ", why, ": no attempt is consumed");
}

std::string GiveUpSentence(const Failure& failure, int attempt, int max_attempts) {
  if (!failure.retryable) return Concat("gave up: ", What(failure), " is final");
  if (attempt >= max_attempts) {
    return Concat("gave up: ", What(failure), ", attempt ", attempt, " of ", max_attempts);
  }
  return Concat("gave up: ", What(failure), ", the next attempt would begin after the deadline");
}

}  // namespace fetchd::fetch
