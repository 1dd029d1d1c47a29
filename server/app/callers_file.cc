#include "app/callers_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "app/config_values.h"
#include "base/strings.h"
#include "jobs/job.h"

namespace fetchd::app {
namespace {

constexpr std::size_t kSha256Bytes = 32;
constexpr std::size_t kMaxNameBytes = 255;

/// An entry of a list, as far as it is read.
struct Entry {
  YAML::Node node;
  std::string path;

  absl::Status Error(const YAML::Mark& mark, std::string_view what) const {
    return absl::InvalidArgumentError(Concat(path, ':', mark.line + 1, ": ", what));
  }
  absl::Status Error(std::string_view what) const { return Error(node.Mark(), what); }

  /// Empty = not there.
  absl::StatusOr<std::string> Text(const char* key) const {
    const YAML::Node value = node[key];
    if (!value) return std::string();
    const bool usable = value.IsScalar() && !value.Scalar().empty() &&
                        value.Scalar().size() <= kMaxNameBytes && !HasControl(value.Scalar());
    if (!usable) return Error(value.Mark(), Concat(key, ": expects a line of text"));
    return value.Scalar();
  }
};

absl::Status CheckKeys(const Entry& entry, const std::set<std::string>& known) {
  if (!entry.node.IsMap()) return entry.Error("expects a map");
  std::set<std::string> seen;
  for (const auto& item : entry.node) {
    const std::string key = item.first.IsScalar() ? item.first.Scalar() : "";
    if (!seen.insert(key).second) {
      return entry.Error(item.first.Mark(), Concat("\"", key, "\" is there twice"));
    }
    if (!known.contains(key)) {
      return entry.Error(item.first.Mark(), Concat("unknown key \"", key, '"'));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<rpc::Roles> ReadRoleList(const Entry& entry) {
  const YAML::Node list = entry.node["roles"];
  const absl::StatusOr<rpc::Roles> roles = ReadRoles(list);
  if (roles.ok()) return roles;
  return entry.Error(list ? list.Mark() : entry.node.Mark(),
                     Concat("roles: ", MessageOf(roles.status())));
}

absl::StatusOr<rpc::Principal> ReadPrincipal(const Entry& entry) {
  rpc::Principal principal;
  ASSIGN_OR_RETURN(principal.name, entry.Text("principal"));
  if (principal.name.empty()) return entry.Error("principal: is missing");
  ASSIGN_OR_RETURN(principal.roles, ReadRoleList(entry));
  ASSIGN_OR_RETURN(principal.tenant, entry.Text("tenant"));
  if (principal.tenant.empty() && principal.roles.Has(rpc::Role::kAdmin)) {
    principal.tenant = jobs::kDefaultTenant;
  }
  if (jobs::IsTenantName(principal.tenant)) return principal;
  return entry.Error(principal.tenant.empty()
                         ? "tenant: is missing; only an admin needs none"
                         : "tenant: is 1 to 63 of a-z, 0-9, '.', '_' and '-', a letter or a digit "
                           "first");
}

absl::Status ReadToken(const Entry& entry, rpc::KnownCallers& callers) {
  RETURN_IF_ERROR(CheckKeys(entry, {"sha256", "principal", "tenant", "roles"}));
  ASSIGN_OR_RETURN(const std::string hex, entry.Text("sha256"));
  auto hash = HexDecode(hex);
  if (!hash || hash->size() != kSha256Bytes) {
    return entry.Error("sha256: expects the hash of a token, 64 hexadecimal digits");
  }
  const bool twice = std::ranges::any_of(
      callers.tokens, [&hash](const rpc::KnownToken& other) { return other.sha256 == *hash; });
  if (twice) return entry.Error("sha256: is there twice");
  ASSIGN_OR_RETURN(rpc::Principal principal, ReadPrincipal(entry));
  callers.tokens.push_back({*std::move(hash), std::move(principal)});
  return absl::OkStatus();
}

absl::Status ReadCertificate(const Entry& entry, rpc::KnownCallers& callers) {
  RETURN_IF_ERROR(CheckKeys(entry, {"uri", "dns", "principal", "tenant", "roles"}));
  ASSIGN_OR_RETURN(const std::string uri, entry.Text("uri"));
  ASSIGN_OR_RETURN(const std::string dns, entry.Text("dns"));
  if (uri.empty() == dns.empty()) {
    return entry.Error("expects uri or dns: a subject alternative name of the certificate");
  }
  ASSIGN_OR_RETURN(rpc::Principal principal, ReadPrincipal(entry));
  std::string name = uri.empty() ? Concat("dns:", dns) : Concat("uri:", uri);
  if (callers.certificates.emplace(std::move(name), std::move(principal)).second) {
    return absl::OkStatus();
  }
  return entry.Error("this name is there twice");
}

using ReadEntry = absl::Status (*)(const Entry& entry, rpc::KnownCallers& callers);

absl::Status ReadList(const Entry& list, ReadEntry read, rpc::KnownCallers& callers) {
  if (list.node.IsNull()) return absl::OkStatus();
  if (!list.node.IsSequence()) return list.Error("expects a list");
  for (const YAML::Node& node : list.node) RETURN_IF_ERROR(read({node, list.path}, callers));
  return absl::OkStatus();
}

absl::StatusOr<rpc::KnownCallers> ReadRoot(const Entry& root) {
  rpc::KnownCallers callers;
  if (root.node.IsNull()) return callers;
  RETURN_IF_ERROR(CheckKeys(root, {"tokens", "certificates"}));
  for (const auto& item : root.node) {
    const bool tokens = item.first.Scalar() == "tokens";
    RETURN_IF_ERROR(
        ReadList({item.second, root.path}, tokens ? &ReadToken : &ReadCertificate, callers));
  }
  return callers;
}

}  // namespace

absl::StatusOr<rpc::KnownCallers> ParseCallers(const std::string& yaml, const std::string& path) {
  try {
    return ReadRoot({YAML::Load(yaml), path});
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        Concat(path, ':', error.mark.line + 1, ": is no YAML: ", error.msg));
  }
}

}  // namespace fetchd::app
