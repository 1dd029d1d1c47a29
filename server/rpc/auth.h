// Who calls, and what he may do.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "base/status.h"

namespace fetchd::rpc {

enum class Role {
  kSubmit,  ///< Begins and ends work: jobs, batches, Fetch.
  kRead,    ///< Sees what there is of his tenant.
  kAdmin,   ///< All of that, of every tenant, and what is the server's.
};
const char* RoleName(Role role);  ///< "submit"
std::optional<Role> ParseRole(std::string_view name);

/// A set of roles.
class Roles {
 public:
  constexpr Roles() = default;
  constexpr Roles(std::initializer_list<Role> roles) {
    for (const Role role : roles) Add(role);
  }
  constexpr void Add(Role role) { bits_ |= 1u << static_cast<unsigned>(role); }
  constexpr void Add(Roles roles) { bits_ |= roles.bits_; }
  /// An admin has all of them.
  constexpr bool Has(Role role) const {
    constexpr unsigned kAdminBit = 1u << static_cast<unsigned>(Role::kAdmin);
    return (bits_ & (kAdminBit | 1u << static_cast<unsigned>(role))) != 0;
  }
  constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(const Roles&, const Roles&) = default;

 private:
  unsigned bits_ = 0;
};

/// What a caller is known by.
enum class Credential { kNone, kToken, kCertificate, kJwt };
const char* CredentialName(Credential credential);  ///< "none", "token", "certificate", "jwt"

/// A caller whose identity is known. An immutable value.
struct Principal {
  std::string name;    ///< "ci": for the log. Never a secret.
  std::string tenant;  ///< Whose jobs he makes. A tenant's name.
  Roles roles;
  Credential by = Credential::kNone;  ///< The same name by another credential is another caller.

  /// The only tenant whose things he may name and see; empty: an admin's, all of them.
  std::string scope() const { return roles.Has(Role::kAdmin) ? std::string() : tenant; }
  bool Sees(std::string_view other) const { return roles.Has(Role::kAdmin) || other == tenant; }
  /// The tenant that a request names, "" where it names none: his own then. PERMISSION_DENIED,
  /// reason TENANT_NOT_ALLOWED, for another's.
  absl::StatusOr<std::string> Act(const std::string& named) const;
  friend bool operator==(const Principal&, const Principal&) = default;
};

/// Who calls where nobody is asked.
Principal Anybody();

/// What a call shows of its caller.
struct Evidence {
  std::optional<Secret> bearer_token;  ///< Of the field "authorization".
  /// The names in his certificate, which is verified: "uri:spiffe://example.org/ci",
  /// "dns:ci.example.org".
  std::vector<std::string> certificate_names;
};

/// Thread-safe; does not block.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  /// A token goes before a certificate, and one that is no good is not saved by the other.
  /// UNAUTHENTICATED says what is wrong, and never quotes what was shown.
  virtual absl::StatusOr<Principal> Authenticate(const Evidence& evidence) const = 0;
};

/// UNAUTHENTICATED with a reason for programs.
absl::Status Unauthenticated(std::string_view message, std::string reason);

}  // namespace fetchd::rpc
