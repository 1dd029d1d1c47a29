// The file that says who may call.
#pragma once

#include <string>

#include "base/status.h"
#include "rpc/auth_callers.h"

namespace fetchd::app {

/// YAML: `tokens` and `certificates`, each a list of who is known by what; docs/security.md shows
/// one. INVALID_ARGUMENT "<path>:<line>: ..." for what is unknown, missing, wrong or there twice;
/// never quotes a value.
absl::StatusOr<rpc::KnownCallers> ParseCallers(const std::string& yaml, const std::string& path);

}  // namespace fetchd::app
