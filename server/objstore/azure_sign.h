// Shared Key for the Blob service (Azure Storage REST, "Authorize with Shared Key"): how a request
// proves who sends it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/secret.h"
#include "http/message.h"

namespace fetchd::objstore {

/// A request as it goes on the wire, with x-ms-date and x-ms-version among its headers.
struct SharedKeyRequest {
  std::string method;
  std::string path;   ///< Begins with '/'; as it is sent, encoded.
  std::string query;  ///< Without '?'.
  std::vector<http::Header> headers;
  std::uint64_t content_length = 0;
};

/// As versions of the service from 2015-02-21 on want it.
std::string SharedKeyStringToSign(const std::string& account, const SharedKeyRequest& request);

/// The value of the Authorization header. `key` is not encoded.
std::string SharedKeyAuthorization(const std::string& account, const Secret& key,
                                   const SharedKeyRequest& request);

}  // namespace fetchd::objstore
