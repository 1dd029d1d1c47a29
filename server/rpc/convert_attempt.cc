#include "rpc/convert_attempt.h"

#include "rpc/convert_time.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

v1::Attempt::Outcome OutcomeToProto(jobs::AttemptOutcome outcome) {
  switch (outcome) {
    case jobs::AttemptOutcome::kSucceeded:
      return v1::Attempt::OUTCOME_SUCCEEDED;
    case jobs::AttemptOutcome::kFailed:
      return v1::Attempt::OUTCOME_FAILED;
    case jobs::AttemptOutcome::kPutOff:
      return v1::Attempt::OUTCOME_PUT_OFF;
    case jobs::AttemptOutcome::kInterrupted:
      return v1::Attempt::OUTCOME_INTERRUPTED;
    case jobs::AttemptOutcome::kCancelled:
      return v1::Attempt::OUTCOME_CANCELLED;
  }
  return v1::Attempt::OUTCOME_UNSPECIFIED;
}

v1::Attempt::Hop HopToProto(const jobs::HopRecord& hop) {
  v1::Attempt::Hop out;
  out.set_url(hop.url);
  out.set_proxy(hop.proxy);
  out.set_http_status(hop.http_status);
  *out.mutable_pool_wait() = ToProto(hop.pool_wait);
  *out.mutable_dns() = ToProto(hop.dns);
  out.set_dns_cached(hop.dns_cached);
  *out.mutable_connect() = ToProto(hop.connect);
  if (!hop.proxy.empty()) *out.mutable_proxy_negotiation() = ToProto(hop.proxy_negotiation);
  *out.mutable_tls() = ToProto(hop.tls);
  out.set_tls_description(hop.tls_description);
  out.set_tls_resumed(hop.tls_resumed);
  *out.mutable_first_byte() = ToProto(hop.first_byte);
  out.set_reused(hop.reused);
  out.set_redialled(hop.redialled);
  out.set_joined(hop.joined);
  for (const jobs::HopRecord::Address& address : hop.addresses) {
    v1::Attempt::Address& added = *out.add_addresses();
    added.set_address(address.address);
    added.set_outcome(address.outcome);
    *added.mutable_duration() = ToProto(address.took);
  }
  return out;
}

v1::Attempt::Segments SegmentsToProto(const jobs::SegmentsRecord& segments) {
  v1::Attempt::Segments out;
  out.set_most_connections(segments.most_connections);
  out.set_pieces(segments.pieces);
  out.set_added(segments.added);
  out.set_dropped(segments.dropped);
  for (const std::string& note : segments.notes) out.add_notes(note);
  return out;
}

}  // namespace

v1::Attempt ToProto(const jobs::AttemptRecord& record) {
  v1::Attempt out;
  out.set_number(record.number);
  *out.mutable_start_time() = ToProto(record.started_at);
  *out.mutable_duration() = ToProto(record.took);
  *out.mutable_transfer_permit_wait() = ToProto(record.transfer_permit_wait);
  *out.mutable_buffer_wait() = ToProto(record.buffer_wait);
  *out.mutable_rate_wait() = ToProto(record.rate_wait);
  out.set_outcome(OutcomeToProto(record.outcome));
  out.set_resumed_from_bytes(record.resumed_from_bytes);
  out.set_received_bytes(record.received_bytes);
  out.set_restarted(record.restarted);
  for (const jobs::HopRecord& hop : record.hops) *out.add_hops() = HopToProto(hop);
  if (record.segments != jobs::SegmentsRecord()) {
    *out.mutable_segments() = SegmentsToProto(record.segments);
  }
  if (!record.status.ok()) *out.mutable_error() = ToProtoStatus(record.status);
  out.set_failed_phase(record.failed_phase);
  out.set_decision(record.decision);
  if (record.retry_delay) *out.mutable_retry_delay() = ToProto(*record.retry_delay);
  return out;
}

}  // namespace fetchd::rpc
