// One line of a manifest, and the values that its keys and the flags of `submit` share.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "fetchd/v1/fetch_service.pb.h"

namespace fetchd::cli {

/// One line, of one of three forms:
///   URL
///   URL<TAB>destination
///   {"url": "...", "destination": "...", "sha256": "...", ...}
/// JSON keys: url | urls, destination, more_destinations (a list), request_id, sha256 (hex),
/// digests, size, labels, object (content_type, content_disposition, cache_control, storage_class,
/// metadata, tags), headers, priority, overwrite ("always", "never", "if-different"), range
/// ("0-99"), compressed, if_none_match (a list), if_modified_since; others are refused. Blank lines
/// and lines that begin with '#' are nothing. Whether a URL may be fetched is the service's to say.
/// INVALID_ARGUMENT without the place; nullopt for nothing.
absl::StatusOr<std::optional<v1::CreateJobRequest>> ParseManifestLine(std::string_view line);

/// Blank, or a comment.
bool IsNothing(std::string_view line);

/// A line of `check -i`: the URL as it stands, or "url" of a JSON object whatever else that holds.
absl::StatusOr<std::string> UrlOfLine(std::string_view line);

absl::StatusOr<v1::Job::Overwrite> ParseOverwrite(std::string_view text);
/// The SRI digest of 64 hexadecimal digits.
absl::StatusOr<std::string> Sha256Digest(std::string_view hex);
/// The SRI form of a digest in either form.
absl::StatusOr<std::string> CheckDigest(std::string_view text);

}  // namespace fetchd::cli
