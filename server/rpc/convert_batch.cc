#include "rpc/convert_batch.h"

#include <algorithm>
#include <utility>

#include "base/signed_url.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "fetchd/v1/fetch_service.pb.h"
#include "rpc/convert_job.h"
#include "rpc/convert_time.h"
#include "rpc/status.h"

namespace fetchd::rpc {
namespace {

constexpr std::size_t kMaxDisplayName = 255;
constexpr std::size_t kMaxUrlBytes = 8192;
constexpr int kMaxPriority = 100;

absl::StatusOr<jobs::JobDefaults> DefaultsFromProto(const v1::Batch::Defaults& in) {
  jobs::JobDefaults out;
  out.destination = in.destination();
  ASSIGN_OR_RETURN(out.overwrite, ReadOverwrite(in.overwrite()));
  out.priority = in.priority();
  if (out.priority < -kMaxPriority || out.priority > kMaxPriority) {
    return InvalidField("defaults.priority", "-100 to 100");
  }
  out.tenant = in.tenant();
  if (!out.tenant.empty() && !jobs::IsTenantName(out.tenant)) {
    return InvalidField("defaults.tenant",
                        "1 to 63 of a-z, 0-9, '.', '_' and '-', a letter or a digit first");
  }
  out.labels.insert(in.labels().begin(), in.labels().end());
  if (in.has_deadline()) {
    ASSIGN_OR_RETURN(out.deadline_at, FromProto(in.deadline(), "defaults.deadline"));
  }
  return out;
}

v1::Batch::Defaults DefaultsToProto(const jobs::JobDefaults& defaults) {
  v1::Batch::Defaults out;
  out.set_destination(defaults.destination);
  out.set_overwrite(OverwriteToProto(defaults.overwrite));
  out.set_priority(defaults.priority);
  out.set_tenant(defaults.tenant);
  out.mutable_labels()->insert(defaults.labels.begin(), defaults.labels.end());
  if (defaults.deadline_at) *out.mutable_deadline() = ToProto(*defaults.deadline_at);
  return out;
}

v1::Batch::State StateToProto(jobs::BatchState state) {
  switch (state) {
    case jobs::BatchState::kOpen:
      return v1::Batch::OPEN;
    case jobs::BatchState::kRunning:
      return v1::Batch::RUNNING;
    case jobs::BatchState::kSucceeded:
      return v1::Batch::SUCCEEDED;
    case jobs::BatchState::kFailed:
      return v1::Batch::FAILED;
    case jobs::BatchState::kCancelled:
      return v1::Batch::CANCELLED;
  }
  return v1::Batch::STATE_UNSPECIFIED;
}

v1::Batch::Action ActionToProto(jobs::BatchAction action) {
  switch (action) {
    case jobs::BatchAction::kNone:
      return v1::Batch::ACTION_UNSPECIFIED;
    case jobs::BatchAction::kCancel:
      return v1::Batch::CANCEL;
    case jobs::BatchAction::kRetry:
      return v1::Batch::RETRY;
    case jobs::BatchAction::kRetryAll:
      return v1::Batch::RETRY_ALL;
    case jobs::BatchAction::kDelete:
      return v1::Batch::DELETE;
  }
  return v1::Batch::ACTION_UNSPECIFIED;
}

void WriteTally(const jobs::Tally& tally, v1::Batch::Tally& out) {
  out.set_objects(tally.objects);
  out.set_bytes(tally.bytes);
}

void WriteCounters(const jobs::BatchCounters& counters, v1::Batch::Counters& out) {
  WriteTally(counters.Found(), *out.mutable_found());
  WriteTally(counters.queued, *out.mutable_queued());
  WriteTally(counters.running, *out.mutable_running());
  WriteTally(counters.succeeded, *out.mutable_succeeded());
  WriteTally(counters.failed, *out.mutable_failed());
  WriteTally(counters.skipped, *out.mutable_skipped());
  WriteTally(counters.cancelled, *out.mutable_cancelled());
}

void WriteErrors(const jobs::BatchErrors& errors, v1::Batch::ErrorGroup& out) {
  out.set_code(static_cast<int>(errors.kind.code));
  out.set_reason(errors.kind.reason);
  out.set_http_status(errors.kind.http_status);
  out.set_count(errors.count);
  for (const jobs::BatchErrors::Sample& sample : errors.samples) {
    v1::Batch::Sample& one = *out.add_samples();
    if (!sample.job.empty()) one.set_job(sample.job.name());
    one.set_entry(sample.entry);
    one.set_url(ToUtf8(sample.url));
    one.set_message(ToUtf8(sample.message));
  }
}

}  // namespace

absl::StatusOr<jobs::Batch> FromProto(const v1::Batch& in, WallTime now) {
  jobs::Batch out;
  if (in.display_name().size() > kMaxDisplayName || HasControl(in.display_name())) {
    return InvalidField("display_name", "up to 255 bytes without control characters");
  }
  out.display_name = in.display_name();
  ASSIGN_OR_RETURN(out.defaults, DefaultsFromProto(in.defaults()));
  if (out.defaults.deadline_at && *out.defaults.deadline_at <= now) {
    return InvalidField("defaults.deadline", "is in the past");
  }
  out.created_at = now;
  out.updated_at = now;
  return out;
}

v1::Batch ToProto(const jobs::Batch& batch) {
  v1::Batch out;
  out.set_name(batch.id.name());
  out.set_display_name(batch.display_name);
  *out.mutable_defaults() = DefaultsToProto(batch.defaults);
  out.set_state(StateToProto(jobs::StateOf(batch)));
  WriteCounters(batch.counters, *out.mutable_counters());
  *out.mutable_create_time() = ToProto(batch.created_at);
  *out.mutable_update_time() = ToProto(batch.updated_at);
  out.set_request_id(batch.request_id);
  out.set_pending_action(ActionToProto(batch.action));
  out.set_etag(Concat(batch.version));
  return out;
}

v1::Batch ToProto(const jobs::Batch& batch, const std::vector<jobs::BatchErrors>& errors) {
  v1::Batch out = ToProto(batch);
  for (const jobs::BatchErrors& group : errors) WriteErrors(group, *out.add_errors());
  return out;
}

v1::BatchEntry ToProto(const jobs::BatchEntry& entry) {
  v1::BatchEntry out;
  out.set_entry(entry.entry);
  out.set_url(ToUtf8(entry.url));
  out.set_destination(ToUtf8(entry.destination));
  out.set_request_id(entry.request_id);
  if (entry.error.ok()) {
    out.set_job(entry.job.name());
  } else {
    *out.mutable_error() = ToProtoStatus(entry.error);
  }
  return out;
}

absl::StatusOr<BatchId> ParseBatchName(const std::string& name, const std::string& field) {
  auto id = BatchId::ParseName(name);
  if (!id.ok()) return InvalidField(field, MessageOf(id.status()));
  return id;
}

void FillIn(const jobs::JobDefaults& defaults, v1::Job& job) {
  if (job.destination().empty()) job.set_destination(defaults.destination);
  if (job.overwrite() == v1::Job::OVERWRITE_UNSPECIFIED) {
    job.set_overwrite(OverwriteToProto(defaults.overwrite));
  }
  if (job.priority() == 0) job.set_priority(defaults.priority);
  if (job.tenant().empty()) job.set_tenant(jobs::TenantOf(defaults));
  for (const auto& label : defaults.labels)
    job.mutable_labels()->insert({label.first, label.second});
  if (!job.has_deadline() && defaults.deadline_at) {
    *job.mutable_deadline() = ToProto(*defaults.deadline_at);
  }
}

jobs::BatchEntry RefusedEntry(const v1::CreateJobRequest& request, BatchId batch,
                              const absl::Status& error) {
  jobs::BatchEntry entry;
  entry.batch = std::move(batch);
  entry.entry = request.job().batch_entry();
  if (request.job().spec().urls_size() > 0) {
    const std::string url = WithoutUserinfo(request.job().spec().urls(0));
    entry.url = HideSignatures(std::string_view(url).substr(0, kMaxUrlBytes));
    entry.url.resize(std::min(entry.url.size(), kMaxUrlBytes));
  }
  entry.destination = request.job().destination().substr(0, kMaxUrlBytes);
  entry.request_id = request.request_id().substr(0, 128);
  entry.error = error;
  return entry;
}

bool IsRefusal(const absl::Status& error) {
  return absl::IsInvalidArgument(error) || absl::IsPermissionDenied(error) ||
         absl::IsAlreadyExists(error);
}

}  // namespace fetchd::rpc
