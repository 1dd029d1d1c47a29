#include "fetch/attempt_log.h"

#include "base/status.h"

namespace fetchd::fetch {
namespace {

/// A query may be a credential (signed URLs).
std::string_view WithoutQuery(std::string_view url) { return url.substr(0, url.find('?')); }

/// "HTTP_STATUS", or the code of an error without a reason; empty when there is none.
std::string ErrorName(const absl::Status& status) {
  if (status.ok()) return "";
  const std::optional<Reason> reason = GetReason(status);
  return reason ? reason->reason : absl::StatusCodeToString(status.code());
}

/// Empty for a HEAD.
std::string DigestText(const jobs::Result& result) {
  return result.digests.empty() ? std::string() : result.digests.front().ToSri();
}

}  // namespace

void LogAttempt(telemetry::Logger& log, std::string_view of, const TraceContext& trace,
                const jobs::AttemptRecord& record) {
  static const jobs::HopRecord kNone;
  const jobs::HopRecord& hop = record.hops.empty() ? kNone : record.hops.back();
  log.Info("attempt", {{"job", of},
                       {"attempt", record.number},
                       {"outcome", jobs::AttemptOutcomeName(record.outcome)},
                       {"url", WithoutQuery(hop.url)},
                       {"hops", record.hops.size()},
                       {"http_status", hop.http_status},
                       {"took_ms", record.took},
                       {"permit_wait_ms", record.transfer_permit_wait},
                       {"buffer_wait_ms", record.buffer_wait},
                       {"pool_wait_ms", hop.pool_wait},
                       {"dns_ms", hop.dns},
                       {"connect_ms", hop.connect},
                       {"tls_ms", hop.tls},
                       {"first_byte_ms", hop.first_byte},
                       {"reused", hop.reused},
                       {"received_bytes", record.received_bytes},
                       {"resumed_from_bytes", record.resumed_from_bytes},
                       {"failed_phase", record.failed_phase},
                       {"reason", ErrorName(record.status)},
                       {"error", MessageOf(record.status)},
                       {"decision", record.decision},
                       {"trace_id", trace.trace_id},
                       {"span_id", record.span_id},
                       {"x_request_id", trace.request_id}});
}

void LogChange(telemetry::Logger& log, const jobs::Job& job, const jobs::Change& change) {
  if (const jobs::AttemptRecord* record = jobs::RecordOf(change)) {
    LogAttempt(log, job.id.name(), job.spec.trace, *record);
  }
  if (jobs::MovesState(change) && jobs::IsTerminal(job.state)) LogJobEnd(log, job);
}

void LogJobEnd(telemetry::Logger& log, const jobs::Job& job) {
  static const jobs::Result kNone;
  const jobs::Result& result = job.result ? *job.result : kNone;
  log.Info("job ended",
           {{"job", job.id.name()},
            {"state", jobs::StateName(job.state)},
            {"attempts", job.attempt},
            {"took_ms", Duration(job.finished_at.value_or(job.updated_at) - job.created_at)},
            {"size_bytes", result.size_bytes},
            {"digest", DigestText(result)},
            {"destination", job.destination},
            {"reason", ErrorName(job.error)},
            {"error", MessageOf(job.error)},
            {"trace_id", job.spec.trace.trace_id},
            {"x_request_id", job.spec.trace.request_id}});
}

}  // namespace fetchd::fetch
