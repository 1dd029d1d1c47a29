#include <google/protobuf/util/time_util.h>

#include <cstdio>

#include "base/strings.h"
#include "cli/print.h"
#include "cli/values.h"

namespace fetchd::cli {
namespace {

/// "Key:            value" lines, indented by level.
class Sheet {
 public:
  void Add(int level, std::string_view key, const std::string& value) {
    if (value.empty()) return;
    std::string line(static_cast<std::size_t>(level) * 2, ' ');
    line += Concat(key, ":");
    line.append(line.size() < kValueColumn ? kValueColumn - line.size() : 1, ' ');
    text_ += line + Printable(value) + "\n";
  }
  void Title(int level, std::string_view title) {
    text_.append(static_cast<std::size_t>(level) * 2, ' ');
    text_ += Concat(title, ":\n");
  }
  std::string Take() && { return std::move(text_); }

 private:
  static constexpr std::size_t kValueColumn = 22;
  std::string text_;
};

std::string Time(bool set, const google::protobuf::Timestamp& time) {
  return set ? google::protobuf::util::TimeUtil::ToString(time) : "";
}

std::string Percent(double ratio) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.1f%%", ratio * 100);
  return buffer;
}

/// "OUTCOME_FAILED" reads as "FAILED".
std::string WithoutPrefix(const std::string& name, std::string_view prefix) {
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

void AddError(Sheet& sheet, int level, const google::rpc::Status& error) {
  sheet.Add(level, "Error", Concat(CodeName(error.code()), ": ", error.message()));
  const ErrorDetails details = DetailsOf(ToGrpc(error));
  std::string reason = details.reason;
  for (const auto& [key, value] : details.metadata) reason += Concat(" ", key, "=", value);
  sheet.Add(level, "Reason", reason);
  for (const FieldViolation& violation : details.violations) {
    sheet.Add(level, "Field", Concat(violation.field, ": ", violation.description));
  }
}

std::string OfSecret(const std::string& name) { return Concat("[secret ", name, ']'); }

std::string LoginText(std::string_view scheme, const auto& login) {
  const std::string& secret = login.password_secret();
  return Concat(scheme, ' ', login.username(), secret.empty() ? "" : ' ' + OfSecret(secret));
}

void AddCredentials(Sheet& sheet, const v1::Credentials& credentials) {
  if (credentials.has_basic()) {
    sheet.Add(0, "Credentials", LoginText("Basic", credentials.basic()));
  } else if (credentials.has_digest()) {
    sheet.Add(0, "Credentials", LoginText("Digest", credentials.digest()));
  } else if (credentials.has_bearer_token_secret()) {
    sheet.Add(0, "Credentials", Concat("Bearer ", OfSecret(credentials.bearer_token_secret())));
  } else if (credentials.has_bearer_token()) {
    sheet.Add(0, "Credentials", "Bearer");
  }
}

void AddPartWanted(Sheet& sheet, const v1::FetchSpec& spec) {
  if (spec.decode() == v1::FetchSpec::DECODE_CONTENT) sheet.Add(0, "Decoded", "yes");
  for (const std::string& tag : spec.if_none_match()) sheet.Add(0, "If none match", tag);
  sheet.Add(0, "If modified since", Time(spec.has_if_modified_since(), spec.if_modified_since()));
  if (!spec.has_range()) return;
  const std::string last = spec.range().has_last() ? Concat(spec.range().last()) : "";
  sheet.Add(0, "Range", Concat(spec.range().first(), '-', last));
}

void AddObject(Sheet& sheet, const v1::ObjectSettings& object) {
  sheet.Add(0, "Content type", object.content_type());
  sheet.Add(0, "Content disposition", object.content_disposition());
  sheet.Add(0, "Cache control", object.cache_control());
  sheet.Add(0, "Storage class", object.storage_class());
  const auto add_all = [&sheet](const char* name, const auto& entries) {
    const std::map<std::string, std::string> sorted(entries.begin(), entries.end());
    for (const auto& [key, value] : sorted) sheet.Add(0, name, Concat(key, '=', value));
  };
  add_all("Metadata", object.metadata());
  add_all("Tag", object.tags());
}

void AddSpec(Sheet& sheet, const v1::Job& job) {
  const v1::FetchSpec& spec = job.spec();
  for (const std::string& url : spec.urls()) sheet.Add(0, "URL", url);
  sheet.Add(0, "Destination", job.destination());
  for (const std::string& more : job.more_destinations()) sheet.Add(0, "Destination", more);
  AddObject(sheet, job.object());
  for (const v1::Header& header : spec.headers()) {
    const std::string& secret = header.secret();
    sheet.Add(0, "Header",
              Concat(header.name(), ": ", secret.empty() ? header.value() : OfSecret(secret)));
  }
  AddCredentials(sheet, spec.credentials());
  AddPartWanted(sheet, spec);
  for (const std::string& digest : spec.digests()) sheet.Add(0, "Expected digest", digest);
  if (spec.has_expected_size()) sheet.Add(0, "Expected size", FormatBytes(spec.expected_size()));
  sheet.Add(0, "Proxy", spec.proxy());
  for (const auto& [key, value] : job.labels()) sheet.Add(0, "Label", Concat(key, "=", value));
  sheet.Add(0, "Tenant", job.tenant());
  if (!job.batch().empty()) {
    sheet.Add(0, "Batch", Concat(job.batch(), ", entry ", job.batch_entry()));
  }
  sheet.Add(0, "Priority", Concat(job.priority()));
  sheet.Add(0, "Request id", job.request_id());
}

void AddTimes(Sheet& sheet, const v1::Job& job) {
  sheet.Add(0, "Created", Time(job.has_create_time(), job.create_time()));
  sheet.Add(0, "Not before", Time(job.has_not_before(), job.not_before()));
  sheet.Add(0, "Deadline", Time(job.has_deadline(), job.deadline()));
  sheet.Add(0, "Started", Time(job.has_start_time(), job.start_time()));
  sheet.Add(0, "Ended", Time(job.has_end_time(), job.end_time()));
}

void AddProgress(Sheet& sheet, const v1::Progress& progress) {
  std::string text = FormatBytes(progress.received_bytes());
  if (progress.has_total_bytes()) {
    text +=
        Concat(" of ", FormatBytes(progress.total_bytes()), " (", PercentOrBytes(progress), ")");
  }
  if (progress.rate_bytes_per_sec() > 0) {
    text +=
        Concat(", ", FormatBytes(static_cast<std::uint64_t>(progress.rate_bytes_per_sec())), "/s");
  }
  if (progress.has_eta()) text += Concat(", ", FormatDuration(progress.eta()), " left");
  sheet.Add(0, "Progress", text);
}

void AddDeliveries(Sheet& sheet, const v1::Result& result) {
  if (result.deliveries().empty()) sheet.Add(1, "Destination", result.destination());
  for (const v1::Result::Delivery& delivery : result.deliveries()) {
    sheet.Add(1, "Destination", delivery.destination());
    if (delivery.has_error()) {
      AddError(sheet, 2, delivery.error());
    } else {
      sheet.Add(2, "Digest", delivery.digest());
    }
  }
}

void AddResult(Sheet& sheet, const v1::Result& result) {
  sheet.Title(0, "Result");
  if (result.not_modified()) sheet.Add(1, "Not modified", "nothing was fetched");
  AddDeliveries(sheet, result);
  sheet.Add(1, "Size",
            Concat(result.size_bytes(), " bytes (", FormatBytes(result.size_bytes()), ")"));
  sheet.Add(1, "SHA-256", Sha256Hex(result));
  for (const std::string& digest : result.digests()) sheet.Add(1, "Digest", digest);
  sheet.Add(1, "Final URL", result.final_url());
  sheet.Add(1, "HTTP status", Concat(result.http_status()));
  sheet.Add(1, "ETag", result.etag());
  for (const v1::Header& header : result.headers()) {
    sheet.Add(1, "Header", Concat(header.name(), ": ", header.value()));
  }
}

void AddHop(Sheet& sheet, const v1::Attempt::Hop& hop) {
  std::string head = hop.url();
  if (hop.http_status() != 0) head += Concat(" -> ", hop.http_status());
  sheet.Add(2, "Request", head);
  sheet.Add(3, "Proxy", hop.proxy());
  std::string times = Concat("pool ", FormatDuration(hop.pool_wait()));
  if (hop.joined()) times += ", joined a read under way";
  if (hop.reused()) {
    times += hop.redialled() ? ", connection was stale and was replaced" : ", reused connection";
  }
  if (hop.has_dns()) {
    times += Concat(", DNS ", FormatDuration(hop.dns()), hop.dns_cached() ? " (cached)" : "");
  }
  if (hop.has_connect()) times += Concat(", connect ", FormatDuration(hop.connect()));
  if (hop.has_proxy_negotiation()) {
    times += Concat(", proxy ", FormatDuration(hop.proxy_negotiation()));
  }
  if (hop.has_tls()) {
    times += Concat(", TLS ", FormatDuration(hop.tls()), hop.tls_resumed() ? " (resumed)" : "");
  }
  if (hop.has_first_byte()) times += Concat(", first byte ", FormatDuration(hop.first_byte()));
  sheet.Add(3, "Waited", times);
  sheet.Add(3, "TLS", hop.tls_description());
  for (const v1::Attempt::Address& address : hop.addresses()) {
    sheet.Add(3, "Address",
              Concat(address.address(), " ", address.outcome(), " after ",
                     FormatDuration(address.duration())));
  }
}

void AddAttempt(Sheet& sheet, const v1::Attempt& attempt) {
  const std::string outcome =
      WithoutPrefix(v1::Attempt::Outcome_Name(attempt.outcome()), "OUTCOME_");
  sheet.Add(1, Concat("Attempt ", attempt.number()),
            Concat(outcome, " after ", FormatDuration(attempt.duration()), ", received ",
                   FormatBytes(attempt.received_bytes())));
  sheet.Add(2, "Started", Time(attempt.has_start_time(), attempt.start_time()));
  sheet.Add(2, "Waited",
            Concat("permit ", FormatDuration(attempt.transfer_permit_wait()), ", buffers ",
                   FormatDuration(attempt.buffer_wait())));
  if (attempt.resumed_from_bytes() > 0) {
    sheet.Add(2, "Resumed from", FormatBytes(attempt.resumed_from_bytes()));
  }
  if (attempt.restarted()) sheet.Add(2, "Restarted", "the origin sent the body anew");
  for (const v1::Attempt::Hop& hop : attempt.hops()) AddHop(sheet, hop);
  sheet.Add(2, "Failed phase", attempt.failed_phase());
  if (attempt.has_error()) AddError(sheet, 2, attempt.error());
  sheet.Add(2, "Decision", attempt.decision());
}

std::string LimitText(const v1::Status::Limit& limit, bool bytes) {
  const auto show = [bytes](std::uint64_t value) {
    return bytes ? FormatBytes(value) : Concat(value);
  };
  return Concat(show(limit.in_use()), " of ", show(limit.limit()), ", peak ", show(limit.peak()),
                ", ", limit.waiting(), " waiting");
}

std::string PoolWaitText(const v1::Status::Dials& dials) {
  std::string text = Concat("mean ", FormatDuration(dials.pool_wait_mean()), ", 99 % within ");
  text += dials.has_pool_wait_p99() ? FormatDuration(dials.pool_wait_p99()) : "more than 1m";
  if (dials.has_pool_wait_max()) text += Concat(", max ", FormatDuration(dials.pool_wait_max()));
  return text;
}

void AddDials(Sheet& sheet, const v1::Status::Dials& dials) {
  sheet.Add(1, "Connection reuse",
            Concat(Percent(dials.connection_reuse_ratio()), ", ", dials.connections_opened(),
                   " opened for ", dials.requests(), " requests"));
  sheet.Add(1, "Pool wait", PoolWaitText(dials));
  sheet.Add(1, "In flight",
            Concat(dials.in_flight(), ", peak ", dials.peak_in_flight(), " of ", dials.limit()));
  sheet.Add(1, "Retry rate",
            Concat(Percent(dials.retry_ratio()), ", ", dials.retries(), " retries"));
  sheet.Add(1, "Loop lag", FormatDuration(dials.loop_lag()));
}

void AddOrigin(Sheet& sheet, const std::string& name, const v1::Status::Origin& origin) {
  const v1::Status::Dials& dials = origin.dials();
  sheet.Title(1, name);
  sheet.Add(2, "Connections",
            Concat(origin.open(), " open, ", origin.idle(), " idle, ", origin.waiting(),
                   " requests waiting"));
  std::string in_flight = Concat(dials.in_flight());
  if (dials.limit() > 0) {
    in_flight += Concat(", peak ", dials.peak_in_flight(), " of ", dials.limit());
  }
  sheet.Add(2, "In flight", in_flight);
  sheet.Add(2, "Reuse",
            Concat(Percent(dials.connection_reuse_ratio()), ", ", dials.connections_opened(),
                   " opened for ", dials.requests(), " requests"));
  sheet.Add(2, "Pool wait", PoolWaitText(dials));
  sheet.Add(2, "Retries", Concat(Percent(dials.retry_ratio()), ", ", dials.retries()));
}

void AddReplicas(Sheet& sheet, const v1::Status& status) {
  sheet.Title(0, "Replicas");
  for (const v1::Status::Replica& replica : status.replicas()) {
    sheet.Add(1, replica.host(),
              Concat(replica.running_jobs(), " jobs running, ", LeaseText(replica),
                     replica.is_self() ? "; it answers here" : ""));
  }
}

std::string StoredText(const v1::Status::Tenant& tenant) {
  std::string text = FormatBytes(tenant.stored_bytes());
  if (tenant.has_max_stored_bytes()) text += " of " + FormatBytes(tenant.max_stored_bytes());
  return text + " stored";
}

void AddTenants(Sheet& sheet, const v1::Status& status) {
  sheet.Title(0, "Tenants");
  for (const v1::Status::Tenant& tenant : status.tenants()) {
    const std::uint64_t all = tenant.waiting() + tenant.running() + tenant.paused();
    sheet.Add(1, tenant.tenant(),
              Concat(all, " of ", tenant.max_jobs(), " jobs: ", tenant.running(), " running, ",
                     tenant.waiting(), " waiting, ", tenant.paused(), " paused; weight ",
                     tenant.weight(), "; ", StoredText(tenant)));
  }
  if (status.other_tenants() > 0) sheet.Add(1, "others", Concat(status.other_tenants()));
}

}  // namespace

std::string DescribeJob(const v1::Job& job) {
  Sheet sheet;
  sheet.Add(0, "Name", job.name());
  sheet.Add(0, "State", v1::Job::State_Name(job.state()));
  if (job.has_error()) AddError(sheet, 0, job.error());
  AddSpec(sheet, job);
  AddTimes(sheet, job);
  AddProgress(sheet, job.progress());
  if (job.has_result()) AddResult(sheet, job.result());
  sheet.Add(0, "Attempts", Concat(job.attempt_count()));
  for (const v1::Attempt& attempt : job.attempts()) AddAttempt(sheet, attempt);
  return std::move(sheet).Take();
}

std::string LeaseText(const v1::Status::Replica& replica) {
  const auto& left = replica.lease_left();
  if (left.seconds() == 0 && left.nanos() == 0) return "lost: others take its jobs";
  return Concat("lease ends in ", FormatDuration(left));
}

std::string DescribeStatus(const v1::Status& status, bool wide) {
  Sheet sheet;
  sheet.Add(0, "Version", status.version());
  sheet.Add(0, "Started", Time(status.has_start_time(), status.start_time()));
  sheet.Add(0, "Draining", status.draining() ? "yes" : "no");
  sheet.Title(0, "Dials");
  AddDials(sheet, status.dials());
  sheet.Title(0, "Limits");
  sheet.Add(1, "Transfers", LimitText(status.transfers(), false));
  sheet.Add(1, "Connections", LimitText(status.connections(), false));
  sheet.Add(1, "Buffers", LimitText(status.buffer_bytes(), true));
  sheet.Title(0, "Jobs");
  for (int state = v1::Job::QUEUED; state <= v1::Job::PAUSED; ++state) {
    const std::string name = v1::Job::State_Name(static_cast<v1::Job::State>(state));
    const auto found = status.jobs_by_state().find(name);
    sheet.Add(1, name, Concat(found == status.jobs_by_state().end() ? 0 : found->second));
  }
  sheet.Add(0, "Received", FormatBytes(status.received_bytes()));
  sheet.Add(0, "Store",
            Concat(status.store_changes(), " changes in ", status.store_commits(), " commits"));
  if (status.replicas_size() > 0) AddReplicas(sheet, status);
  if (!wide) return std::move(sheet).Take();
  AddTenants(sheet, status);
  sheet.Title(0, "Origins");
  for (const v1::Status::Origin& origin : status.origins()) {
    AddOrigin(sheet, origin.origin(), origin);
  }
  if (status.other_origins().dials().requests() > 0) {
    AddOrigin(sheet, "others", status.other_origins());
  }
  sheet.Title(0, "Shards");
  for (const v1::Status::Shard& shard : status.shards()) {
    sheet.Add(1, Concat(shard.index()),
              Concat("loop lag ", FormatDuration(shard.loop_lag()), ", peak ",
                     FormatDuration(shard.loop_lag_peak())));
  }
  return std::move(sheet).Take();
}

}  // namespace fetchd::cli
