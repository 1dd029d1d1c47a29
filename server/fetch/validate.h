// The edge: what a caller asks for, checked once, with the field that is wrong.
#pragma once

#include "base/url.h"
#include "jobs/job.h"

namespace fetchd::fetch {

/// INVALID_ARGUMENT with FieldViolation (spec.urls[i], spec.headers[i], spec.digests[i],
/// spec.timeouts.x, ...) and a message that says what to do. On success every URL parses under
/// `options` and every header passes http::ValidateHeader.
absl::Status ValidateSpec(const jobs::FetchSpec& spec, UrlOptions options);
/// Where a Fetch may begin: `spec` is valid. INVALID_ARGUMENT with the field "offset".
absl::Status ValidateOffset(const jobs::FetchSpec& spec, std::uint64_t offset);
/// Labels: keys 1..63 of [a-z0-9._/-], values 0..255 printable; at most 64. Priority -100..100.
/// Deadline in the future.
absl::Status ValidateJob(const jobs::Job& job, UrlOptions options, WallTime now);

}  // namespace fetchd::fetch
