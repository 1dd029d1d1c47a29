// Objects in stores, as callers write them: where bodies go to, and where they come from.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace fetchd {

/// "s3://bucket/key", "gs://bucket/key", "azblob://container/key"; with a store of the
/// configuration named: "s3+name://bucket/key". The key is what follows, as it is: nothing of it is
/// percent-decoded, a '?' is a character like others.
struct ObjectUri {
  std::string scheme;
  std::string store;  ///< Empty = whichever serves the bucket.
  std::string bucket;
  std::string key;

  /// "s3", or "s3+name".
  std::string SchemeAndStore() const;
  std::string ToString() const;
  friend bool operator==(const ObjectUri&, const ObjectUri&) = default;
};

/// nullopt: of another scheme. INVALID_ARGUMENT: a bucket that cannot be, a key that is empty,
/// longer than 1024 bytes, no UTF-8, ends in '/' or has control characters.
absl::StatusOr<std::optional<ObjectUri>> ParseObjectUri(std::string_view uri);
/// Of "s3://bucket" alone, or with a '/' behind: the key is empty.
absl::StatusOr<std::optional<ObjectUri>> ParseBucketUri(std::string_view uri);

}  // namespace fetchd
