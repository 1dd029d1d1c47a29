// errno to Status: the one table for file operations.
#pragma once

#include <string_view>

#include "base/status.h"

namespace fetchd::sink {

/// `doing` is a verb phrase ("write"), `path` what it was done to. The message says what to do.
/// Reasons: DISK_FULL, DESTINATION_EXISTS, DESTINATION_INVALID, FILE_IO.
absl::Status FileError(int error, std::string_view doing, std::string_view path);

}  // namespace fetchd::sink
