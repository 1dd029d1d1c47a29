// FetchSpec as JSON, its secrets apart (spec_secrets.h).
#pragma once

#include <string>
#include <string_view>

#include "jobs/job.h"

namespace fetchd::store {

/// Everything but header values, passwords, the token, and the signatures in URLs. Of what the
/// configuration has under a name, that.
std::string EncodeSpec(const jobs::FetchSpec& spec);
/// DATA_LOSS when either does not parse, or they do not belong together.
absl::StatusOr<jobs::FetchSpec> DecodeSpec(std::string_view spec, std::string_view secrets);

/// The URLs alone; without the secrets. DATA_LOSS when it does not parse.
absl::StatusOr<std::vector<std::string>> UrlsOfSpec(std::string_view spec);

/// What a caller asked for, as one text: equal for equal requests, whatever id, time and resolved
/// destination they got.
std::string CanonicalContent(const jobs::Job& job);

const char* OverwriteName(jobs::Overwrite overwrite);
absl::StatusOr<jobs::Overwrite> ParseOverwrite(std::string_view name);

/// Empty for none.
std::string EncodeMoreDestinations(const std::vector<jobs::MoreDestination>& destinations);
absl::StatusOr<std::vector<jobs::MoreDestination>> DecodeMoreDestinations(std::string_view text);

std::string EncodeLabels(const std::map<std::string, std::string>& labels);
absl::StatusOr<std::map<std::string, std::string>> DecodeLabels(std::string_view text);

}  // namespace fetchd::store
