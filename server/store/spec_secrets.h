// The secrets of a FetchSpec as JSON: what is sealed. spec_codec.h has the rest.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"
#include "jobs/job.h"

namespace fetchd::store {

/// Header values, passwords, the token, and URLs when one has a signature. Empty when there are
/// none: what the configuration has under a name is none.
std::string EncodeSecrets(const jobs::FetchSpec& spec);
/// The same without URLs.
std::string EncodeSecretsBesideUrls(const jobs::FetchSpec& spec);

/// `spec` as it was, of what EncodeSecrets gave. DATA_LOSS when that does not parse, or they do not
/// belong together.
absl::StatusOr<jobs::FetchSpec> WithSecrets(jobs::FetchSpec spec, std::string_view secrets);

}  // namespace fetchd::store
