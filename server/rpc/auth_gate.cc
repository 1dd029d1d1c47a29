#include "rpc/auth_gate.h"

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "rpc/bearer_token.h"
#include "rpc/local_access.h"

namespace fetchd::rpc {
namespace {

/// Of what a caller gives as a name; those that there are are shorter.
constexpr std::size_t kMaxResourceBytes = 200;

std::string_view View(grpc::string_ref text) { return {text.data(), text.size()}; }

std::vector<std::string_view> AuthorizationOf(const grpc::ServerContextBase& context) {
  const auto [first, last] = context.client_metadata().equal_range("authorization");
  std::vector<std::string_view> values;
  for (auto field = first; field != last; ++field) values.push_back(View(field->second));
  return values;
}

/// "" where there are none or several.
std::string_view OnlyValue(const grpc::ServerContextBase& context, const char* key) {
  const auto [first, last] = context.client_metadata().equal_range(key);
  return first != last && std::next(first) == last ? View(first->second) : std::string_view();
}

void AddNames(const grpc::AuthContext& context, const char* property, std::string_view kind,
              std::vector<std::string>& names) {
  for (const grpc::string_ref& value : context.FindPropertyValues(property)) {
    names.push_back(Concat(kind, View(value)));
  }
}

std::vector<std::string> CertificateNames(const grpc::ServerContextBase& context) {
  std::vector<std::string> names;
  const auto of_connection = context.auth_context();
  if (of_connection == nullptr) return names;
  AddNames(*of_connection, GRPC_PEER_URI_PROPERTY_NAME, "uri:", names);
  AddNames(*of_connection, GRPC_PEER_DNS_PROPERTY_NAME, "dns:", names);
  return names;
}

/// The beginning of a name; no character of it is cut in two.
std::string Shortened(const std::string& resource) {
  std::size_t size = 0;
  while (size < resource.size()) {
    // A byte that is no UTF-8 stands for itself.
    const std::size_t next =
        std::max<std::size_t>(DecodeUtf8(std::string_view(resource).substr(size)).size, 1);
    if (size + next > kMaxResourceBytes) break;
    size += next;
  }
  return resource.substr(0, size);
}

}  // namespace

absl::StatusOr<Principal> Gate::Recognize(const grpc::ServerContextBase& context) const {
  if (deps_.authenticator == nullptr) return Anybody();
  Evidence evidence;
  ASSIGN_OR_RETURN(evidence.bearer_token, ReadBearerToken(AuthorizationOf(context)));
  evidence.certificate_names = CertificateNames(context);
  return deps_.authenticator->Authenticate(evidence);
}

absl::StatusOr<Principal> Gate::Admit(Method method, const grpc::ServerContextBase& context) const {
  ASSIGN_OR_RETURN(Principal caller, Recognize(context));
  if (deps_.connections != nullptr) deps_.connections->NoteKnown(context.peer());
  if (deps_.authenticator == nullptr) return caller;
  RETURN_IF_ERROR(deps_.rates.Take(caller, method.rule().begins_work));
  if (caller.roles.Has(method.rule().role)) return caller;
  const char* role = RoleName(method.rule().role);
  return WithReason(absl::PermissionDeniedError(Concat("this call needs the role ", role)),
                    {"ROLE_MISSING", {{"role", role}, {"principal", caller.name}}});
}

std::string Gate::PeerOf(const grpc::ServerContextBase& context) const {
  const std::string_view key = OnlyValue(context, kLocalKeyField);
  if (deps_.local_key.empty() || !EqualInConstantTime(key, deps_.local_key)) {
    return context.peer();
  }
  return std::string(OnlyValue(context, kLocalPeerField));
}

void Gate::Audit(Method method, const Deed& deed, const absl::Status& outcome) const {
  const auto reason = GetReason(outcome);
  std::uint64_t left_out = 0;
  if (absl::IsUnauthenticated(outcome) || (reason && reason->reason == "KEYS_MISSING")) {
    const auto taken = strangers_.Take(deps_.clock.Now());
    if (!taken) return;
    left_out = *taken;
  }
  std::vector<telemetry::LogField> fields = {{"principal", deed.caller.name},
                                             {"tenant", deed.caller.tenant},
                                             {"by", CredentialName(deed.caller.by)},
                                             {"method", method.rule().method},
                                             {"resource", Shortened(deed.resource)},
                                             {"outcome", absl::StatusCodeToString(outcome.code())},
                                             {"reason", reason ? reason->reason : std::string()},
                                             {"peer", deed.peer},
                                             {"trace_id", deed.trace.trace_id},
                                             {"x_request_id", deed.trace.request_id}};
  if (left_out > 0) fields.emplace_back("left_out", left_out);
  deps_.log.Audit(fields);
}

}  // namespace fetchd::rpc
