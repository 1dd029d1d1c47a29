// How a request proves who it is from.
#pragma once

#include <string>
#include <variant>

#include "base/secret.h"

namespace fetchd {

/// RFC 7617: sent with every request, readable for who reads the connection.
struct BasicCredentials {
  std::string username;  ///< Without a colon.
  Secret password;
  friend bool operator==(const BasicCredentials&, const BasicCredentials&) = default;
};

/// RFC 6750.
struct BearerCredentials {
  Secret token;
  friend bool operator==(const BearerCredentials&, const BearerCredentials&) = default;
};

/// RFC 7616: answers a challenge, and is sent in no other way.
struct DigestCredentials {
  std::string username;  ///< UTF-8, without a colon.
  Secret password;
  friend bool operator==(const DigestCredentials&, const DigestCredentials&) = default;
};

/// monostate = none.
using Credentials =
    std::variant<std::monostate, BasicCredentials, BearerCredentials, DigestCredentials>;

}  // namespace fetchd
