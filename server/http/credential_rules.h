// Which credentials a request goes out with.
#pragma once

#include "http/message.h"
#include "http/netrc.h"
#include "http/origin_rules.h"

namespace fetchd::http {

/// The request's own before the operator's for its origin before the netrc file's. Immutable; what
/// it is made of outlives it.
class CredentialRules {
 public:
  CredentialRules(const OriginRules& rules, const Netrc& netrc) : rules_(rules), netrc_(netrc) {}

  /// None for a request that brings an Authorization header, or whose redirects led from https to
  /// http. netrc's `default` is for the URL that was asked for and not for where it redirects to:
  /// who answers there is the first origin's choice.
  Credentials For(const Request& request) const;

 private:
  const Login* FromNetrc(const Request& request) const;

  const OriginRules& rules_;
  const Netrc& netrc_;
};

}  // namespace fetchd::http
