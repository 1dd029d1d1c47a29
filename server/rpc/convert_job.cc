#include "rpc/convert_job.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/strings.h"
#include "base/utf8.h"
#include "rpc/convert_batch.h"
#include "rpc/convert_spec.h"
#include "rpc/convert_time.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

v1::Result::Delivery DeliveryToProto(const jobs::Delivery& delivery) {
  v1::Result::Delivery out;
  out.set_destination(delivery.destination);
  if (!delivery.error.ok()) *out.mutable_error() = ToProtoStatus(delivery.error);
  out.set_unchanged(delivery.unchanged);
  out.set_digest(delivery.digest);
  return out;
}

v1::Result ResultToProto(const jobs::Result& result) {
  v1::Result out;
  out.set_final_url(result.final_url);
  out.set_http_status(result.http_status);
  for (const auto& header : result.headers) *out.add_headers() = ToProto(header);
  out.set_size_bytes(result.size_bytes);
  for (const Digest& digest : result.digests) out.add_digests(digest.ToSri());
  out.set_etag(ToUtf8(result.etag));
  out.set_destination(result.destination);
  out.set_not_modified(result.not_modified);
  out.set_unchanged(result.unchanged);
  for (const jobs::Delivery& delivery : result.deliveries) {
    *out.add_deliveries() = DeliveryToProto(delivery);
  }
  return out;
}

/// What is known of a job that does not run here.
fetch::Progress StoredProgress(const jobs::Job& job) {
  fetch::Progress progress;
  if (job.result && jobs::IsTerminal(job.state)) {
    progress.received_bytes = job.result->size_bytes;
    progress.total_bytes = job.result->size_bytes;
  } else {
    progress.received_bytes = job.checkpoint.bytes;
    progress.total_bytes = job.checkpoint.total_bytes;
  }
  return progress;
}

absl::StatusOr<jobs::State> ReadState(int state, const std::string& field) {
  for (const jobs::State candidate :
       {jobs::State::kQueued, jobs::State::kRunning, jobs::State::kWaiting,
        jobs::State::kInterrupted, jobs::State::kSucceeded, jobs::State::kFailed,
        jobs::State::kCancelled, jobs::State::kPaused}) {
    if (ToProto(candidate) == state) return candidate;
  }
  return InvalidField(field, "unknown state");
}

/// While a job runs again, what its last attempt met is no longer its state.
bool ShowsError(jobs::State state) {
  return state == jobs::State::kWaiting || state == jobs::State::kFailed ||
         state == jobs::State::kCancelled;
}

void WriteTimes(const jobs::Job& job, v1::Job& out) {
  *out.mutable_deadline() = ToProto(job.deadline_at);
  if (job.not_before_at) *out.mutable_not_before() = ToProto(*job.not_before_at);
  *out.mutable_create_time() = ToProto(job.created_at);
  *out.mutable_update_time() = ToProto(job.updated_at);
  if (job.started_at) *out.mutable_start_time() = ToProto(*job.started_at);
  if (job.finished_at) *out.mutable_end_time() = ToProto(*job.finished_at);
}

absl::Status ReadBatch(const v1::Job& in, jobs::Job& out) {
  if (in.batch().empty()) {
    if (in.batch_entry() == 0) return absl::OkStatus();
    return InvalidField("batch_entry", "is of a batch: give that too");
  }
  ASSIGN_OR_RETURN(out.batch, ParseBatchName(in.batch(), "batch"));
  out.batch_entry = in.batch_entry();
  if (out.batch_entry >= 1) return absl::OkStatus();
  return InvalidField("batch_entry", "needed with a batch: the entry's number, from 1");
}

}  // namespace

absl::StatusOr<jobs::Overwrite> ReadOverwrite(v1::Job::Overwrite overwrite) {
  switch (overwrite) {
    case v1::Job::OVERWRITE_UNSPECIFIED:
    case v1::Job::OVERWRITE_ALWAYS:
      return jobs::Overwrite::kAlways;
    case v1::Job::OVERWRITE_NEVER:
      return jobs::Overwrite::kNever;
    case v1::Job::OVERWRITE_IF_DIFFERENT:
      return jobs::Overwrite::kIfDifferent;
    default:
      return InvalidField("overwrite", "unknown overwrite policy");
  }
}

v1::Job::Overwrite OverwriteToProto(jobs::Overwrite overwrite) {
  switch (overwrite) {
    case jobs::Overwrite::kAlways:
      return v1::Job::OVERWRITE_ALWAYS;
    case jobs::Overwrite::kNever:
      return v1::Job::OVERWRITE_NEVER;
    case jobs::Overwrite::kIfDifferent:
      return v1::Job::OVERWRITE_IF_DIFFERENT;
  }
  return v1::Job::OVERWRITE_UNSPECIFIED;
}

jobs::ObjectSettings FromProto(const v1::ObjectSettings& in) {
  return {.content_type = in.content_type(),
          .content_disposition = in.content_disposition(),
          .cache_control = in.cache_control(),
          .storage_class = in.storage_class(),
          .metadata = {in.metadata().begin(), in.metadata().end()},
          .tags = {in.tags().begin(), in.tags().end()}};
}

v1::ObjectSettings ToProto(const jobs::ObjectSettings& object) {
  v1::ObjectSettings out;
  out.set_content_type(object.content_type);
  out.set_content_disposition(object.content_disposition);
  out.set_cache_control(object.cache_control);
  out.set_storage_class(object.storage_class);
  out.mutable_metadata()->insert(object.metadata.begin(), object.metadata.end());
  out.mutable_tags()->insert(object.tags.begin(), object.tags.end());
  return out;
}

absl::StatusOr<jobs::Job> FromProto(const v1::Job& in, WallTime now) {
  jobs::Job out;
  ASSIGN_OR_RETURN(out.spec, FromProto(in.spec()));
  out.destination = in.destination();
  for (const std::string& more : in.more_destinations()) {
    out.more_destinations.push_back({.asked_for = more});
  }
  out.object = FromProto(in.object());
  ASSIGN_OR_RETURN(out.overwrite, ReadOverwrite(in.overwrite()));
  out.priority = in.priority();
  out.labels.insert(in.labels().begin(), in.labels().end());
  if (!in.tenant().empty()) out.tenant = in.tenant();
  RETURN_IF_ERROR(ReadBatch(in, out));
  out.created_at = now;
  out.updated_at = now;
  out.ready_at = now;
  if (in.has_not_before()) {
    ASSIGN_OR_RETURN(out.not_before_at, FromProto(in.not_before(), "not_before"));
    out.ready_at = std::max(now, *out.not_before_at);
  }
  out.deadline_at = out.ready_at + kDefaultJobDeadline;
  if (in.has_deadline()) {
    ASSIGN_OR_RETURN(out.deadline_at, FromProto(in.deadline(), "deadline"));
  }
  return out;
}

v1::Job ToProto(const jobs::Job& job, const std::optional<fetch::Progress>& live) {
  v1::Job out;
  if (!job.id.str().empty()) out.set_name(job.id.name());
  *out.mutable_spec() = ToProto(job.spec);
  out.set_destination(job.destination);
  for (const jobs::MoreDestination& more : job.more_destinations) {
    out.add_more_destinations(more.resolved);
  }
  if (!job.object.empty()) *out.mutable_object() = ToProto(job.object);
  out.set_overwrite(OverwriteToProto(job.overwrite));
  out.set_priority(job.priority);
  out.mutable_labels()->insert(job.labels.begin(), job.labels.end());
  out.set_tenant(job.tenant);
  WriteTimes(job, out);
  out.set_state(ToProto(job.state));
  const bool runs_here = live && job.state == jobs::State::kRunning;
  *out.mutable_progress() = ToProto(runs_here ? *live : StoredProgress(job));
  if (job.result) *out.mutable_result() = ResultToProto(*job.result);
  if (ShowsError(job.state) && !job.error.ok()) *out.mutable_error() = ToProtoStatus(job.error);
  out.set_attempt_count(job.attempt);
  out.set_request_id(job.request_id);
  if (!job.batch.empty()) out.set_batch(job.batch.name());
  out.set_batch_entry(job.batch_entry);
  return out;
}

v1::Progress ToProto(const fetch::Progress& progress) {
  v1::Progress out;
  out.set_received_bytes(progress.received_bytes);
  if (progress.total_bytes) out.set_total_bytes(*progress.total_bytes);
  out.set_rate_bytes_per_sec(progress.rate_bytes_per_sec);
  if (progress.eta) *out.mutable_eta() = ToProto(*progress.eta);
  return out;
}

v1::Job::State ToProto(jobs::State state) {
  switch (state) {
    case jobs::State::kQueued:
      return v1::Job::QUEUED;
    case jobs::State::kRunning:
      return v1::Job::RUNNING;
    case jobs::State::kWaiting:
      return v1::Job::WAITING;
    case jobs::State::kInterrupted:
      return v1::Job::INTERRUPTED;
    case jobs::State::kSucceeded:
      return v1::Job::SUCCEEDED;
    case jobs::State::kFailed:
      return v1::Job::FAILED;
    case jobs::State::kPaused:
      return v1::Job::PAUSED;
    case jobs::State::kCancelled:
      return v1::Job::CANCELLED;
  }
  return v1::Job::STATE_UNSPECIFIED;
}

absl::StatusOr<jobs::JobFilter> FromProto(const v1::JobFilter& in) {
  jobs::JobFilter out;
  for (int i = 0; i < in.states_size(); ++i) {
    ASSIGN_OR_RETURN(const jobs::State state,
                     ReadState(in.states(i), Concat("filter.states[", i, "]")));
    out.states.push_back(state);
  }
  out.labels.insert(in.labels().begin(), in.labels().end());
  out.tenant = in.tenant();
  if (!in.origin().empty()) {
    const absl::StatusOr<Origin> origin = Origin::Parse(in.origin());
    if (!origin.ok()) return InvalidField("filter.origin", MessageOf(origin.status()));
    out.origin = origin->ToString();
  }
  if (!in.batch().empty()) {
    ASSIGN_OR_RETURN(out.batch, ParseBatchName(in.batch(), "filter.batch"));
  }
  if (in.has_created_after()) {
    ASSIGN_OR_RETURN(out.created_after, FromProto(in.created_after(), "filter.created_after"));
  }
  if (in.has_created_before()) {
    ASSIGN_OR_RETURN(out.created_before, FromProto(in.created_before(), "filter.created_before"));
  }
  return out;
}

absl::StatusOr<int> ReadPageSize(int wanted) {
  constexpr int kDefaultPageSize = 100;
  constexpr int kMaxPageSize = 1000;
  if (wanted < 0) return InvalidField("page_size", "must not be negative");
  return wanted == 0 ? kDefaultPageSize : std::min(wanted, kMaxPageSize);
}

v1::Header ToProto(const std::pair<std::string, std::string>& header) {
  v1::Header out;
  out.set_name(header.first);
  out.set_value(ToUtf8(header.second));
  return out;
}

absl::StatusOr<JobId> ParseName(const std::string& name, const std::string& field) {
  auto id = name.starts_with("jobs/") ? JobId::Parse(name)
                                      : absl::StatusOr<JobId>(absl::InvalidArgumentError(""));
  if (!id.ok())
    return InvalidField(field, "not a job's name; they look like jobs/01h2xcejqtf2nbrexx3vqjhp41");
  return id;
}

}  // namespace fetchd::rpc
