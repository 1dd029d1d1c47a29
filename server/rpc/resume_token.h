// The place in the stream of events, as callers keep it.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace fetchd::rpc {

/// Opaque to callers: letters and digits with a check sum, so that a mangled one is noticed, and
/// one that another `scope` (Principal::scope) was given. It is no secret and opens nothing.
std::string EncodeResumeToken(std::int64_t sequence, const std::string& scope);
/// INVALID_ARGUMENT (field "resume_token") for what EncodeResumeToken never made for `scope`.
absl::StatusOr<std::int64_t> DecodeResumeToken(const std::string& token, const std::string& scope);

}  // namespace fetchd::rpc
