// What a server wants to see before it answers (RFC 9110 11), from bytes alone.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/message.h"

namespace fetchd::http {

/// Names in lower case, each once; values without quotes and escapes. In the order given.
using AuthParams = std::vector<std::pair<std::string, std::string>>;

/// Null when there is none.
const std::string* FindParam(const AuthParams& params, std::string_view name);

struct AuthChallenge {
  std::string scheme;   ///< Lower case.
  std::string token68;  ///< Instead of parameters, for schemes that use it.
  AuthParams params;
};

/// All challenges of all `field` lines: one line may hold several, and commas separate challenges
/// as well as parameters. A challenge with a mistake (a value that does not end, a missing comma, a
/// parameter given twice) is left out; after a mistake that makes the rest ambiguous, so is the
/// rest of its line. At most 16 challenges of at most 32 parameters are looked at.
std::vector<AuthChallenge> ParseChallenges(const Headers& headers,
                                           std::string_view field = "WWW-Authenticate");

/// The value of an Authentication-Info field (RFC 9110 11.6.3); as far as it can be read.
AuthParams ParseAuthParams(std::string_view value);

}  // namespace fetchd::http
