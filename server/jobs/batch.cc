#include "jobs/batch.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "base/strings.h"

namespace fetchd::jobs {
namespace {

constexpr auto kFateNames = std::to_array<std::pair<EntryFate, const char*>>({
    {EntryFate::kQueued, "QUEUED"},
    {EntryFate::kRunning, "RUNNING"},
    {EntryFate::kSucceeded, "SUCCEEDED"},
    {EntryFate::kFailed, "FAILED"},
    {EntryFate::kSkipped, "SKIPPED"},
    {EntryFate::kCancelled, "CANCELLED"},
});
static_assert(kFateNames.size() == kEntryFates);

constexpr auto kActionNames = std::to_array<std::pair<BatchAction, const char*>>({
    {BatchAction::kNone, ""},
    {BatchAction::kCancel, "CANCEL"},
    {BatchAction::kRetry, "RETRY"},
    {BatchAction::kRetryAll, "RETRY_ALL"},
    {BatchAction::kDelete, "DELETE"},
});

constexpr std::uint64_t kMostBytes = std::numeric_limits<std::int64_t>::max();

EntryFate FateOf(const Job& job) {
  switch (job.state) {
    case State::kQueued:
    case State::kWaiting:
    case State::kInterrupted:
    case State::kPaused:
      return EntryFate::kQueued;
    case State::kRunning:
      return EntryFate::kRunning;
    case State::kSucceeded:
      return job.result && (job.result->not_modified || job.result->unchanged)
                 ? EntryFate::kSkipped
                 : EntryFate::kSucceeded;
    case State::kFailed:
      return EntryFate::kFailed;
    case State::kCancelled:
      return EntryFate::kCancelled;
  }
  return EntryFate::kFailed;
}

std::uint64_t BytesOf(const Job& job) {
  if (job.result) return job.result->size_bytes;
  if (job.checkpoint.total_bytes) return *job.checkpoint.total_bytes;
  return job.spec.expected_size.value_or(0);
}

/// Cuts the text before the next '/' off.
std::string_view CutPart(std::string_view& text) {
  const std::size_t end = std::min(text.find('/'), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

std::optional<int> ParseInt(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

absl::Status Busy(const Batch& batch, const char* what) {
  return WithReason(
      absl::FailedPreconditionError(Concat("batch ", batch.id.str(), " cannot be ", what, " while ",
                                           BatchActionName(batch.action),
                                           " goes on; wait until its pending_action is empty")),
      {"BATCH_BUSY", {{"batch", batch.id.name()}}});
}

bool IsLive(const Batch& batch) {
  return batch.counters.queued.objects + batch.counters.running.objects > 0;
}

absl::Status BeginRetry(BatchAction action, Batch& batch) {
  if (batch.action != BatchAction::kNone && batch.action != action) return Busy(batch, "retried");
  batch.action = action;
  batch.cancelled = false;
  return absl::OkStatus();
}

absl::Status BeginDelete(Batch& batch) {
  if (batch.action == BatchAction::kDelete) return absl::OkStatus();
  if (batch.action != BatchAction::kNone) return Busy(batch, "deleted");
  if (IsLive(batch)) {
    return absl::FailedPreconditionError(Concat("batch ", batch.id.str(),
                                                " has jobs that have not ended and cannot be "
                                                "deleted; cancel it, or wait for them"));
  }
  batch.action = BatchAction::kDelete;
  batch.sealed = true;
  return absl::OkStatus();
}

}  // namespace

const char* EntryFateName(EntryFate fate) {
  return kFateNames.at(static_cast<std::size_t>(fate)).second;
}

std::optional<EntryFate> ParseEntryFate(std::string_view name) {
  for (const auto& [fate, text] : kFateNames) {
    if (name == text) return fate;
  }
  return std::nullopt;
}

Tally& BatchCounters::Of(EntryFate fate) {
  return const_cast<Tally&>(std::as_const(*this).Of(fate));
}

const Tally& BatchCounters::Of(EntryFate fate) const {
  switch (fate) {
    case EntryFate::kQueued:
      return queued;
    case EntryFate::kRunning:
      return running;
    case EntryFate::kSucceeded:
      return succeeded;
    case EntryFate::kSkipped:
      return skipped;
    case EntryFate::kCancelled:
      return cancelled;
    case EntryFate::kFailed:
      break;
  }
  return failed;
}

Tally BatchCounters::Found() const {
  Tally found;
  for (const auto& [fate, name] : kFateNames) {
    found.objects += Of(fate).objects;
    found.bytes = std::min(kMostBytes, found.bytes + Of(fate).bytes);
  }
  return found;
}

ErrorKind ErrorKind::Of(const absl::Status& status) {
  ErrorKind kind{status.code(), "", 0};
  const std::optional<Reason> reason = GetReason(status);
  if (!reason) return kind;
  kind.reason = reason->reason;
  if (kind.reason != "HTTP_STATUS") return kind;
  for (const auto& [key, value] : reason->metadata) {
    if (key == "status") kind.http_status = ParseInt(value).value_or(0);
  }
  return kind;
}

std::string ErrorKind::ToString() const {
  return Concat(static_cast<int>(code), '/', http_status, '/', reason);
}

std::optional<ErrorKind> ErrorKind::Parse(std::string_view text) {
  const std::optional<int> code = ParseInt(CutPart(text));
  const std::optional<int> http_status = ParseInt(CutPart(text));
  if (!code || !http_status) return std::nullopt;
  return ErrorKind{static_cast<absl::StatusCode>(*code), std::string(text), *http_status};
}

BatchShare BatchShareOf(const Job& job) {
  BatchShare share{FateOf(job), std::min(BytesOf(job), kMostShareBytes), ""};
  if (share.fate == EntryFate::kFailed) share.error = ErrorKind::Of(job.error).ToString();
  return share;
}

const char* BatchStateName(BatchState state) {
  switch (state) {
    case BatchState::kOpen:
      return "OPEN";
    case BatchState::kRunning:
      return "RUNNING";
    case BatchState::kSucceeded:
      return "SUCCEEDED";
    case BatchState::kFailed:
      return "FAILED";
    case BatchState::kCancelled:
      return "CANCELLED";
  }
  return "UNKNOWN";
}

const char* BatchActionName(BatchAction action) {
  return kActionNames.at(static_cast<std::size_t>(action)).second;
}

std::optional<BatchAction> ParseBatchAction(std::string_view name) {
  for (const auto& [action, text] : kActionNames) {
    if (name == text) return action;
  }
  return std::nullopt;
}

BatchState StateOf(const Batch& batch) {
  if (!batch.sealed) return BatchState::kOpen;
  if (IsLive(batch) || batch.action != BatchAction::kNone) return BatchState::kRunning;
  if (batch.cancelled && batch.counters.cancelled.objects > 0) return BatchState::kCancelled;
  if (batch.counters.failed.objects > 0) return BatchState::kFailed;
  const bool stopped = batch.cancelled || batch.counters.cancelled.objects > 0;
  return stopped ? BatchState::kCancelled : BatchState::kSucceeded;
}

std::string TenantOf(const JobDefaults& defaults) {
  return defaults.tenant.empty() ? kDefaultTenant : defaults.tenant;
}

std::string TenantOf(const Batch& batch) { return TenantOf(batch.defaults); }

bool HasEnded(const Batch& batch) {
  const BatchState state = StateOf(batch);
  return state != BatchState::kOpen && state != BatchState::kRunning;
}

absl::Status Apply(BatchRequest request, Batch& batch) {
  switch (request) {
    case BatchRequest::kSeal:
      batch.sealed = true;
      return absl::OkStatus();
    case BatchRequest::kCancel:
      if (batch.action == BatchAction::kDelete) return Busy(batch, "cancelled");
      if (HasEnded(batch)) return absl::OkStatus();
      batch.sealed = true;
      batch.cancelled = true;
      batch.action = BatchAction::kCancel;
      return absl::OkStatus();
    case BatchRequest::kRetry:
      return BeginRetry(BatchAction::kRetry, batch);
    case BatchRequest::kRetryAll:
      return BeginRetry(BatchAction::kRetryAll, batch);
    case BatchRequest::kDelete:
      return BeginDelete(batch);
  }
  return absl::InternalError("no such request");
}

absl::Status SealedError(const BatchId& id) {
  return WithReason(
      absl::FailedPreconditionError(
          Concat("batch ", id.str(), " is sealed and takes no more entries; create another one")),
      {"BATCH_SEALED", {{"batch", id.name()}}});
}

absl::Status EntryTakenError(const BatchId& id, std::int64_t entry) {
  return WithReason(
      absl::AlreadyExistsError(
          Concat("entry ", entry, " of batch ", id.str(),
                 " was sent before with other content; number the entries of one manifest only")),
      {"BATCH_ENTRY_TAKEN", {{"batch", id.name()}, {"entry", Concat(entry)}}});
}

}  // namespace fetchd::jobs
