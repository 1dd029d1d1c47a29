// How a store that speaks S3 is reached, and what is sent to it.
#pragma once

#include <optional>
#include <string>

#include "base/url.h"
#include "objstore/object_text.h"
#include "objstore/store_requests.h"

namespace fetchd::objstore {

/// What a signature says of the body.
enum class PayloadSigning {
  kSha256,    ///< Its hash: costs a pass over the bytes; a body that changed on the way is refused.
  kUnsigned,  ///< Nothing, over https, where TLS guards it; over http as kSha256.
};

/// A checksum that the store keeps with the object.
enum class Checksum { kNone, kCrc32c };

struct S3Config {
  std::string name;             ///< For messages.
  std::optional<Url> endpoint;  ///< Absent: that of AWS in `region`. A path in it is kept in front.
  std::string region = "us-east-1";
  /// endpoint/bucket/key instead of bucket.endpoint/key. With AWS's own endpoint over https, names
  /// of buckets with dots, which no certificate covers, are written so in any case.
  bool path_style = false;
  std::string tls_profile;
  std::string proxy;  ///< As in http::Request.
  PayloadSigning payload = PayloadSigning::kSha256;
  Checksum checksum = Checksum::kNone;
  bool content_md5 = false;  ///< Content-MD5 with each body; some stores with object lock want it.
  /// A store may send white space while it puts parts together.
  StoreTiming timing;
  Features features;
};

/// INVALID_ARGUMENT: no region, an endpoint with a query, or one that is an address and yet has
/// buckets in its name.
absl::Status Check(const S3Config& config);

/// Where a request goes: the bucket's own region counts. `key` empty: the bucket itself; `query`
/// encoded, without '?'. INVALID_ARGUMENT: not a bucket's name; a key that is not 1..1024 bytes of
/// UTF-8, but for the bucket itself.
absl::StatusOr<Url> UrlFor(const S3Config& config, const std::string& region,
                           const std::string& bucket, const std::string& key,
                           const std::string& query);

}  // namespace fetchd::objstore
