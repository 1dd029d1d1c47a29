// Reading an object as one reads from an origin.
#pragma once

#include <functional>

#include "objstore/store_requests.h"

namespace fetchd::objstore {

/// Makes `read`, which names the object, ask for what `wanted` does, and sends it with `fetch`.
/// Stores do not document If-Range: it is sent as If-Match (of a date, If-Unmodified-Since), and
/// where that does not hold all of the object is asked for, as RFC 9110 13.1.5 wants it.
Task<absl::StatusOr<http::Response>> FetchAsOrigin(
    StoreOperation read, http::Request wanted,
    std::function<Task<absl::StatusOr<http::Response>>(StoreOperation)> fetch);

}  // namespace fetchd::objstore
