// What becomes of a body that nobody wants.
#pragma once

#include "http/client.h"

namespace fetchd::http {

/// Takes a small body (up to 128 KiB, of known length) that is already here off its connection, so
/// that the connection is used again. Never waits for the network: dropping the response then
/// closes what has not ended.
Task<void> DrainWhatIsHere(Response& response);

}  // namespace fetchd::http
