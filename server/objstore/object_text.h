// Names and attributes of objects, as far as all stores agree on them.
#pragma once

#include <string>
#include <vector>

#include "objstore/object_store.h"

namespace fetchd::objstore {

/// INVALID_ARGUMENT: an empty key, more than 1024 bytes, not UTF-8.
absl::Status CheckKey(const std::string& key);

/// Adds `name: value` unless the value is empty. INVALID_ARGUMENT: one that cannot stand in a
/// header as it is.
absl::Status AddAttribute(std::string name, const std::string& value,
                          std::vector<http::Header>& headers);

/// As the query of a URL: "a=1&b=2". INVALID_ARGUMENT: more than 10, the limit of all.
absl::StatusOr<std::string> EncodeTags(
    const std::vector<std::pair<std::string, std::string>>& tags);

}  // namespace fetchd::objstore
