#include "app/config_callers_keys.h"

#include "app/config_rows.h"

namespace fetchd::app {
namespace {

std::string WriteRoles(rpc::Roles roles) {
  if (roles.Has(rpc::Role::kAdmin)) return WriteTextList({rpc::RoleName(rpc::Role::kAdmin)});
  std::vector<std::string> names;
  for (const rpc::Role role : {rpc::Role::kSubmit, rpc::Role::kRead}) {
    if (roles.Has(role)) names.push_back(rpc::RoleName(role));
  }
  return WriteTextList(names);
}

ConfigKey JwtRolesKey() {
  return {
      "callers.jwt.roles.<name>",
      "list of submit, read, admin",
      "What the value <name> of roles_claim gives. None named: submit, read and admin stand for "
      "themselves.",
      false,
      [](const YAML::Node& node, const std::string& value, Config& config) -> absl::Status {
        ASSIGN_OR_RETURN(config.callers.jwt.rules.roles[value], ReadRoles(node));
        return absl::OkStatus();
      },
      [](const Config& config) {
        WrittenValues written;
        for (const auto& [value, roles] : config.callers.jwt.rules.roles) {
          written.emplace_back(value, WriteRoles(roles));
        }
        return written;
      }};
}

}  // namespace

std::vector<ConfigKey> CallersKeys() {
  return {
      TextKey("callers.file", FETCHD_AT(callers.file),
              "Who may call (YAML): tokens by their SHA-256, client certificates by their names. "
              "Without it and callers.jwt.keys nobody is asked who calls."),
      NumberKey(
          "callers.calls_per_sec", FETCHD_AT(callers.calls_per_sec), 0, kMany,
          "Calls a second of each caller who is known, a stream being one: so many that begin "
          "work, and as many others, so that who submits too much still watches and cancels; "
          "0: no limit."),
      TextKey(
          "callers.jwt.keys", FETCHD_AT(callers.jwt.keys),
          "The identity provider's keys (a JSON Web Key Set): a path, or an https URL. Empty: no "
          "JWT is taken."),
      TextKey("callers.jwt.tls_profile", FETCHD_AT(callers.jwt.tls_profile),
              "The trust profile for that URL. Empty: the default's."),
      DurationKey(
          "callers.jwt.refresh_interval", FETCHD_AT(callers.jwt.refresh_interval),
          "How often that URL is asked; besides, when a token names a key that is not known."),
      TextKey("callers.jwt.issuer", FETCHD_AT(callers.jwt.rules.issuer), "What iss must be."),
      TextKey("callers.jwt.audience", FETCHD_AT(callers.jwt.rules.audience),
              "What aud must be, or hold."),
      DurationKey("callers.jwt.clock_skew", FETCHD_AT(callers.jwt.rules.clock_skew),
                  "How far the issuer's clock may be from ours, for exp and nbf.", true),
      TextKey("callers.jwt.principal_claim", FETCHD_AT(callers.jwt.rules.principal_claim),
              "The claim that names the caller, for the log."),
      TextKey("callers.jwt.tenant_claim", FETCHD_AT(callers.jwt.rules.tenant_claim),
              "The claim that names his tenant; an admin needs none."),
      TextKey("callers.jwt.roles_claim", FETCHD_AT(callers.jwt.rules.roles_claim),
              "The claim that says what he may: a list, or a text with spaces, such as scope."),
      JwtRolesKey(),
  };
}

}  // namespace fetchd::app
