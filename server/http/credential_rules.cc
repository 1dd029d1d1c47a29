#include "http/credential_rules.h"

#include <algorithm>

#include "base/strings.h"

namespace fetchd::http {
namespace {

bool HasAuthorization(const Request& request) {
  return std::ranges::any_of(request.headers, [](const Header& header) {
    return EqualsIgnoreCase(header.name, "authorization");
  });
}

Credentials As(LoginScheme scheme, const Login& login) {
  if (scheme == LoginScheme::kDigest) return DigestCredentials{login.username, login.password};
  return BasicCredentials{login.username, login.password};
}

/// The caller's profile instead of the operator's: whom that trusts, the operator may not.
bool IsUnderOtherTrust(const Request& request, const OriginRule& rule) {
  return request.url.is_https() && rule.tls_profile && !request.tls_profile.empty() &&
         request.tls_profile != *rule.tls_profile;
}

}  // namespace

Credentials CredentialRules::For(const Request& request) const {
  if (request.downgraded || HasAuthorization(request)) return std::monostate();
  if (!std::holds_alternative<std::monostate>(request.credentials)) return request.credentials;
  if (rules_.empty() && netrc_.empty()) return std::monostate();
  const OriginRule rule = rules_.For(request.url.origin());
  const LoginScheme scheme = rule.auth.value_or(LoginScheme::kBasic);
  if (IsUnderOtherTrust(request, rule)) return std::monostate();
  if (rule.credentials != nullptr) {
    const auto* login = std::get_if<Login>(rule.credentials.get());
    if (login == nullptr) return std::get<BearerCredentials>(*rule.credentials);
    return As(scheme, *login);
  }
  const Login* login = FromNetrc(request);
  return login == nullptr ? Credentials() : As(scheme, *login);
}

const Login* CredentialRules::FromNetrc(const Request& request) const {
  const std::string& host = request.url.host();
  const bool https = request.url.is_https();
  // A redirect is the word of whoever answered: over plain http, of anybody on the way.
  if (request.redirected && !https) return nullptr;
  const Login* login = netrc_.ForHost(host);
  // "default" is for any host that a caller names: not in clear.
  if (login == nullptr && !request.redirected && https) login = netrc_.ForOtherHost(host);
  return login;
}

}  // namespace fetchd::http
