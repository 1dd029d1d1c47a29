#include "rpc/auth.h"

#include <array>
#include <utility>

#include "base/strings.h"
#include "jobs/job.h"

namespace fetchd::rpc {
namespace {

struct NamedRole {
  const char* name;
  Role role;
};
constexpr std::array kRoles = {NamedRole{"submit", Role::kSubmit}, NamedRole{"read", Role::kRead},
                               NamedRole{"admin", Role::kAdmin}};

}  // namespace

const char* RoleName(Role role) {
  for (const NamedRole& known : kRoles) {
    if (known.role == role) return known.name;
  }
  return "";
}

std::optional<Role> ParseRole(std::string_view name) {
  for (const NamedRole& known : kRoles) {
    if (known.name == name) return known.role;
  }
  return std::nullopt;
}

const char* CredentialName(Credential credential) {
  switch (credential) {
    case Credential::kNone:
      return "none";
    case Credential::kToken:
      return "token";
    case Credential::kCertificate:
      return "certificate";
    case Credential::kJwt:
      return "jwt";
  }
  return "none";
}

absl::StatusOr<std::string> Principal::Act(const std::string& named) const {
  if (named.empty()) return tenant;
  if (Sees(named)) return named;
  return WithReason(
      absl::PermissionDeniedError(
          Concat("the tenant is not yours: leave it out, or name ", tenant, ", whose you are")),
      {"TENANT_NOT_ALLOWED", {{"tenant", named}}});
}

Principal Anybody() { return {"anybody", jobs::kDefaultTenant, {Role::kAdmin}}; }

absl::Status Unauthenticated(std::string_view message, std::string reason) {
  return WithReason(absl::UnauthenticatedError(std::string(message)), {std::move(reason), {}});
}

}  // namespace fetchd::rpc
