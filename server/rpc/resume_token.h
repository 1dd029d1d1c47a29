// The place in the stream of events, as callers keep it.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace fetchd::rpc {

/// Opaque to callers: letters and digits with a check sum, so that a mangled one is noticed.
std::string EncodeResumeToken(std::int64_t sequence);
/// INVALID_ARGUMENT (field "resume_token") for what EncodeResumeToken never made.
absl::StatusOr<std::int64_t> DecodeResumeToken(const std::string& token);

}  // namespace fetchd::rpc
