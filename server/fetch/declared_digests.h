// What an origin says that its body hashes to.
#pragma once

#include <vector>

#include "base/digest.h"
#include "http/message.h"

namespace fetchd::fetch {

/// Of all of the body, as it is sent: Repr-Digest (RFC 9530 3) of statuses 200 and 206;
/// Content-Digest, Content-MD5 (RFC 1864) and S3's x-amz-checksum-* of 200, for those of a part are
/// the part's. What cannot be read, and algorithms that are not ours, declare nothing.
std::vector<Digest> DeclaredDigests(int status, const http::Headers& headers);

}  // namespace fetchd::fetch
