// A batch: the jobs of one manifest, counted together. Pure values.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/status.h"
#include "base/time.h"
#include "jobs/job.h"

namespace fetchd::jobs {

/// What became of an entry of the manifest, as far as it goes.
enum class EntryFate {
  kQueued,     ///< Its job does not run, and has not ended.
  kRunning,    ///< Its job runs.
  kSucceeded,  ///< Its body is at the destination, and was not before.
  kFailed,     ///< Its job failed, or it was refused and has none.
  kSkipped,    ///< There was nothing to do: not modified, unchanged, or a job did it already.
  kCancelled,  ///< Its job was cancelled.
};
inline constexpr int kEntryFates = 6;
const char* EntryFateName(EntryFate fate);  ///< "QUEUED"
std::optional<EntryFate> ParseEntryFate(std::string_view name);

/// Entries, and the bytes of their bodies as far as these are known.
struct Tally {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(const Tally&, const Tally&) = default;
};

struct BatchCounters {
  Tally queued, running, succeeded, failed, skipped, cancelled;

  Tally& Of(EntryFate fate);
  const Tally& Of(EntryFate fate) const;
  Tally Found() const;  ///< Of all of them. Sums stop at 2^63 - 1.
  friend bool operator==(const BatchCounters&, const BatchCounters&) = default;
};

/// What an error has in common with others: they are counted together.
struct ErrorKind {
  absl::StatusCode code = absl::StatusCode::kUnknown;
  std::string reason;   ///< Reason::reason; empty = none.
  int http_status = 0;  ///< Of HTTP_STATUS; 0 = none.

  static ErrorKind Of(const absl::Status& status);
  std::string ToString() const;  ///< For Parse; equal for equal kinds.
  static std::optional<ErrorKind> Parse(std::string_view text);
  friend bool operator==(const ErrorKind&, const ErrorKind&) = default;
};

/// What one entry adds to the figures of its batch.
struct BatchShare {
  EntryFate fate = EntryFate::kQueued;
  /// Of the result, else as the origin declared it, else as expected; 0 while unknown. At most
  /// kMostShareBytes.
  std::uint64_t bytes = 0;
  std::string error;  ///< ErrorKind::ToString of a failed one.
  friend bool operator==(const BatchShare&, const BatchShare&) = default;
};
inline constexpr std::uint64_t kMostShareBytes = std::uint64_t{1} << 50;
BatchShare BatchShareOf(const Job& job);

/// For what an entry does not say itself.
struct JobDefaults {
  std::string destination;  ///< A template; empty = the server's default.
  Overwrite overwrite = Overwrite::kAlways;
  int priority = 0;
  std::string tenant;                         ///< Empty = the server's default.
  std::map<std::string, std::string> labels;  ///< An entry's own win, one by one.
  std::optional<WallTime> deadline_at;
  friend bool operator==(const JobDefaults&, const JobDefaults&) = default;
};

enum class BatchState {
  kOpen,       ///< Takes entries.
  kRunning,    ///< Sealed, and jobs live.
  kSucceeded,  ///< All have ended; none failed, none was cancelled.
  kFailed,     ///< All have ended; some failed.
  kCancelled,  ///< All have ended; CancelBatch ended some, or others were cancelled and none
               ///< failed.
};
const char* BatchStateName(BatchState state);  ///< "OPEN"

/// What a caller asks of a batch.
enum class BatchRequest {
  kSeal,      ///< No more entries. Idempotent.
  kCancel,    ///< Seals it and cancels its live jobs. Idempotent.
  kRetry,     ///< Queues its failed jobs again.
  kRetryAll,  ///< Those and the cancelled ones.
  kDelete,    ///< Forgets it and all of its jobs, which have ended.
};
/// What a request leaves to be done job by job, in the background. Survives a restart.
enum class BatchAction { kNone, kCancel, kRetry, kRetryAll, kDelete };
const char* BatchActionName(BatchAction action);  ///< "CANCEL"; "" for kNone.
std::optional<BatchAction> ParseBatchAction(std::string_view name);

struct Batch {
  BatchId id;
  std::string display_name;
  std::string request_id;  ///< Empty = none.
  JobDefaults defaults;
  WallTime created_at{};
  WallTime updated_at{};   ///< Of the last change of a figure.
  bool sealed = false;     ///< The number of entries is final.
  bool cancelled = false;  ///< CancelBatch was the last word.
  BatchAction action = BatchAction::kNone;
  std::int64_t version = 1;  ///< Grows with every change.
  BatchCounters counters;
};

/// Of its flags and counters alone.
BatchState StateOf(const Batch& batch);
bool HasEnded(const Batch& batch);
/// Whose it is: the tenant of its defaults, else kDefaultTenant.
std::string TenantOf(const JobDefaults& defaults);
std::string TenantOf(const Batch& batch);

/// Changes `batch`, or leaves it as it was and returns FAILED_PRECONDITION, which says why not and
/// what to do.
absl::Status Apply(BatchRequest request, Batch& batch);

/// FAILED_PRECONDITION, reason BATCH_SEALED.
absl::Status SealedError(const BatchId& id);
/// ALREADY_EXISTS, reason BATCH_ENTRY_TAKEN.
absl::Status EntryTakenError(const BatchId& id, std::int64_t entry);

/// An entry that made no job.
struct BatchEntry {
  BatchId batch;
  std::int64_t entry = 0;
  std::string url;          ///< As sent, without userinfo; at most 8,192 bytes.
  std::string destination;  ///< As asked for.
  std::string request_id;
  absl::Status error;  ///< Why it was refused; OK: `job` did it already.
  JobId job;
};

/// Errors of one kind in a batch.
struct BatchErrors {
  ErrorKind kind;
  std::uint64_t count = 0;
  struct Sample {
    JobId job;  ///< Empty: the entry was refused.
    std::int64_t entry = 0;
    std::string url;
    std::string message;
  };
  std::vector<Sample> samples;  ///< At most kMostErrorSamples.
};
inline constexpr int kMostErrorSamples = 5;

}  // namespace fetchd::jobs
