#include "rpc/bearer_token.h"

#include <string>

#include "base/strings.h"
#include "rpc/auth.h"

namespace fetchd::rpc {

absl::StatusOr<std::optional<Secret>> ReadBearerToken(
    std::span<const std::string_view> authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.empty()) return std::nullopt;
  if (authorization.size() > 1) {
    return Unauthenticated("there are several authorization fields", "TOKEN_INVALID");
  }
  const std::string_view value = authorization.front();
  const std::string_view scheme = value.substr(0, kScheme.size());
  if (!EqualsIgnoreCase(scheme, kScheme) || value.size() == scheme.size()) {
    return Unauthenticated("the authorization field is no bearer token", "TOKEN_INVALID");
  }
  return Secret(std::string(value.substr(scheme.size())));
}

}  // namespace fetchd::rpc
