// What of a response is kept and shown.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/url.h"
#include "http/message.h"

namespace fetchd::fetch {

/// The URL that answered. The caller knows the query of the URL that was asked for, of which only
/// signatures are left out (base/signed_url.h); a redirector may have put a credential into that of
/// another, so there it is "[redacted]".
std::string ShownUrl(const Url& answered, const Url& asked);

/// The fields of a response without those that carry credentials: Set-Cookie, Set-Cookie2,
/// Authorization, Authentication-Info, all of Proxy-* (they are between this process and its
/// proxy), and the tokens of widespread APIs: X-Auth-Token, X-Subject-Token, X-Access-Token,
/// X-Refresh-Token, X-Csrf-Token, X-Xsrf-Token, X-Api-Key, X-Amz-Security-Token.
std::vector<std::pair<std::string, std::string>> ShownHeaders(const http::Headers& headers);

}  // namespace fetchd::fetch
