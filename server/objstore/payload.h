// What is said of the bytes that are sent.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/task.h"
#include "http/message.h"

namespace fetchd::objstore {

/// Of all of `bytes`, in the order of `algorithms`. Lets others run in between: a part takes
/// milliseconds.
Task<std::vector<Digest>> DigestsOf(http::BorrowedBytes bytes,
                                    std::vector<DigestAlgorithm> algorithms);

/// The ETag, quotes included, of an object that was put together of parts whose ETags are MD5s: the
/// MD5 of these and "-<count>". Empty where one is not.
std::string MultipartEtag(const std::vector<std::string>& etags);

/// Whether an ETag has the form of one, "\"<32 hex>-<count>\"".
bool IsMultipartEtag(std::string_view etag);

}  // namespace fetchd::objstore
