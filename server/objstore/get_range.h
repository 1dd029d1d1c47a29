// Reading an object from an offset, as all stores over HTTP do it.
#pragma once

#include <cstdint>
#include <string>

#include "objstore/store_requests.h"

namespace fetchd::objstore {

/// Range and If-Match; the body is the caller's.
void AskFrom(std::uint64_t offset, const std::string& if_match, StoreOperation& get);

/// What came of it. NOT_FOUND: the object is another than `if_match` said. DATA_LOSS: another part
/// than the one behind `offset`.
absl::StatusOr<http::Response> CheckedBody(StoreReply reply, std::uint64_t offset,
                                           const std::string& what);

/// DATA_LOSS: a HEAD whose answer has no Content-Length.
absl::Status NoLength(const std::string& what);

}  // namespace fetchd::objstore
