// What attempts leave behind, as JSON: checkpoints, what is known of urls, results, attempt records
// and errors.
#pragma once

#include <string>
#include <string_view>

#include "jobs/job.h"

namespace fetchd::store {

// Decoders: DATA_LOSS when the text does not parse.

std::string EncodeCheckpoint(const jobs::Checkpoint& checkpoint);
absl::StatusOr<jobs::Checkpoint> DecodeCheckpoint(std::string_view text);

/// Empty for what is the case with most jobs: nothing is known.
std::string EncodeUrlMemory(const jobs::UrlMemory& memory);
absl::StatusOr<jobs::UrlMemory> DecodeUrlMemory(std::string_view text);

std::string EncodeResult(const jobs::Result& result);
absl::StatusOr<jobs::Result> DecodeResult(std::string_view text);

std::string EncodeAttempt(const jobs::AttemptRecord& record);
absl::StatusOr<jobs::AttemptRecord> DecodeAttempt(std::string_view text);

/// With its details; "{}" when OK.
std::string EncodeStatus(const absl::Status& status);
/// Into `status`; the return value says whether `text` parsed.
absl::Status DecodeStatus(std::string_view text, absl::Status& status);

}  // namespace fetchd::store
