#include "objstore/s3_config.h"

#include <algorithm>
#include <string_view>

#include "base/strings.h"
#include "base/url_text.h"

namespace fetchd::objstore {
namespace {

/// S3's own rules are stricter; other stores have buckets with capitals and underscores.
absl::Status CheckBucket(std::string_view bucket, bool in_host) {
  const bool characters = std::ranges::all_of(bucket, [in_host](char c) {
    const char lower = in_host ? c : AsciiLower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           (c == '_' && !in_host);
  });
  const std::size_t most = in_host ? 63 : 255;
  if (characters && !bucket.empty() && bucket.size() <= most && bucket.front() != '.') {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(Concat("\"", bucket.substr(0, most),
                                           "\" is not the name of a bucket",
                                           in_host ? "" : " (letters, digits, '-', '.' and '_')"));
}

absl::StatusOr<Url> AwsEndpoint(std::string_view region) {
  return Url::Parse(
      Concat("https://s3.", region, ".amazonaws.com", region.starts_with("cn-") ? ".cn" : ""));
}

}  // namespace

absl::Status Check(const S3Config& config) {
  const bool region = !config.region.empty() && std::ranges::all_of(config.region, [](char c) {
    return (AsciiLower(c) >= 'a' && AsciiLower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
  if (!region) return absl::InvalidArgumentError("region: write one such as us-east-1");
  if (!config.endpoint) return AwsEndpoint(config.region).status();
  if (config.endpoint->path().size() != config.endpoint->target().size()) {
    return absl::InvalidArgumentError("endpoint: without a query");
  }
  if (config.endpoint->address() && !config.path_style) {
    return absl::InvalidArgumentError(
        "endpoint: an address cannot have the bucket in front of it; set path_style");
  }
  return absl::OkStatus();
}

absl::StatusOr<Url> UrlFor(const S3Config& config, const std::string& region,
                           const std::string& bucket, const std::string& key,
                           const std::string& query) {
  absl::StatusOr<Url> endpoint = config.endpoint ? *config.endpoint : AwsEndpoint(region);
  if (!endpoint.ok()) return endpoint.status();
  const bool dotted = !config.endpoint && bucket.find('.') != std::string::npos;
  const bool in_host = !config.path_style && !dotted;
  RETURN_IF_ERROR(CheckBucket(bucket, in_host));
  std::string target(endpoint->path());
  if (target.ends_with('/')) target.pop_back();
  if (in_host) {
    endpoint = Url::Parse(
        Concat(endpoint->scheme(), "://", bucket, '.', endpoint->host(), ':', endpoint->port()));
    if (!endpoint.ok()) return endpoint.status();
  } else {
    target += Concat('/', bucket);
  }
  if (!key.empty() || in_host) target += Concat('/', PercentEncode(key, UrlPart::kSegments));
  if (!query.empty()) target += Concat('?', query);
  return endpoint->WithExactTarget(std::move(target));
}

}  // namespace fetchd::objstore
