// The secrets that the configuration names: read once, at the start.
#pragma once

#include "app/config.h"
#include "base/status.h"
#include "http/netrc.h"
#include "http/origin_rules.h"

namespace fetchd::app {

/// The rules of `config.origins`, with credentials. FAILED_PRECONDITION naming the key whose file
/// cannot be read, is empty, or holds what no header can carry. One line end at the end of a file
/// is no part of its secret.
absl::StatusOr<http::OriginRules> ReadOriginRules(const Config& config);

/// Empty when `path` is. FAILED_PRECONDITION when the file cannot be read or is no netrc file, and
/// when others than its owner and group may read it or others than its owner write it.
absl::StatusOr<http::Netrc> ReadNetrc(const std::string& path);

}  // namespace fetchd::app
