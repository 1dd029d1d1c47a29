// Follows redirects (RFC 9110 15.4) over another client.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "egress/subject.h"
#include "http/client.h"

namespace fetchd::http {

struct RedirectConfig {
  int max_redirects = 10;        ///< 0 = a 3xx is returned as it is.
  bool allow_downgrade = false;  ///< https -> http.
  /// TLS profiles that say who we are, by a client certificate.
  std::vector<std::string> identifying_profiles;
  /// Asked before another origin is; its error ends the chain. Null = all may be.
  std::function<absl::Status(const Origin&)> may_ask;
};

/// Decorates `inner`; stateless, so one serves a whole shard.
///  * Requests are in the name of `subject`. 301, 302, 303, 307, 308 with a Location are followed;
///  every hop's URL is parsed and judged again by its policy, which it is told of.
///  * Crossing an origin drops credentials, Authorization, Cookie, Proxy-Authorization and
///  secret_headers, for the rest of the chain; and with them the request's TLS profile, when it is
///  an identifying one: what the rules say of the new origin holds instead. Any other profile
///  stays: it is whom the caller trusts, wherever the redirects lead.
///  * A 3xx body is discarded: see Body.
/// Errors besides inner's: FAILED_PRECONDITION with reason REDIRECT_LIMIT, REDIRECT_LOOP,
/// REDIRECT_DOWNGRADE or REDIRECT_INVALID.
class RedirectingClient {
 public:
  RedirectingClient(Client& inner, egress::SubjectPtr subject)
      : inner_(inner), subject_(std::move(subject)) {}
  Task<absl::StatusOr<Response>> Send(Request request, Call call, RedirectConfig config);

 private:
  Client& inner_;
  egress::SubjectPtr subject_;  ///< Never null.
};

}  // namespace fetchd::http
